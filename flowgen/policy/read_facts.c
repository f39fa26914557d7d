/* SPDX-License-Identifier: BSD-3-Clause */

/* HostFacts: docs/host-facts.md. */

#include "policy/read.h"

#include <hepflow/base/arena.h>

#include <stdlib.h>
#include <string.h>

/* One host; far beyond what a kernel is given. */
#define IFACES_MAX 65534 /* interface indexes of the model are 16 bits wide */
#define TO_MAX	   65535 /* backends of one service: n_to of the model is 16 bits wide */

static int rd_ifname(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int rc = hf_rd_str(rd, node, dst);

	if (rc == 0 && (node->text[0] == '\0' || strlen(node->text) >= HF_IFNAME_SIZE ||
			       strpbrk(node->text, "/ \t\n")))
		return hf_rd_bad(rd, node, "'%.64s' is not an interface name", node->text);
	return rc;
}

static int rd_iface_addr(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct hf_facts_addr *addr = dst;
	struct hf_prefix net;
	int rc = hf_rd_addr_of_net(rd, node, &addr->addr);

	if (rc < 0)
		return rc;
	/* Cannot fail: hf_rd_addr_of_net() has read the same text. */
	(void)hf_prefix_parse(node->text, &net, NULL);
	addr->len = net.len;
	return 0;
}

static int rd_iface_addrs(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_iface_addr, sizeof(struct hf_facts_addr), HF_LIST_MAX, dst);
}

static int rd_state(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {"up", "down"};
	unsigned int word;
	int rc = hf_rd_word(rd, node, HF_WORDS(words), true, &word);

	if (rc == 0)
		*(bool *)dst = word == 1;
	return rc;
}

static const struct hf_field iface_fields[] = {
	{"name", rd_ifname, offsetof(struct hf_facts_iface, name)},
	{"addresses", rd_iface_addrs, offsetof(struct hf_facts_iface, n_addrs)},
	{"operState", rd_state, offsetof(struct hf_facts_iface, down)},
};

static int rd_iface(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(iface_fields);
	struct hf_facts_iface *iface = dst;
	int rc = hf_rd_map(rd, node, &shape, iface);

	if (rc == 0 && !iface->name)
		return hf_rd_bad(rd, node, "interface without a 'name'");
	return rc;
}

static int rd_ifaces(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_iface, sizeof(struct hf_facts_iface), IFACES_MAX, dst);
}

static const struct hf_field route_fields[] = {
	{"dst", hf_rd_net_loose, offsetof(struct hf_facts_route, dst)},
	{"dev", rd_ifname, offsetof(struct hf_facts_route, dev)},
};

static int rd_route(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(route_fields);
	struct hf_facts_route *route = dst;
	int rc = hf_rd_map(rd, node, &shape, route);

	if (rc == 0 && (!route->dst.addr.family || !route->dev))
		return hf_rd_bad(rd, node, "a route needs 'dst' and 'dev'");
	return rc;
}

static int rd_routes(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_route, sizeof(struct hf_facts_route), HF_LIST_MAX, dst);
}

static int rd_dnat_proto(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {"tcp", "udp", "sctp"};
	static const uint8_t protos[] = {HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_SCTP};
	unsigned int word;
	int rc = hf_rd_word(rd, node, HF_WORDS(words), true, &word);

	if (rc == 0)
		*(uint8_t *)dst = protos[word];
	return rc;
}

static int rd_addrport(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct hf_addrport *ap = dst;
	const char *text;
	int rc = hf_rd_str(rd, node, &text);

	if (rc == 0 && (hf_addrport_parse(text, ap) < 0 || ap->port == 0))
		return hf_rd_bad(
			rd, node, "'%.64s' is not address:port or [IPv6 address]:port", text);
	return rc;
}

static int rd_to(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_addrport, sizeof(struct hf_addrport), TO_MAX, dst);
}

static const struct hf_field dnat_fields[] = {
	{"proto", rd_dnat_proto, offsetof(struct hf_facts_dnat, proto)},
	{"dst", hf_rd_addr, offsetof(struct hf_facts_dnat, addr)},
	{"port", hf_rd_port16, offsetof(struct hf_facts_dnat, port)},
	{"to", rd_to, offsetof(struct hf_facts_dnat, n_to)},
};

