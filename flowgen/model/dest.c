/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Who owns which destination address: this host, one of its pods, or somebody else.
 */

#include "model/build.h"

#include <errno.h>
#include <string.h>

/* Of equal prefixes the first kind stays: the kernel asks its local table before all others. */
enum rank {
	RANK_LOCAL,
	RANK_SPECIAL,
	RANK_WEP,
	RANK_ROUTE,
	RANK_CONNECTED,
	RANK_DEFAULT,
};

struct ranked {
	struct hf_dest dest;
	enum rank rank;
};

struct table {
	HF_VEC(struct ranked) v;
};

/*
 * Never forwarded: loopback (RFC 1122, 3.2.1.3), local multicast (RFC 5771, 4), limited broadcast
 * (RFC 1122, 3.2.1.3); IPv6 loopback, link-local, and multicast of interface and link scope (RFC
 * 4291, 2.4 to 2.7).
 */
static const struct hf_prefix special[] = {
	{{4, {127}}, 8},
	{{4, {224}}, 24},
	{{4, {255, 255, 255, 255}}, 32},
	{{6, {[15] = 1}}, 128},
	{{6, {0xfe, 0x80}}, 10},
	{{6, {0xff, 0x01}}, 16},
	{{6, {0xff, 0x02}}, 16},
};

#define N_SPECIAL (sizeof(special) / sizeof(special[0]))

static int add(struct hf_build *b, struct table *t, const struct hf_prefix *net,
	enum hf_class class, size_t out, enum rank rank)
{
	struct ranked r = {{*net, class, (uint16_t)out}, rank};

	return hf_vec_push(&t->v, r) ? hf_build_oom(b) : 0;
}

static bool never_forwarded(const struct hf_prefix *net)
{
	size_t i;

	for (i = 0; i < N_SPECIAL; i++) {
		if (hf_prefix_covers(&special[i], net))
			return true;
	}
	return false;
}

/* A route or an on-link prefix; to a pod's interface it makes its destinations the pod's. */
static int add_via(struct hf_build *b, struct table *t, const struct hf_prefix *net, size_t iface,
	enum rank rank)
{
	bool workload = b->m->ifaces[iface].id.from == HF_FROM_WORKLOAD;

	if (never_forwarded(net))
		return 0;
	return add(b, t, net, workload ? HF_CLASS_WORKLOAD : HF_CLASS_REMOTE, iface, rank);
}

static int add_addr(struct hf_build *b, struct table *t, const struct hf_prefix *a, size_t iface)
{
	struct hf_prefix host = {a->addr, (uint8_t)hf_addr_bits(&a->addr)}, net = *a, last;
	bool lo = strcmp(b->m->ifaces[iface].id.name, "lo") == 0;
	int rc = add(b, t, &host, HF_CLASS_HOST, HF_IF_HOST, RANK_LOCAL);

	hf_prefix_mask(&net);
	if (rc < 0 || net.len == host.len || iface == HF_IF_HOST)
		return rc;
	/* All of an IPv4 prefix on the loopback device is local (Linux net/ipv4/fib_frontend.c). */
	if (lo)
		return a->addr.family == 4 ? add(b, t, &net, HF_CLASS_HOST, HF_IF_HOST, RANK_LOCAL)
					   : 0;
	if (a->addr.family == 4 && net.len <= 30) { /* RFC 3021: /31 has no broadcast */
		last = (struct hf_prefix){hf_prefix_last(&net), 32};
		rc = add(b, t, &last, HF_CLASS_HOST, HF_IF_HOST, RANK_LOCAL);
	}
	return rc < 0 ? rc : add_via(b, t, &net, iface, RANK_CONNECTED);
}

static int add_addrs(struct hf_build *b, struct table *t)
{
	size_t i, k;
	int rc = 0;

	for (i = 0; i < b->m->n_ifaces; i++) {
		for (k = 0; rc == 0 && k < b->m->ifaces[i].n_addrs; k++)
			rc = add_addr(b, t, &b->m->ifaces[i].addrs[k], i);
	}
	return rc;
}

static int add_weps(struct hf_build *b, struct table *t)
{
	const struct hf_wep_obj *w;
	size_t i, k;
	int at, rc = 0;

	for (i = 0; i < b->objs->wep.n; i++) {
		w = &b->objs->wep.v[i];
		if (!b->weps[i] || !w->iface)
			continue;
		at = hf_host_find(b, w->iface);
		for (k = 0; rc == 0 && k < w->nets.n; k++)
			rc = add(b, t, &w->nets.v[k], HF_CLASS_WORKLOAD, (size_t)at, RANK_WEP);
	}
	return rc;
}

static int add_routes(struct hf_build *b, struct table *t)
{
	const struct hf_facts_obj *f = b->facts;
	size_t i;
	int rc = 0;

	for (i = 0; f && rc == 0 && i < f->n_routes; i++)
		rc = add_via(b, t, &f->routes[i].dst, (size_t)hf_host_find(b, f->routes[i].dev),
			RANK_ROUTE);
	return rc;
}

