/* SPDX-License-Identifier: BSD-3-Clause */

/* What a packet is to the connections; ct.h. */

#include "ct_state.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <string.h>

#define TCP_SIZE     20
#define TCP_OPTS_MAX 40
#define SCTP_SIZE    12
#define CHUNK_HEAD   4
#define INIT_SIZE    16	 /* fixed part of INIT and INIT ACK behind the head (RFC 9260 3.3.2) */
#define CHUNKS_MAX   512 /* of a packet: the smallest that carry data, in a jumbo frame */

void hf_ct_aim(const struct hf_ct_table *ct, const struct hf_pkt *pkt, uint32_t zone,
	struct hf_ct_view *ret)
{
	const struct hf_ct_pool *p;

	ret->family = pkt->src.family;
	ret->zone = zone;
	ret->kind = (uint8_t)hf_icmp_kind(pkt);
	if (ret->kind != HF_ICMP_QUERY && ret->kind != HF_ICMP_ANSWER)
		return;
	p = &ct->pools[ret->family == 6];
	hf_tuple_make(pkt, zone, &ret->key, &ret->from);
	ret->bucket = hf_ct_bucket_of(ct, p, ret->key.w);
	rte_prefetch0(&p->buckets[ret->bucket]);
}

void hf_ct_fetch(const struct hf_ct_table *ct, const struct hf_ct_view *view)
{
	const struct hf_ct_pool *p = &ct->pools[view->family == 6];
	uint32_t at;

	if (view->kind != HF_ICMP_QUERY && view->kind != HF_ICMP_ANSWER)
		return;
	at = p->buckets[view->bucket];
	if (at == HF_CT_NIL)
		return;
	rte_prefetch0(hf_ct_hot_at(p, at));
	if (hf_tuple_proto(&view->key) == HF_PROTO_TCP)
		rte_prefetch0(&p->cold[at]);
}

static bool same_key(const struct hf_ct_hot *e, const struct hf_ct_key *key, uint8_t family)
{
	if (family == 4)
		return e->key[0] == key->w[0] && e->key[1] == key->w[1];
	return memcmp(e->key, key->w, HF_CT_KEY6) == 0;
}

static uint32_t find_entry(struct hf_ct_table *ct, struct hf_ct_pool *p,
	const struct hf_ct_key *key, uint32_t bucket, uint32_t now)
{
	uint32_t at = p->buckets[bucket];

	while (at != HF_CT_NIL && !same_key(hf_ct_hot_at(p, at), key, p->family))
		at = hf_ct_hot_at(p, at)->next;
	if (at == HF_CT_NIL || !hf_ct_has_expired(ct, hf_ct_hot_at(p, at), now))
		return at;
	hf_ct_remove(ct, p, at);
	HF_CT_ADD(ct->stats.expired, 1);
	return HF_CT_NIL;
}

/*
 * Is the packet quoted by an ICMP error one of ours? The error must go to the sender of that
 * packet (nf_conntrack_inet_error).
 */
static bool is_related(struct hf_ct_table *ct, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	uint32_t zone, uint32_t now)
{
	struct hf_ct_pool *p = hf_ct_pool_of(ct, pkt->src.family);
	enum hf_icmp_kind kind;
	struct hf_pkt quoted;
	struct hf_ct_key key;
	uint8_t from;

	if (!hf_pkt_parse_quoted(m, pkt, &quoted) || !hf_addr_equal(&pkt->dst, &quoted.src))
		return false;
	kind = hf_icmp_kind(&quoted);
	if (kind != HF_ICMP_QUERY && kind != HF_ICMP_ANSWER)
		return false;
	hf_tuple_make(&quoted, zone, &key, &from);
	return find_entry(ct, p, &key, hf_ct_bucket_of(ct, p, key.w), now) != HF_CT_NIL;
}

/* buf is for options that lie in several segments of the mbuf. */
static void read_segment(const struct rte_mbuf *m, const struct hf_pkt *pkt,
	uint8_t buf[static TCP_OPTS_MAX], struct hf_tcp_seg *ret)
{
	uint32_t n_opts = pkt->tcp_head - TCP_SIZE, room = pkt->l4_len - TCP_SIZE;

	*ret = (struct hf_tcp_seg){
		.seq = pkt->tcp_seq,
		.ack = pkt->tcp_ack,
		.win = pkt->tcp_win,
		.flags = pkt->tcp_flags,
	};
	if (n_opts > room) /* the rest of them is in later fragments */
		n_opts = room;
	if (n_opts) {
		ret->opts = rte_pktmbuf_read(m, pkt->l4_off + TCP_SIZE, n_opts, buf);
		ret->n_opts = ret->opts ? (uint8_t)n_opts : 0;
	}
	/* How much follows in later fragments is not known yet: it may be all that IP can carry. */
	ret->len = pkt->frag == HF_FRAG_FIRST ? UINT16_MAX - pkt->tcp_head : room - n_opts;
}

