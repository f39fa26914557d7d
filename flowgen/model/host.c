/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The interfaces of this host and the addresses on them; docs/semantics.md 8.
 */

#include "model/build.h"

#include <errno.h>
#include <regex.h>
#include <string.h>

#define PATTERN_MAX 256 /* characters of an InterfaceExclude pattern: bounds the regex compiler */

static const char *const tunnels[] = {
	"tunl0", "vxlan.calico", "vxlan-v6.calico", "wireguard.cali", "wg-v6.cali"};

static const char *const default_prefixes[] = {"cali"};
static const char *const default_excludes[] = {"kube-ipvs0"};

static bool is_workload_name(const struct hf_build *b, const char *name)
{
	struct hf_names p = b->felix.iface_prefixes;
	size_t i;

	if (!p.n)
		p = (struct hf_names){1, default_prefixes};
	for (i = 0; i < p.n; i++) {
		if (*p.v[i] && strncmp(name, p.v[i], strlen(p.v[i])) == 0)
			return true;
	}
	return false;
}

static enum hf_from kind_of(const struct hf_build *b, const char *name)
{
	size_t i;

	if (is_workload_name(b, name))
		return HF_FROM_WORKLOAD;
	for (i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		if (strcmp(name, tunnels[i]) == 0)
			return HF_FROM_TUNNEL;
	}
	return HF_FROM_UPLINK;
}

int hf_host_find(const struct hf_build *b, const char *name)
{
	struct hf_iface_slot *slot;

	HASH_FIND_STR(b->iface_slots, name, slot);
	return slot ? slot->index : -ENOENT;
}

static int iface_push(
	struct hf_build *b, const struct hf_model_iface *iface, const struct hf_iface_info *info)
{
	struct hf_iface_slot *slot = hf_arena_calloc(b->tmp, 1, sizeof(*slot));

	if (!slot)
		return hf_build_oom(b);
	memcpy(slot->name, iface->id.name, sizeof(slot->name));
	slot->index = (int)b->ifaces.n;
	HASH_ADD_STR(b->iface_slots, name, slot);
	if (!slot->hh.tbl || hf_vec_push(&b->infos, *info) || hf_vec_push(&b->ifaces, *iface))
		return hf_build_oom(b);
	return slot->index;
}

/* Index of the interface of that name, made if need be. */
static int iface_get(struct hf_build *b, const char *name, const struct hf_meta *meta)
{
	struct hf_model_iface iface = {.id.from = kind_of(b, name)};
	struct hf_iface_info info = {.candidate = iface.id.from != HF_FROM_WORKLOAD};
	const char *place = hf_build_place(b, &meta->place);
	int i;

	if (!place)
		return hf_build_oom(b);
	if (!*name || strlen(name) >= sizeof(iface.id.name))
		return hf_fail(b->err, -EINVAL,
			"%s: %s: interface name '%s' does not have 1 to %zu characters", place,
			meta->name, name, sizeof(iface.id.name) - 1);
	i = hf_host_find(b, name);
	if (i >= 0)
		return i;
	if (b->ifaces.n >= HF_MODEL_IFACES_MAX)
		return hf_fail(b->err, -E2BIG, "%s: %s: more than %u interfaces", place, meta->name,
			HF_MODEL_IFACES_MAX);
	memcpy(iface.id.name, name, strlen(name) + 1);
	return iface_push(b, &iface, &info);
}

static int addr_add(struct hf_build *b, size_t iface, const struct hf_addr *addr, uint8_t len)
{
	struct hf_prefix p = {*addr, len};

	return hf_vec_push(&b->infos.v[iface].addrs, p) ? hf_build_oom(b) : 0;
}

static int addrs_add(struct hf_build *b, size_t iface, const struct hf_addrs *addrs)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < addrs->n; i++)
		rc = addr_add(b, iface, &addrs->v[i], (uint8_t)hf_addr_bits(&addrs->v[i]));
	return rc;
}

