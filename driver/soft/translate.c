/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Choosing a backend here, for calls to services that policy allows for some of them only.
 *
 * The call is rewritten on its way in, so that the kernel finds it addressed to the backend and its
 * own rewriting (kube-proxy's) has nothing to do; the answer is rewritten on its way out by the
 * same wire. The connection table knows the connection as the caller does, by the service's
 * address.
 *
 * Only destinations are rewritten. So a backend is taken only if its answers come back this way:
 * not the caller itself, and for callers behind an uplink none behind an uplink either.
 */

#include "rewrite.h"
#include "state.h"
#include "tuple.h"

#include <string.h>

static struct hf_rewrite to_backend(const struct hf_xlat *x)
{
	return (struct hf_rewrite){
		.dst = true, .addr = x->backend, .has_port = x->ports, .port = x->backend_port};
}

static struct hf_rewrite from_service(const struct hf_xlat *x)
{
	return (struct hf_rewrite){
		.addr = x->service, .has_port = x->ports, .port = x->service_port};
}

static bool is_end(const struct hf_addr *addr, uint16_t port, const struct hf_addr *want_addr,
	const struct hf_xlat *x, uint16_t want_port)
{
	return hf_addr_equal(addr, want_addr) && (!x->ports || port == want_port);
}

/* As the kernel sees the packet. */
static struct hf_pkt behind(const struct hf_pkt *pkt, const struct hf_xlat *x)
{
	struct hf_pkt p = *pkt;

	p.dst = x->backend;
	if (x->ports)
		p.dport = x->backend_port;
	return p;
}

static uint32_t zone_of(const struct hf_case *c)
{
	return c->gen->wires[c->wire].zone;
}

/* Would what the backend answers come back by this wire, and be known by then? */
static bool will_answer(const struct hf_case *c, struct hf_worker *worker, const struct hf_xlat *x)
{
	struct hf_rewrite to = to_backend(x);
	struct hf_pkt p = behind(c->pkt, x);
	struct hf_ct_key key;
	uint64_t ticket;
	uint8_t from;

	if (hf_addr_equal(&x->backend, &c->pkt->src) || !hf_rewrite_can(c->pkt, &to))
		return false;
	if (c->gen->wires[c->wire].role == HF_SOFT_UPLINK &&
		hf_find_dest(c->gen, &x->backend, NULL)->class == HF_CLASS_REMOTE)
		return false;
	/* Two connections of one caller must not look the same behind us. */
	hf_tuple_make(&p, zone_of(c), &key, &from);
	return !hf_ct_find_ticket(worker->ct, &p, zone_of(c), c->now, &ticket) &&
	       !hf_xlat_find_behind(worker->xlat, worker->ct, &key, p.src.family);
}

static struct hf_xlat xlat_of(const struct hf_case *c, const struct hf_addrport *to)
{
	bool ports = c->choice->dnat->proto && hf_proto_has_ports(c->pkt->proto);

	return (struct hf_xlat){
		.service = c->pkt->dst,
		.backend = to->addr,
		.ports = ports,
		.service_port = ports ? c->pkt->dport : 0,
		.backend_port = ports ? to->port ? to->port : c->pkt->dport : 0,
	};
}

static bool same_backend(const struct hf_xlat *a, const struct hf_xlat *b)
{
	return hf_addr_equal(&a->backend, &b->backend) && a->backend_port == b->backend_port;
}

/* The allowed one that the connection goes to already, or else one by its hash; or NULL. */
static const struct hf_allowed *choose(const struct hf_case *c, struct hf_worker *worker,
	const struct hf_ct_view *view, const struct hf_xlat *x, struct hf_xlat *ret)
{
	const struct hf_choice *choice = c->choice;
	unsigned int i, n = choice->n_allowed;

	for (i = 0; x && i < n; i++) {
		*ret = xlat_of(c, &choice->dnat->to[choice->allowed[i].to]);
		if (same_backend(x, ret))
			return &choice->allowed[i];
	}
	for (i = 0; i < n; i++) {
		const struct hf_allowed *a = &choice->allowed[(view->bucket + i) % n];

		*ret = xlat_of(c, &choice->dnat->to[a->to]);
		if (will_answer(c, worker, ret))
			return a;
	}
	return NULL;
}

/* It stays the kernel's choice. What it must not choose is known again if it is masqueraded. */
static void leave_to_kernel(const struct hf_case *c)
{
	const struct hf_choice *choice = c->choice;
	unsigned int i;

	for (i = 0; i < choice->n_denied; i++) {
		struct hf_xlat x = xlat_of(c, &choice->dnat->to[choice->denied[i]]);
		struct hf_pkt p = behind(c->pkt, &x);

		hf_nat_note(c->soft->nat, c->m, c->pkt, &p.dst,
			hf_proto_has_ports(p.proto) ? p.dport : 0, true, c->now);
	}
}

void hf_translate_settle(const struct hf_case *c, struct hf_worker *worker,
	const struct hf_ct_view *view, const struct hf_xlat *x, struct hf_judged *j,
	struct hf_xlat *ret)
{
	const struct hf_allowed *to = NULL;

	if (c->soft->ambiguous == HF_SOFT_AMBIGUOUS_RECHECK && !c->choice->slips && !x) {
		leave_to_kernel(c);
		return;
	}
	/* Without an entry nobody would know the next packet. */
	if (c->soft->ambiguous != HF_SOFT_AMBIGUOUS_DROP && (view->make || view->known))
		to = choose(c, worker, view, x, ret);
	j->reason = to ? HF_SOFT_DNAT_TRANSLATED : HF_SOFT_DNAT_REFUSED;
	if (!to)
		return;
	j->origin = to->origin;
	j->forwarded = to->forwarded;
	if (!x && !hf_xlat_has_room(worker->xlat, worker->ct))
		j->reason = HF_SOFT_TABLE_FULL;
}

bool hf_translate_is_taken(
	const struct hf_case *c, struct hf_worker *worker, const struct hf_ct_view *view)
{
	return c->dir == HF_SOFT_IN && view->make && hf_xlat_count(worker->xlat) &&
	       hf_xlat_find_behind(worker->xlat, worker->ct, &view->key, view->family);
}

void hf_translate_begin(const struct hf_case *c, struct hf_worker *worker,
	const struct hf_ct_view *view, const struct hf_xlat *x)
{
	struct hf_pkt p = behind(c->pkt, x);
	struct hf_ct_key key;
	uint8_t from;

	hf_tuple_make(&p, zone_of(c), &key, &from);
	(void)hf_xlat_add(worker->xlat, hf_ct_ticket(worker->ct, view), &key, x);
}

void hf_translate_call(struct rte_mbuf *m, const struct hf_pkt *pkt, const struct hf_xlat *x)
{
	struct hf_rewrite to = to_backend(x);

	if (is_end(&pkt->dst, pkt->dport, &x->service, x, x->service_port))
		hf_rewrite(m, pkt, &to);
}

void hf_translate_error(struct rte_mbuf *m, const struct hf_pkt *pkt, struct hf_worker *worker,
	uint32_t zone, uint64_t now)
{
	const struct hf_xlat *x = NULL;
	struct hf_rewrite to;
	struct hf_pkt quoted;
	uint64_t ticket;

	if (!hf_xlat_count(worker->xlat) || !hf_pkt_parse_quoted(m, pkt, &quoted))
		return;
	if (hf_ct_find_ticket(worker->ct, &quoted, zone, now, &ticket))
		x = hf_xlat_find(worker->xlat, ticket);
	if (!x || !is_end(&quoted.src, quoted.sport, &x->service, x, x->service_port))
		return;
	to = to_backend(x);
	hf_rewrite(m, pkt, &to);
	to.dst = false;
	hf_rewrite_quoted(m, pkt, &quoted, &to);
}

/* An error about a call, from the backend or from on the way there. */
static const struct hf_xlat *answer_by_error(
	struct rte_mbuf *m, struct hf_pkt *pkt, struct hf_worker *worker, uint32_t zone)
{
	const struct hf_xlat *x = NULL;
	struct hf_rewrite from;
	struct hf_pkt quoted;
	struct hf_ct_key key;
	enum hf_icmp_kind kind;
	uint8_t end;

	if (!hf_pkt_parse_quoted(m, pkt, &quoted))
		return NULL;
	kind = hf_icmp_kind(&quoted);
	if (kind == HF_ICMP_QUERY || kind == HF_ICMP_ANSWER) {
		hf_tuple_make(&quoted, zone, &key, &end);
		x = hf_xlat_find_behind(worker->xlat, worker->ct, &key, quoted.src.family);
	}
	if (!x || !is_end(&quoted.dst, quoted.dport, &x->backend, x, x->backend_port))
		return NULL;
	from = from_service(x);
	from.dst = true;
	hf_rewrite_quoted(m, pkt, &quoted, &from);
	if (!hf_addr_equal(&pkt->src, &x->backend))
		return NULL; /* the error itself is not the backend's */
	from.dst = false;
	hf_rewrite(m, pkt, &from);
	pkt->src = x->service;
	return x;
}

const struct hf_xlat *hf_translate_answer(
	struct rte_mbuf *m, struct hf_pkt *pkt, struct hf_worker *worker, uint32_t zone)
{
	enum hf_icmp_kind kind = hf_icmp_kind(pkt);
	const struct hf_xlat *x;
	struct hf_rewrite from;
	struct hf_ct_key key;
	uint8_t end;

	if (kind == HF_ICMP_ERROR)
		return answer_by_error(m, pkt, worker, zone);
	if (kind != HF_ICMP_QUERY && kind != HF_ICMP_ANSWER)
		return NULL;
	hf_tuple_make(pkt, zone, &key, &end);
	x = hf_xlat_find_behind(worker->xlat, worker->ct, &key, pkt->src.family);
	if (!x || !is_end(&pkt->src, pkt->sport, &x->backend, x, x->backend_port))
		return NULL;
	from = from_service(x);
	if (!hf_rewrite_can(pkt, &from))
		return NULL;
	hf_rewrite(m, pkt, &from);
	pkt->src = x->service;
	if (x->ports)
		pkt->sport = x->service_port;
	return x;
}
