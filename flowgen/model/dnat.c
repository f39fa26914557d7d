/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Destinations that the host rewrites: what HostFacts say, what kube-proxy makes of Services and
 * EndpointSlices, and floating addresses of pods; docs/semantics.md 3.1, steps 4 and 9.
 */

#include "model/build.h"

#include <errno.h>
#include <string.h>

/* One backend of one destination. */
struct pair {
	uint8_t proto;
	uint16_t port;
	struct hf_addr addr;
	struct hf_addrport to;
	size_t seq; /* order of writing, which the backends of a destination keep */
};

struct dnat {
	struct hf_build *b;
	HF_VEC(struct pair) pairs;
	size_t n_slices;
	const struct hf_slice_obj **slices; /* by namespace and service */
};

static int add(struct dnat *d, uint8_t proto, const struct hf_addr *addr, uint16_t port,
	const struct hf_addrport *to)
{
	struct pair p = {proto, port, *addr, *to, d->pairs.n};

	if (addr->family != to->addr.family)
		return 0; /* a service of both families has backends of both */
	if (d->pairs.n >= HF_MODEL_DNATS_MAX)
		return hf_fail(d->b->err, -E2BIG,
			"%s: services and DNAT make more than %u pairs of destination and backend",
			d->b->where, HF_MODEL_DNATS_MAX);
	return hf_vec_push(&d->pairs, p) ? hf_build_oom(d->b) : 0;
}

static int from_facts(struct dnat *d)
{
	const struct hf_facts_obj *f = d->b->facts;
	size_t i, k;
	int rc = 0;

	for (i = 0; f && i < f->n_dnats; i++) {
		for (k = 0; rc == 0 && k < f->dnats[i].n_to; k++)
			rc = add(d, f->dnats[i].proto, &f->dnats[i].addr, f->dnats[i].port,
				&f->dnats[i].to[k]);
	}
	return rc;
}

/* Floating addresses are rewritten where the pod is. */
static int from_weps(struct dnat *d)
{
	const struct hf_wep_obj *w;
	size_t i, k;
	int rc = 0;

	for (i = 0; i < d->b->objs->wep.n; i++) {
		w = &d->b->objs->wep.v[i];
		for (k = 0; rc == 0 && d->b->weps[i] && k < w->n_nats; k++) {
			struct hf_addrport to = {.addr = w->nats[k].internal};

			rc = add(d, 0, &w->nats[k].external, 0, &to);
		}
	}
	return rc;
}

static int cmp_service(const struct hf_slice_obj *slice, const char *ns, const char *service)
{
	int c = strcmp(slice->meta.ns ? slice->meta.ns : "", ns ? ns : "");

	return c ? c : strcmp(slice->service, service);
}

static int cmp_slice(const void *pa, const void *pb)
{
	const struct hf_slice_obj *a = *(const struct hf_slice_obj *const *)pa;
	const struct hf_slice_obj *b = *(const struct hf_slice_obj *const *)pb;
	int c = cmp_service(a, b->meta.ns, b->service);

	return c ? c : strcmp(a->meta.name, b->meta.name);
}

static int index_slices(struct dnat *d)
{
	const struct hf_objects *o = d->b->objs;
	size_t i;

	d->slices = hf_arena_calloc(d->b->tmp, o->slice.n, sizeof(*d->slices));
	if (!d->slices)
		return hf_build_oom(d->b);
	for (i = 0; i < o->slice.n; i++) {
		if (o->slice.v[i].service)
			d->slices[d->n_slices++] = &o->slice.v[i];
	}
	if (d->n_slices)
		qsort(d->slices, d->n_slices, sizeof(*d->slices), cmp_slice);
	return 0;
}

