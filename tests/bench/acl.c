/* SPDX-License-Identifier: BSD-3-Clause */

#include "acl.h"

#include <hf_test_rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_PER_POLICY 1000
#define LINE_SIZE	 256

static const uint16_t services[] = {20, 21, 22, 23, 25, 53, 67, 80, 110, 119, 123, 135, 137, 143,
	161, 179, 389, 443, 445, 514, 515, 993, 1433, 1521, 1723, 2049, 3128, 3306, 5060, 5432,
	6789, 8080, 8443, 9100, 27017};
#define N_SERVICES (sizeof(services) / sizeof(services[0]))

/* Nets that rules take theirs from: networks, nets in them, and so on. */
struct pool {
	uint8_t family;
	size_t n;
	struct hf_prefix *v;
};

static void set_bits(struct hf_prefix *p, unsigned int from, unsigned int to, struct hf_rand *rand)
{
	unsigned int i;

	for (i = from; i < to; i++) {
		if (hf_rand_below(rand, 2))
			p->addr.b[i / 8] |= (uint8_t)(0x80 >> i % 8);
	}
	p->len = (uint8_t)to;
}

/* A net of its own, or one inside an earlier one. */
static struct hf_prefix grow(const struct pool *pool, struct hf_rand *rand)
{
	unsigned int bits = pool->family == 4 ? 32 : 128, first = pool->family == 4 ? 12 : 36, to;
	struct hf_prefix p = {.addr.family = pool->family};

	if (pool->n == 0 || hf_rand_chance(rand, 1, 8)) {
		set_bits(&p, 1, first + (unsigned int)hf_rand_below(rand, 8), rand);
		return p;
	}
	p = pool->v[hf_rand_below(rand, pool->n)];
	if (p.len == bits)
		return p;
	to = hf_rand_chance(rand, 1, 2) ? bits : p.len + 1 + (unsigned int)hf_rand_below(rand, 12);
	set_bits(&p, p.len, to < bits ? to : bits, rand);
	return p;
}

static void fill_pool(struct pool *pool, uint8_t family, size_t n, struct hf_rand *rand)
{
	*pool = (struct pool){.family = family, .v = calloc(n, sizeof(*pool->v))};
	if (!pool->v)
		abort();
	while (pool->n < n) {
		pool->v[pool->n] = grow(pool, rand);
		pool->n++;
	}
}

static struct hf_prefix draw(const struct pool *pool, unsigned int any_of_100, struct hf_rand *rand)
{
	if (hf_rand_chance(rand, any_of_100, 100))
		return (struct hf_prefix){.addr.family = pool->family};
	return pool->v[hf_rand_below(rand, pool->n)];
}

static struct hf_ports draw_ports(struct hf_rand *rand, unsigned int any, unsigned int ranges)
{
	static const struct hf_ports some[] = {{0, 1023}, {1024, UINT16_MAX}, {6000, 6063},
		{5000, 5009}, {32768, 60999}, {2300, 2400}, {135, 139}};
	uint64_t dice = hf_rand_below(rand, 100);
	uint16_t port = services[hf_rand_below(rand, N_SERVICES)];

	if (dice < any)
		return (struct hf_ports){0, UINT16_MAX};
	if (dice < any + ranges)
		return some[hf_rand_below(rand, sizeof(some) / sizeof(some[0]))];
	if (hf_rand_chance(rand, 1, 4))
		port = (uint16_t)hf_rand_between(rand, 1024, 32767);
	return (struct hf_ports){port, port};
}

void hf_acl_make(struct hf_acl *acl, enum hf_acl_kind kind, uint8_t family, size_t n, uint64_t seed)
{
	/* In percent: any source, any destination, any port, a range of ports, any protocol. */
	static const struct {
		uint8_t src, dst, port, range, proto;
	} shape[] = {
		[HF_ACL_ACL] = {12, 0, 12, 10, 8},
		[HF_ACL_FW] = {40, 12, 20, 25, 10},
		[HF_ACL_IPC] = {2, 2, 40, 10, 30},
	};
	struct pool src, dst;
	struct hf_rand rand;
	size_t i;

	hf_rand_init(&rand, seed, (uint64_t)kind);
	fill_pool(&src, family, n / 4 + 1, &rand);
	fill_pool(&dst, family, n / 4 + 1, &rand);
	*acl = (struct hf_acl){.n = n, .v = calloc(n + 1, sizeof(*acl->v))};
	if (!acl->v)
		abort();
	for (i = 0; i < n; i++) {
		struct hf_acl_rule *r = &acl->v[i];

		r->src = draw(&src, shape[kind].src, &rand);
		r->dst = draw(&dst, shape[kind].dst, &rand);
		r->sport = r->dport = (struct hf_ports){0, UINT16_MAX};
		r->allow = hf_rand_below(&rand, 2);
		if (hf_rand_chance(&rand, shape[kind].proto, 100))
			continue;
		r->proto = hf_rand_chance(&rand, 2, 3) ? HF_PROTO_TCP : HF_PROTO_UDP;
		r->dport = draw_ports(&rand, shape[kind].port, shape[kind].range);
		if (kind != HF_ACL_ACL && hf_rand_chance(&rand, 1, 5))
			r->sport = draw_ports(&rand, 0, 60);
	}
	free(src.v);
	free(dst.v);
}