/* Reads what chunks there are. False: such a packet is nobody's. */
static bool read_chunks(
	const struct rte_mbuf *m, const struct hf_pkt *pkt, struct hf_sctp_packet *ret)
{
	uint8_t buf[CHUNK_HEAD + INIT_SIZE];
	uint32_t at = SCTP_SIZE;
	const uint8_t *p = rte_pktmbuf_read(m, pkt->l4_off, SCTP_SIZE, buf);
	unsigned int n;

	if (!p)
		return false;
	ret->vtag = (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7];
	ret->data = ret->user_data = false;
	ret->n = 0;
	for (n = 0; at + CHUNK_HEAD <= pkt->l4_len; n++) {
		bool whole = at + CHUNK_HEAD + INIT_SIZE <= pkt->l4_len;

		p = rte_pktmbuf_read(
			m, pkt->l4_off + at, CHUNK_HEAD + (whole ? INIT_SIZE : 0), buf);
		if (!p || n == CHUNKS_MAX ||
			!hf_sctp_add_chunk(ret, p, n, whole ? p + CHUNK_HEAD : NULL))
			return false;
		at += (((uint32_t)p[2] << 8 | p[3]) + 3) & ~UINT32_C(3);
	}
	return true;
}

static enum hf_ct_timer tcp_timer(const struct hf_ct_table *ct, enum hf_tcp_state state,
	bool replied, enum hf_tcp_patience patience)
{
	static const uint8_t others[] = {
		[HF_TCP_BY_STATE] = HF_CT_N_TIMERS,
		[HF_TCP_BY_RESET] = HF_TCP_CLOSE,
		[HF_TCP_BY_RETRANS] = HF_CT_TCP_RETRANS,
		[HF_TCP_BY_UNACKED] = HF_CT_TCP_UNACKED,
	};
	enum hf_ct_timer by_state = (enum hf_ct_timer)state;
	enum hf_ct_timer other = (enum hf_ct_timer)others[patience];

	if (patience == HF_TCP_BY_RESET)
		return other;
	if (!replied && state == HF_TCP_ESTABLISHED)
		by_state = HF_CT_TCP_UNACKED; /* picked up in the middle, and no answer yet */
	if (other != HF_CT_N_TIMERS && ct->ticks[by_state] > ct->ticks[other])
		return other;
	return by_state;
}

static enum hf_ct_timer other_timer(uint8_t proto, bool replied)
{
	switch (proto) {
	case HF_PROTO_UDP:
	case HF_PROTO_UDPLITE:
		return replied ? HF_CT_UDP : HF_CT_UDP_NEW;
	case HF_PROTO_ICMP:
	case HF_PROTO_ICMPV6:
		return HF_CT_ICMP;
	default:
		return HF_CT_GENERIC;
	}
}

static void look_first(const struct hf_ct_table *ct, const struct rte_mbuf *m,
	const struct hf_pkt *pkt, struct hf_ct_view *v)
{
	struct hf_sctp_packet sctp;
	uint8_t buf[TCP_OPTS_MAX];
	struct hf_tcp_seg seg;
	bool valid = true;

	if (pkt->proto == HF_PROTO_TCP) {
		read_segment(m, pkt, buf, &seg);
		valid = hf_tcp_begin(&seg, &v->tcp);
		v->timer = (uint8_t)tcp_timer(
			ct, (enum hf_tcp_state)v->tcp.state, false, HF_TCP_BY_STATE);
	} else if (pkt->proto == HF_PROTO_SCTP) {
		valid = read_chunks(m, pkt, &sctp) && hf_sctp_begin(&sctp, &v->sctp);
		v->timer = (uint8_t)(HF_CT_SCTP + (valid ? v->sctp.state : HF_SCTP_NONE));
	} else {
		valid = v->kind == HF_ICMP_QUERY;
		v->timer = (uint8_t)other_timer(pkt->proto, false);
	}
	v->ct = valid ? HF_CT_NEW : HF_CT_INVALID;
	v->make = valid;
	v->forwarded = v->translated = false;
}