static int from_facts(struct hf_build *b)
{
	const struct hf_facts_obj *f = b->facts;
	size_t i, k;
	int at, rc;

	for (i = 0; i < f->n_ifaces; i++) {
		at = iface_get(b, f->ifaces[i].name, &f->meta);
		if (at < 0)
			return at;
		b->infos.v[at].down = f->ifaces[i].down;
		for (k = 0; k < f->ifaces[i].n_addrs; k++) {
			rc = addr_add(b, (size_t)at, &f->ifaces[i].addrs[k].addr,
				f->ifaces[i].addrs[k].len);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* A route is through a device that is there, whether the list of interfaces says so or not. A
 * workload's routes also say which sources its reverse-path filter lets pass. */
static int from_routes(struct hf_build *b)
{
	const struct hf_facts_obj *f = b->facts;
	size_t i;
	int at;

	for (i = 0; i < f->n_routes; i++) {
		at = iface_get(b, f->routes[i].dev, &f->meta);
		if (at < 0)
			return at;
		if (b->ifaces.v[at].id.from == HF_FROM_WORKLOAD &&
			hf_vec_push(&b->infos.v[at].sources, f->routes[i].dst))
			return hf_build_oom(b);
	}
	return 0;
}

/* The Node object's addresses are local, on which interface nobody says. */
static int from_node(struct hf_build *b)
{
	const struct hf_node_obj *n = HF_BUILD_FIND(b->objs->node, NULL, b->m->node);
	int rc = 0;

	if (!n)
		return 0;
	if (n->has_bgp4)
		rc = addr_add(b, HF_IF_HOST, &n->bgp4, 32);
	if (rc == 0 && n->has_bgp6)
		rc = addr_add(b, HF_IF_HOST, &n->bgp6, 128);
	if (rc == 0)
		rc = addrs_add(b, HF_IF_HOST, &n->addrs);
	return rc < 0 ? rc : addrs_add(b, HF_IF_HOST, &n->tunnels);
}

static int without_facts(struct hf_build *b)
{
	const struct hf_hep_obj *hep = b->objs->hep.v;
	size_t i, on;
	int at, rc;

	for (i = 0; i < b->objs->hep.n; i++) {
		if (strcmp(hep[i].node, b->m->node) != 0)
			continue;
		on = HF_IF_HOST;
		if (hep[i].iface && strcmp(hep[i].iface, "*") != 0) {
			at = iface_get(b, hep[i].iface, &hep[i].meta);
			if (at < 0)
				return at;
			on = (size_t)at;
		}
		rc = addrs_add(b, on, &hep[i].expected);
		if (rc < 0)
			return rc;
	}
	return from_node(b);
}

/*
 * What the strict reverse-path filter lets through besides the pod's own addresses: the unspecified
 * address (duplicate address detection) and link-local ones, to which every IPv6 interface has a
 * route (Linux net/ipv6/netfilter/ip6t_rpfilter.c).
 */
static const struct hf_prefix ipv6_sources[] = {
	{{6, {0}}, 128},
	{{6, {0xfe, 0x80}}, 64},
};

static int wep_sources(struct hf_build *b, struct hf_iface_info *info, const struct hf_wep_obj *w)
{
	size_t i;

	for (i = 0; i < w->nets.n; i++) {
		if (hf_vec_push(&info->sources, w->nets.v[i]))
			return hf_build_oom(b);
	}
	for (i = 0; w->allow_spoofed && i < w->spoofed.n; i++) {
		if (hf_vec_push(&info->sources, w->spoofed.v[i]))
			return hf_build_oom(b);
	}
	return 0;
}

static int from_weps(struct hf_build *b)
{
	const struct hf_wep_obj *w = b->objs->wep.v;
	size_t i;
	int at, rc = 0;

	for (i = 0; rc == 0 && i < b->objs->wep.n; i++) {
		if (!w[i].iface || strcmp(w[i].node, b->m->node) != 0)
			continue;
		at = iface_get(b, w[i].iface, &w[i].meta);
		if (at < 0)
			return at;
		if (b->ifaces.v[at].id.from != HF_FROM_WORKLOAD)
			rc = hf_warn_meta(b, "wep-prefix", &w[i].meta,
				"interface '%s' of a workload endpoint begins with no "
				"interfacePrefix; "
				"Calico would take it for a host interface, hepflow does not",
				w[i].iface);
		b->ifaces.v[at].id.from = HF_FROM_WORKLOAD;
		b->infos.v[at].candidate = false;
		if (rc == 0)
			rc = wep_sources(b, &b->infos.v[at], &w[i]);
	}
	return rc;
}

static int ipv6_rpf(struct hf_build *b)
{
	size_t i, k;

	for (i = 0; i < b->ifaces.n; i++) {
		if (b->ifaces.v[i].id.from != HF_FROM_WORKLOAD)
			continue;
		for (k = 0; k < sizeof(ipv6_sources) / sizeof(ipv6_sources[0]); k++) {
			if (hf_vec_push(&b->infos.v[i].sources, ipv6_sources[k]))
				return hf_build_oom(b);
		}
	}
	return 0;
}

/* Constructs of Go's regular expressions that the C library reads as something else. */
static bool is_foreign(const char *pattern)
{
	return strstr(pattern, "(?") || strstr(pattern, "\\d") || strstr(pattern, "\\D") ||
	       strstr(pattern, "\\p") || strstr(pattern, "*?") || strstr(pattern, "+?");
}

static int exclude_pattern(struct hf_build *b, const char *text)
{
	size_t i, len = strlen(text);
	char pattern[PATTERN_MAX];
	regex_t re;

	if (len - 2 >= sizeof(pattern))
		return hf_fail(b->err, -EINVAL, "%s: interfaceExclude: pattern is longer than %d",
			b->where, PATTERN_MAX - 1);
	memcpy(pattern, text + 1, len - 2);
	pattern[len - 2] = '\0';
	if (is_foreign(pattern) || regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return hf_fail(b->err, -EINVAL,
			"%s: interfaceExclude: '%s' is not a POSIX extended regular expression",
			b->where, text);
	for (i = 0; i < b->ifaces.n; i++) {
		if (regexec(&re, b->ifaces.v[i].id.name, 0, NULL, 0) == 0)
			b->infos.v[i].candidate = false;
	}
	regfree(&re);
	return 0;
}

static int exclude(struct hf_build *b)
{
	struct hf_names names = {1, default_excludes};
	size_t i, len;
	int at, rc = 0;

	if (b->felix.has_iface_exclude)
		names = b->felix.iface_exclude;
	b->where = hf_build_place(b, &b->felix.meta.place);
	if (!b->where)
		return hf_build_oom(b);
	for (i = 0; rc == 0 && i < names.n; i++) {
		len = strlen(names.v[i]);
		at = hf_host_find(b, names.v[i]);
		if (len > 2 && names.v[i][0] == '/' && names.v[i][len - 1] == '/')
			rc = exclude_pattern(b, names.v[i]);
		else if (at > HF_IF_HOST)
			b->infos.v[at].candidate = false;
	}
	b->infos.v[HF_IF_HOST].candidate = false;
	return rc;
}

int hf_host_ifaces(struct hf_build *b)
{
	static const struct hf_meta lo = {.name = "lo"};
	struct hf_model_iface host = {.id.from = HF_FROM_HOST};
	struct hf_iface_info info = {0};
	int rc = iface_push(b, &host, &info);

	if (rc == HF_IF_HOST)
		rc = b->facts ? from_facts(b) : without_facts(b);
	if (rc == 0)
		rc = from_weps(b);
	if (rc == 0 && b->facts)
		rc = from_routes(b);
	if (rc == 0)
		rc = iface_get(b, "lo", &lo);
	if (rc >= 0)
		rc = ipv6_rpf(b);
	return rc < 0 ? rc : exclude(b);
}