/* "@SIP/len DIP/len LO : HI LO : HI PROTO/MASK FLAGS/MASK" */
static bool read_rule(char *line, struct hf_acl_rule *r)
{
	char src[64], dst[64];
	unsigned int ports[4], proto, mask;

	if (sscanf(line, "@%63s %63s %u : %u %u : %u %x/%x", src, dst, &ports[0], &ports[1],
		    &ports[2], &ports[3], &proto, &mask) != 8 ||
		hf_prefix_parse(src, &r->src, NULL) < 0 || hf_prefix_parse(dst, &r->dst, NULL) < 0)
		return false;
	r->sport = (struct hf_ports){(uint16_t)ports[0], (uint16_t)ports[1]};
	r->dport = (struct hf_ports){(uint16_t)ports[2], (uint16_t)ports[3]};
	r->proto = mask ? (uint8_t)proto : 0;
	return true;
}

bool hf_acl_read(struct hf_acl *acl, const char *path, size_t max, uint64_t seed)
{
	FILE *f = fopen(path, "re");
	char line[LINE_SIZE];
	struct hf_rand rand;

	if (!f)
		return false;
	*acl = (struct hf_acl){.v = calloc(max + 1, sizeof(*acl->v))};
	if (!acl->v)
		abort();
	hf_rand_init(&rand, seed, 0);
	while (acl->n < max && fgets(line, sizeof(line), f)) {
		if (!read_rule(line, &acl->v[acl->n]))
			continue;
		acl->v[acl->n++].allow = hf_rand_below(&rand, 2);
	}
	(void)fclose(f);
	return acl->n > 0;
}

void hf_acl_fini(struct hf_acl *acl)
{
	free(acl->v);
}

static void print_side(FILE *out, const char *side, const struct hf_prefix *net,
	struct hf_ports ports, bool has_ports)
{
	char text[HF_ADDRSTR_SIZE];
	bool any = !has_ports || (ports.lo == 0 && ports.hi == UINT16_MAX);

	if (any && net->len == 0)
		return;
	if (!any) { /* Calico has no port 0 */
		ports.lo += ports.lo == 0;
		ports.hi += ports.hi == 0;
	}
	fprintf(out, ", %s: {", side);
	if (net->len)
		fprintf(out, "nets: [\"%s\"]", hf_prefix_print(net, text));
	if (!any && ports.lo == ports.hi)
		fprintf(out, "%sports: [%u]", net->len ? ", " : "", ports.lo);
	else if (!any)
		fprintf(out, "%sports: [\"%u:%u\"]", net->len ? ", " : "", ports.lo, ports.hi);
	fputs("}", out);
}

static void print_rule(FILE *out, const struct hf_acl_rule *r)
{
	bool ports = hf_proto_has_ports(r->proto);

	fprintf(out, "    - {action: %s, ipVersion: %u", r->allow ? "Allow" : "Deny",
		r->src.addr.family);
	if (r->proto)
		fprintf(out, ", protocol: %u", r->proto);
	print_side(out, "source", &r->src, r->sport, ports);
	print_side(out, "destination", &r->dst, r->dport, ports);
	fputs("}\n", out);
}

char *hf_acl_text(const struct hf_acl *acl)
{
	static const char head[] =
		"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"
		"  interfaces:\n    - {name: eth0, addresses: [192.0.2.10/24, 2001:db8::10/64]}\n"
		"---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"
		"metadata: {name: eth0, labels: {host: eth0}}\n"
		"spec: {node: n0, interfaceName: eth0}\n";
	char *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	fputs(head, out);
	for (i = 0; i < acl->n; i++) {
		if (i % RULES_PER_POLICY == 0)
			fprintf(out,
				"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
				"metadata: {name: p%zu}\nspec:\n  selector: has(host)\n"
				"  order: %zu\n  applyOnForward: true\n  types: [Ingress]\n"
				"  ingress:\n",
				i / RULES_PER_POLICY, i / RULES_PER_POLICY);
		print_rule(out, &acl->v[i]);
	}
	if (fclose(out) != 0)
		abort();
	return text;
}