static void look_tcp(const struct hf_ct_table *ct, const struct hf_ct_pool *p,
	const struct rte_mbuf *m, const struct hf_pkt *pkt, struct hf_ct_view *v)
{
	const struct hf_ct_hot *e = hf_ct_hot_at(p, v->at);
	bool replied = e->bits & HF_CT_REPLIED, again;
	enum hf_tcp_patience patience;
	uint8_t buf[TCP_OPTS_MAX];
	struct hf_tcp_seg seg;
	enum hf_tcp_fate fate;

	read_segment(m, pkt, buf, &seg);
	v->tcp = p->cold[v->at].tcp;
	again = v->tcp.state == HF_TCP_SYN_SENT && pkt->tcp_flags & HF_TCP_SYN && !replied;
	fate = hf_tcp_follow(&v->tcp, &seg, v->reply, replied, e->bits & HF_CT_ASSURED, &patience);
	switch (fate) {
	case HF_TCP_REFUSED:
		v->ct = HF_CT_INVALID;
		v->known = false;
		break;
	case HF_TCP_REOPENS:
		look_first(ct, m, pkt, v);
		v->known = false;
		v->renew = true;
		break;
	case HF_TCP_MOVED:
		/* A call that is only ever answered by a reset, or taken back, was none. */
		v->end = !replied && pkt->tcp_flags & HF_TCP_RST;
		/* Who only calls again does not live longer by that. */
		v->refresh = !(again && !v->reply && v->tcp.state == HF_TCP_SYN_SENT);
		v->timer =
			(uint8_t)tcp_timer(ct, (enum hf_tcp_state)v->tcp.state, replied, patience);
		break;
	case HF_TCP_IGNORED:
		break;
	}
}

static void look_sctp(const struct hf_ct_pool *p, const struct rte_mbuf *m,
	const struct hf_pkt *pkt, struct hf_ct_view *v)
{
	struct hf_sctp_packet sctp;

	v->sctp = p->cold[v->at].sctp;
	if (!read_chunks(m, pkt, &sctp) ||
		!hf_sctp_follow(&v->sctp, &sctp, v->reply, &v->refresh)) {
		v->ct = HF_CT_INVALID;
		v->known = false;
		return;
	}
	v->timer = (uint8_t)(HF_CT_SCTP + v->sctp.state);
}

static void look_known(const struct hf_ct_table *ct, const struct hf_ct_pool *p,
	const struct rte_mbuf *m, const struct hf_pkt *pkt, struct hf_ct_view *v)
{
	const struct hf_ct_hot *e = hf_ct_hot_at(p, v->at);

	v->known = true;
	v->reply = v->from != (e->bits & HF_CT_CALLER);
	v->forwarded = e->bits & HF_CT_FORWARDED;
	v->translated = e->bits & HF_CT_TRANSLATED;
	v->judged = p->cold[v->at].judged;
	v->ct = v->reply || e->bits & HF_CT_REPLIED ? HF_CT_ESTABLISHED : HF_CT_NEW;
	if (pkt->proto == HF_PROTO_TCP) {
		look_tcp(ct, p, m, pkt, v);
		return;
	}
	if (pkt->proto == HF_PROTO_SCTP) {
		look_sctp(p, m, pkt, v);
		return;
	}
	v->refresh = true;
	v->timer = (uint8_t)other_timer(pkt->proto, v->reply || e->bits & HF_CT_REPLIED);
}

void hf_ct_look(struct hf_ct_table *ct, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	uint64_t now, struct hf_ct_view *view)
{
	uint32_t ticks = hf_ct_tick(ct, now);
	struct hf_ct_pool *p = hf_ct_pool_of(ct, view->family);

	view->make = view->renew = view->known = view->refresh = view->end = false;
	view->forwarded = view->translated = false;
	view->reply = 0;
	view->judged = 0;
	switch ((enum hf_icmp_kind)view->kind) {
	case HF_ICMP_UNTRACKED:
		view->ct = HF_CT_UNTRACKED;
		return;
	case HF_ICMP_OTHER:
		view->ct = HF_CT_INVALID;
		return;
	case HF_ICMP_ERROR:
		view->ct =
			is_related(ct, m, pkt, view->zone, ticks) ? HF_CT_RELATED : HF_CT_INVALID;
		return;
	case HF_ICMP_QUERY:
	case HF_ICMP_ANSWER:
		break;
	}
	view->at = find_entry(ct, p, &view->key, view->bucket, ticks);
	if (view->at == HF_CT_NIL)
		look_first(ct, m, pkt, view);
	else
		look_known(ct, p, m, pkt, view);
}

bool hf_ct_find_ticket(struct hf_ct_table *ct, const struct hf_pkt *pkt, uint32_t zone,
	uint64_t now, uint64_t *ret_ticket)
{
	struct hf_ct_view view;
	struct hf_ct_pool *p;

	hf_ct_aim(ct, pkt, zone, &view);
	if (view.kind != HF_ICMP_QUERY && view.kind != HF_ICMP_ANSWER)
		return false;
	p = hf_ct_pool_of(ct, view.family);
	view.at = find_entry(ct, p, &view.key, view.bucket, hf_ct_tick(ct, now));
	if (view.at == HF_CT_NIL)
		return false;
	view.reply = view.from != (hf_ct_hot_at(p, view.at)->bits & HF_CT_CALLER);
	*ret_ticket = hf_ct_ticket(ct, &view);
	return true;
}

void hf_ct_find(struct hf_ct_table *ct, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	uint32_t zone, uint64_t now, struct hf_ct_view *ret)
{
	hf_ct_aim(ct, pkt, zone, ret);
	hf_ct_look(ct, m, pkt, now, ret);
}
