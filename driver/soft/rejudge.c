/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Judging an established connection again, by rules that have come since: as if the packet that
 * opened it came now. What it was is told from the table's key; where it came from, from the end
 * that sent the packet at hand.
 */

#include "state.h"
#include "tuple.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "default/gnp:web/ingress/0", "profile:kns.a/egress/1"; not "tier-default:default". */
static bool is_rule(const char *origin)
{
	return strstr(origin, "/ingress/") || strstr(origin, "/egress/");
}

int hf_rejudge_build(const struct hf_soft *soft, struct hf_gen *gen)
{
	size_t n = hf_rules_n_origins(gen->rules), i;

	if (soft->reclassify != HF_SOFT_RECLASSIFY_DENY_ONLY)
		return 0;
	gen->denies = calloc(n + 1, sizeof(*gen->denies));
	if (!gen->denies)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		gen->denies[i] = is_rule(hf_rules_origin(gen->rules, i));
	return 0;
}

/* The packet that opened the connection, as far as rules look at it. */
static struct hf_pkt opening(const struct hf_case *c, const struct hf_ct_view *view)
{
	struct hf_pkt pkt = *c->pkt;
	struct hf_ct_info info;

	hf_tuple_read(&view->key, view->family, view->from ^ view->reply, &info);
	pkt.src = info.src;
	pkt.dst = info.dst;
	pkt.sport = info.sport;
	pkt.dport = info.dport;
	if (hf_pkt_is_icmp(&pkt)) {
		pkt.icmp_id = info.sport;
		pkt.icmp_type = (uint8_t)(info.dport >> 8);
		pkt.icmp_code = (uint8_t)info.dport;
	}
	return pkt;
}

static struct hf_pkt turn(const struct hf_pkt *pkt)
{
	struct hf_pkt t = *pkt;

	t.src = pkt->dst;
	t.dst = pkt->src;
	t.sport = pkt->dport;
	t.dport = pkt->sport;
	return t;
}

bool hf_answers_pass(const struct hf_case *c, const struct hf_ct_view *view)
{
	struct hf_pkt pkt = turn(c->pkt);
	struct hf_case back = *c;
	struct hf_judged j;

	back.pkt = &pkt;
	back.dir = c->dir == HF_SOFT_IN ? HF_SOFT_OUT : HF_SOFT_IN;
	back.ct = HF_CT_ESTABLISHED;
	back.forwarded = view->forwarded;
	back.tap = NULL;
	j = hf_judge(&back);
	return hf_soft_reason_passes(j.reason) && j.reason != HF_SOFT_ALLOW_UNTRACKED;
}

/* Judges what opened a connection, as if it came now. True: it may go on. */
static bool may_go_on(const struct hf_case *first, const struct hf_xlat *x, struct hf_judged *ret)
{
	struct hf_judged j =
		x && first->dir == HF_SOFT_IN ? hf_judge_backend(first, x) : hf_judge(first);

	if (j.reason == HF_SOFT_DNAT_AMBIGUOUS && first->soft->ambiguous == HF_SOFT_AMBIGUOUS_DROP)
		j.reason = HF_SOFT_DNAT_REFUSED;
	if (hf_soft_reason_passes(j.reason) ||
		(first->gen->denies && (j.origin == HF_NO_ORIGIN || !first->gen->denies[j.origin])))
		return true;
	*ret = j;
	return false;
}

static struct hf_judged judge_new(
	const struct hf_case *c, enum hf_soft_dir dir, const struct hf_pkt *pkt)
{
	struct hf_case new = *c;

	new.dir = dir;
	new.pkt = pkt;
	new.ct = HF_CT_NEW;
	new.forwarded = false;
	new.tap = NULL;
	new.choice = NULL;
	return hf_judge(&new);
}

/*
 * ICMP is not delivered but for the sake of untracked policy, so that its queries are known here;
 * its errors may be about what was.
 */
bool hf_unseen_passes(const struct hf_case *c, struct hf_judged *ret)
{
	enum hf_soft_dir back = c->dir == HF_SOFT_IN ? HF_SOFT_OUT : HF_SOFT_IN;
	struct hf_pkt there = *c->pkt, turned;
	const struct hf_pkt *call;
	struct hf_judged j;
	bool rewritten;

	if (hf_icmp_kind(c->pkt) == HF_ICMP_ERROR) {
		if (!hf_pkt_parse_quoted(c->m, c->pkt, &turned) ||
			!hf_addr_equal(&c->pkt->dst, &turned.src))
			return false;
		there = turn(&turned);
	}
	if (c->pkt->n_vlans || hf_pkt_is_icmp(&there))
		return false;
	turned = turn(&there);
	call = c->dir == HF_SOFT_IN ? &there : &turned;
	if (hf_find_dest(c->gen, &call->dst, &rewritten)->class != HF_CLASS_HOST ||
		(rewritten &&
			hf_rules_find_dnat(c->gen->rules, call->proto, &call->dst, call->dport)))
		return false;
	j = judge_new(c, back, &turned);
	if (!hf_soft_reason_passes(j.reason))
		return false;
	j = judge_new(c, c->dir, &there);
	if (!hf_soft_reason_passes(j.reason))
		return false;
	*ret = j;
	return true;
}

bool hf_rejudge(const struct hf_case *c, const struct hf_ct_view *view, const struct hf_xlat *x,
	struct hf_judged *ret)
{
	struct hf_pkt pkt = opening(c, view);
	struct hf_case first = *c;

	first.pkt = &pkt;
	first.ct = HF_CT_NEW;
	first.tap = NULL; /* it has been logged */
	first.choice = NULL;
	if (view->reply)
		first.dir = c->dir == HF_SOFT_IN ? HF_SOFT_OUT : HF_SOFT_IN;
	return may_go_on(&first, x, ret);
}

bool hf_rejudge_conn(const struct hf_soft *soft, unsigned int worker, const struct hf_ct_info *info,
	unsigned int wire, bool out)
{
	struct hf_pkt pkt = {
		.src = info->src,
		.dst = info->dst,
		.sport = info->sport,
		.dport = info->dport,
		.proto = info->proto,
		.tcp_flags = info->proto == HF_PROTO_TCP ? HF_TCP_SYN : 0,
	};
	struct hf_case first = {
		.soft = soft,
		.gen = soft->gen,
		.tables = soft->gen->tables,
		.dir = out ? HF_SOFT_OUT : HF_SOFT_IN,
		.iface = soft->gen->wires[wire].iface,
		.pkt = &pkt,
		.ct = HF_CT_NEW,
		.forwarded = info->forwarded,
		.wire = (uint16_t)wire,
	};
	struct hf_judged j;
	struct hf_xlat x;
	bool translated =
		info->translated && hf_xlat_read(soft->workers[worker]->xlat, info->ticket, &x);

	return first.iface != HF_NO_IFACE && may_go_on(&first, translated ? &x : NULL, &j);
}