static size_t first_slice(const struct dnat *d, const struct hf_meta *service)
{
	size_t lo = 0, hi = d->n_slices;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cmp_service(d->slices[mid], service->ns, service->name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct backends {
	HF_VEC(struct hf_addrport) all;
	HF_VEC(struct hf_addrport) local; /* on this node */
};

static bool same_port(const struct hf_service_port *a, const struct hf_service_port *b)
{
	return a->proto == b->proto && b->port != 0 &&
	       strcmp(a->name ? a->name : "", b->name ? b->name : "") == 0;
}

static int slice_backends(
	struct dnat *d, const struct hf_slice_obj *slice, uint16_t port, struct backends *ret)
{
	const struct hf_slice_endpoint *e;
	size_t i, k;

	for (i = 0; i < slice->n_endpoints; i++) {
		e = &slice->endpoints[i];
		for (k = 0; e->ready && k < e->addrs.n; k++) {
			struct hf_addrport to = {e->addrs.v[k], port};

			if (hf_vec_push(&ret->all, to))
				return hf_build_oom(d->b);
			if (e->node && strcmp(e->node, d->b->m->node) == 0 &&
				hf_vec_push(&ret->local, to))
				return hf_build_oom(d->b);
		}
	}
	return 0;
}

/* Ports of a service and of its slices go together by name. */
static int port_backends(struct dnat *d, const struct hf_service_obj *s,
	const struct hf_service_port *port, struct backends *ret)
{
	size_t i, k;
	int rc = 0;

	for (i = first_slice(d, &s->meta);
		i < d->n_slices && cmp_service(d->slices[i], s->meta.ns, s->meta.name) == 0; i++) {
		for (k = 0; rc == 0 && k < d->slices[i]->n_ports; k++) {
			if (same_port(port, &d->slices[i]->ports[k]))
				rc = slice_backends(
					d, d->slices[i], d->slices[i]->ports[k].port, ret);
		}
	}
	return rc;
}

static int add_each(struct dnat *d, const struct hf_addrs *addrs, uint8_t proto, uint16_t port,
	const struct hf_addrport *to, size_t n_to)
{
	size_t i, k;
	int rc = 0;

	for (i = 0; i < addrs->n; i++) {
		for (k = 0; rc == 0 && k < n_to; k++)
			rc = add(d, proto, &addrs->v[i], port, &to[k]);
	}
	return rc;
}

/* A node port is open on every address of the host but the loopback ones. */
static int add_node_port(struct dnat *d, const struct hf_service_port *port,
	const struct hf_addrport *to, size_t n_to)
{
	const struct hf_model *m = d->b->m;
	size_t i, k;
	int rc = 0;

	for (i = 0; i < m->n_ifaces; i++) {
		if (strcmp(m->ifaces[i].id.name, "lo") == 0)
			continue;
		for (k = 0; rc == 0 && k < m->ifaces[i].n_addrs; k++)
			rc = add_each(d, &(struct hf_addrs){1, &m->ifaces[i].addrs[k].addr},
				port->proto, port->node_port, to, n_to);
	}
	return rc;
}

static int service_port(
	struct dnat *d, const struct hf_service_obj *s, const struct hf_service_port *port)
{
	struct backends be = {0};
	const struct hf_addrport *to;
	size_t n_to;
	int rc = port_backends(d, s, port, &be);

	/* externalTrafficPolicy: Local narrows what comes from outside. */
	to = s->local_only ? be.local.v : be.all.v;
	n_to = s->local_only ? be.local.n : be.all.n;
	if (rc == 0)
		rc = add_each(d, &s->cluster_ips, port->proto, port->port, be.all.v, be.all.n);
	if (rc == 0)
		rc = add_each(d, &s->external_ips, port->proto, port->port, to, n_to);
	if (rc == 0)
		rc = add_each(d, &s->lb_ips, port->proto, port->port, to, n_to);
	if (rc == 0 && port->node_port)
		rc = add_node_port(d, port, to, n_to);
	hf_vec_fini(&be.all);
	hf_vec_fini(&be.local);
	return rc;
}

static int from_services(struct dnat *d)
{
	const struct hf_objects *o = d->b->objs;
	size_t i, k;
	int rc = index_slices(d);

	for (i = 0; i < o->service.n; i++) {
		d->b->where = hf_build_place(d->b, &o->service.v[i].meta.place);
		if (!d->b->where)
			return hf_build_oom(d->b);
		for (k = 0; rc == 0 && k < o->service.v[i].n_ports; k++)
			rc = service_port(d, &o->service.v[i], &o->service.v[i].ports[k]);
	}
	return rc;
}

static int cmp_key(const struct hf_addr *addr, uint8_t proto, uint16_t port,
	const struct hf_addr *addr2, uint8_t proto2, uint16_t port2)
{
	int c = hf_addr_cmp(addr, addr2);

	if (!c)
		c = (int)proto - (int)proto2;
	return c ? c : (int)port - (int)port2;
}

static int cmp_pair(const struct pair *a, const struct pair *b)
{
	return cmp_key(&a->addr, a->proto, a->port, &b->addr, b->proto, b->port);
}

static int cmp_backend(const struct pair *a, const struct pair *b)
{
	int c = cmp_pair(a, b);

	if (!c)
		c = hf_addr_cmp(&a->to.addr, &b->to.addr);
	return c ? c : (int)a->to.port - (int)b->to.port;
}

static int cmp_seq(const struct pair *a, const struct pair *b)
{
	return (a->seq > b->seq) - (a->seq < b->seq);
}

static int by_backend(const void *a, const void *b)
{
	int c = cmp_backend(a, b);

	return c ? c : cmp_seq(a, b);
}

static int by_seq(const void *a, const void *b)
{
	int c = cmp_pair(a, b);

	return c ? c : cmp_seq(a, b);
}

/* Sorted by destination, the backends of each in order of writing, none twice. */
static void unique(struct dnat *d)
{
	size_t i, n = 0;

	if (!d->pairs.n)
		return;
	qsort(d->pairs.v, d->pairs.n, sizeof(*d->pairs.v), by_backend);
	for (i = 0; i < d->pairs.n; i++) {
		if (!n || cmp_backend(&d->pairs.v[n - 1], &d->pairs.v[i]) != 0)
			d->pairs.v[n++] = d->pairs.v[i];
	}
	d->pairs.n = n;
	qsort(d->pairs.v, d->pairs.n, sizeof(*d->pairs.v), by_seq);
}

static int finish(struct dnat *d)
{
	struct hf_build *b = d->b;
	struct hf_dnat *v = hf_arena_calloc(b->arena, d->pairs.n, sizeof(*v));
	struct hf_addrport *to = hf_arena_calloc(b->arena, d->pairs.n, sizeof(*to));
	char buf[HF_ADDRSTR_SIZE];
	size_t i, n = 0;

	if (!v || !to)
		return hf_build_oom(b);
	unique(d);
	for (i = 0; i < d->pairs.n; i++) {
		const struct pair *p = &d->pairs.v[i];

		to[i] = p->to;
		if (!i || cmp_pair(p - 1, p) != 0)
			v[n++] = (struct hf_dnat){p->proto, p->addr, p->port, 0, &to[i]};
		if (v[n - 1].n_to == HF_MODEL_BACKENDS_MAX)
			return hf_fail(b->err, -E2BIG, "DNAT of %s port %u: more than %u backends",
				hf_addr_print(&p->addr, buf), p->port, HF_MODEL_BACKENDS_MAX);
		v[n - 1].n_to++;
	}
	b->m->dnats = v;
	b->m->n_dnats = n;
	return 0;
}

int hf_dnat_build(struct hf_build *b)
{
	struct dnat d = {.b = b};
	int rc;

	b->where = b->m->node;
	rc = from_facts(&d);
	if (rc == 0)
		rc = from_weps(&d);
	if (rc == 0)
		rc = from_services(&d);
	if (rc == 0)
		rc = finish(&d);
	hf_vec_fini(&d.pairs);
	return rc;
}

static const struct hf_dnat *find(
	const struct hf_model *model, uint8_t proto, const struct hf_addr *dst, uint16_t dport)
{
	size_t lo = 0, hi = model->n_dnats;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct hf_dnat *d = &model->dnats[mid];
		int c = cmp_key(&d->addr, d->proto, d->port, dst, proto, dport);

		if (c == 0)
			return d;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* A floating address is rewritten whatever the protocol, unless something narrower is there. */
const struct hf_dnat *hf_model_find_dnat(
	const struct hf_model *model, uint8_t proto, const struct hf_addr *dst, uint16_t dport)
{
	const struct hf_dnat *d = find(model, proto, dst, dport);

	return d ? d : find(model, 0, dst, 0);
}