static int rd_dnat(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(dnat_fields);
	struct hf_facts_dnat *dnat = dst;
	size_t i;
	int rc;

	dnat->place = hf_rd_place(rd, node);
	rc = hf_rd_map(rd, node, &shape, dnat);
	if (rc < 0)
		return rc;
	if (!dnat->proto || !dnat->addr.family || !dnat->port || !dnat->n_to)
		return hf_rd_bad(rd, node, "needs 'proto', 'dst', 'port' and 'to'");
	for (i = 0; i < dnat->n_to; i++) {
		if (dnat->to[i].addr.family != dnat->addr.family)
			return hf_rd_bad(rd, hf_rd_where(node, "to"),
				"'to' and 'dst' are of different families");
	}
	return 0;
}

static int rd_dnats(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_dnat, sizeof(struct hf_facts_dnat), HF_LIST_MAX, dst);
}

static int rd_hook(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {"accept", "drop"};
	unsigned int word;
	int rc = hf_rd_word(rd, node, HF_WORDS(words), true, &word);

	if (rc == 0)
		*(bool *)dst = word == 1;
	return rc;
}

static const struct hf_field kernel_fields[] = {
	{"input", rd_hook, offsetof(struct hf_facts_obj, drop_input)},
	{"output", rd_hook, offsetof(struct hf_facts_obj, drop_output)},
	{"forward", rd_hook, offsetof(struct hf_facts_obj, drop_forward)},
};

static int rd_kernel(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(kernel_fields);

	return hf_rd_map(rd, node, &shape, dst);
}

/* kernelPolicy fills members of the whole, so it gets the whole. */
static const struct hf_field facts_fields[] = {
	{"interfaces", rd_ifaces, offsetof(struct hf_facts_obj, n_ifaces)},
	{"routes", rd_routes, offsetof(struct hf_facts_obj, n_routes)},
	{"dnat", rd_dnats, offsetof(struct hf_facts_obj, n_dnats)},
	{"kernelPolicy", rd_kernel, 0},
};

/* An entry of a list and where it stands, to find those given twice by sorting. */
struct entry {
	const void *item;
	const struct hf_yaml *node;
};

static int iface_cmp(const void *a, const void *b)
{
	const struct hf_facts_iface *x = ((const struct entry *)a)->item;
	const struct hf_facts_iface *y = ((const struct entry *)b)->item;

	return strcmp(x->name, y->name);
}

static int route_cmp(const void *a, const void *b)
{
	const struct hf_facts_route *x = ((const struct entry *)a)->item;
	const struct hf_facts_route *y = ((const struct entry *)b)->item;

	return hf_prefix_cmp(&x->dst, &y->dst);
}

static int dnat_cmp(const void *a, const void *b)
{
	const struct hf_facts_dnat *x = ((const struct entry *)a)->item;
	const struct hf_facts_dnat *y = ((const struct entry *)b)->item;
	int cmp = hf_addr_cmp(&x->addr, &y->addr);

	if (cmp == 0)
		cmp = (x->proto > y->proto) - (x->proto < y->proto);
	return cmp ? cmp : (x->port > y->port) - (x->port < y->port);
}

static int check_twice(struct hf_rd *rd, const struct hf_yaml *spec, const char *field,
	const void *v, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	const struct hf_yaml *list = hf_rd_get(spec, field);
	struct entry *entries;
	size_t i;

	if (n < 2)
		return 0;
	entries = hf_arena_calloc(rd->arena, n, sizeof(*entries));
	if (!entries)
		return hf_rd_nomem(rd);
	for (i = 0; i < n; i++)
		entries[i] = (struct entry){(const char *)v + i * size, list->v[i]};
	qsort(entries, n, sizeof(*entries), cmp);
	for (i = 1; i < n; i++) {
		const struct hf_yaml *a = entries[i - 1].node, *b = entries[i].node;
		bool b_later = b->line > a->line || (b->line == a->line && b->col > a->col);

		if (cmp(&entries[i - 1], &entries[i]) == 0)
			return hf_rd_fail(rd, b_later ? b : a, "%s: the same as in line %u", field,
				b_later ? a->line : b->line);
	}
	return 0;
}

int hf_rd_facts(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(facts_fields);
	const struct hf_yaml *spec = hf_rd_get(object, "spec");
	struct hf_facts_obj *facts = dst;
	int rc = hf_rd_spec(rd, object, &shape, facts);

	if (rc == 0)
		rc = check_twice(rd, spec, "interfaces", facts->ifaces, facts->n_ifaces,
			sizeof(*facts->ifaces), iface_cmp);
	if (rc == 0)
		rc = check_twice(rd, spec, "routes", facts->routes, facts->n_routes,
			sizeof(*facts->routes), route_cmp);
	if (rc == 0)
		rc = check_twice(rd, spec, "dnat", facts->dnats, facts->n_dnats,
			sizeof(*facts->dnats), dnat_cmp);
	return rc;
}