/* The first uplink; the loopback device leads nowhere. */
static size_t default_out(const struct hf_build *b)
{
	size_t i;

	for (i = 1; i < b->m->n_ifaces; i++) {
		if (b->m->ifaces[i].id.from == HF_FROM_UPLINK &&
			strcmp(b->m->ifaces[i].id.name, "lo") != 0)
			return i;
	}
	return HF_IF_HOST;
}

static int add_fixed(struct hf_build *b, struct table *t)
{
	static const struct hf_prefix all[] = {{{.family = 4}, 0}, {{.family = 6}, 0}};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < N_SPECIAL; i++)
		rc = add(b, t, &special[i], HF_CLASS_HOST, HF_IF_HOST, RANK_SPECIAL);
	for (i = 0; rc == 0 && i < 2; i++)
		rc = add(b, t, &all[i], HF_CLASS_REMOTE, default_out(b), RANK_DEFAULT);
	return rc;
}

static int cmp_net(const struct hf_prefix *a, const struct hf_prefix *b)
{
	return a->len != b->len ? (int)b->len - (int)a->len : hf_addr_cmp(&a->addr, &b->addr);
}

static int cmp_ranked(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;
	int c = cmp_net(&a->dest.net, &b->dest.net);

	if (!c)
		c = (int)a->rank - (int)b->rank;
	return c ? c : (int)a->dest.out - (int)b->dest.out;
}

static int finish(struct hf_build *b, struct table *t)
{
	struct hf_dest *v = hf_arena_calloc(b->arena, t->v.n, sizeof(*v));
	size_t i, n = 0;

	if (!v)
		return hf_build_oom(b);
	qsort(t->v.v, t->v.n, sizeof(*t->v.v), cmp_ranked);
	for (i = 0; i < t->v.n; i++) {
		if (!n || cmp_net(&v[n - 1].net, &t->v.v[i].dest.net) != 0)
			v[n++] = t->v.v[i].dest;
	}
	b->m->dests = v;
	b->m->n_dests = n;
	return 0;
}

int hf_dest_build(struct hf_build *b)
{
	struct table t = {0};
	int rc = add_addrs(b, &t);

	if (rc == 0)
		rc = add_weps(b, &t);
	if (rc == 0)
		rc = add_routes(b, &t);
	if (rc == 0)
		rc = add_fixed(b, &t);
	if (rc == 0)
		rc = finish(b, &t);
	hf_vec_fini(&t.v);
	return rc;
}

int hf_model_find_iface(const struct hf_model *model, const char *name)
{
	size_t i;

	for (i = 0; i < model->n_ifaces; i++) {
		if (strcmp(model->ifaces[i].id.name, name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

/* First of dests[from..] that is not longer than len. */
static size_t shorter(const struct hf_model *model, size_t from, int len)
{
	size_t lo = from, hi = model->n_dests;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (model->dests[mid].net.len >= len)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct hf_dest *exact(const struct hf_dest *v, size_t n, const struct hf_prefix *net)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = hf_addr_cmp(&v[mid].net.addr, &net->addr);

		if (c == 0)
			return &v[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Runs of equal length, longest first, each sorted by address. */
const struct hf_dest *hf_model_find_dest(const struct hf_model *model, const struct hf_addr *dst)
{
	const struct hf_dest *found = NULL;
	size_t i, end;

	for (i = 0; !found && i < model->n_dests; i = end) {
		struct hf_prefix net = {*dst, model->dests[i].net.len};

		end = shorter(model, i, net.len);
		hf_prefix_mask(&net);
		if (net.len <= hf_addr_bits(dst))
			found = exact(&model->dests[i], end - i, &net);
	}
	return found;
}

static bool is_loopback(
	const struct hf_model_iface *iface, const struct hf_prefix *p, const struct hf_addr *addr)
{
	struct hf_prefix net = *p;

	hf_prefix_mask(&net);
	return addr->family == 4 && strcmp(iface->id.name, "lo") == 0 && hf_prefix_has(&net, addr);
}

bool hf_model_is_local(const struct hf_model *model, const struct hf_addr *addr)
{
	static const struct hf_prefix loop4 = {{4, {127}}, 8}, loop6 = {{6, {[15] = 1}}, 128};
	const struct hf_model_iface *iface;
	size_t i, k;

	if (hf_prefix_has(&loop4, addr) || hf_prefix_has(&loop6, addr))
		return true;
	for (i = 0; i < model->n_ifaces; i++) {
		iface = &model->ifaces[i];
		for (k = 0; k < iface->n_addrs; k++) {
			if (hf_addr_equal(&iface->addrs[k].addr, addr) ||
				is_loopback(iface, &iface->addrs[k], addr))
				return true;
		}
	}
	return false;
}
