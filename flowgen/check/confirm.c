/* SPDX-License-Identifier: BSD-3-Clause */

/* From a point of the packet space to a packet line that the reference judges. */

#include "device.h"

#include <hepflow/ref.h>

#include <stdlib.h>
#include <string.h>

#define SOME_TAG 1 /* of a tagged packet; which one does not matter */

static uint16_t two(const uint8_t *v)
{
	return (uint16_t)(v[0] << 8 | v[1]);
}

void hf_pol_packet(const struct pol *pol, const struct dd_packet *p, struct hf_packet *pkt)
{
	bool icmp = p->v[DD_PROTO][0] == (pol->dd->family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6);

	*pkt = (struct hf_packet){.ct = HF_CT_NEW};
	memcpy(pkt->in, pol->iif->id.name, sizeof(pkt->in));
	pkt->src.family = pkt->dst.family = pol->dd->family;
	memcpy(pkt->src.b, p->v[DD_SRC], sizeof(pkt->src.b));
	memcpy(pkt->dst.b, p->v[DD_DST], sizeof(pkt->dst.b));
	pkt->proto = p->v[DD_PROTO][0];
	pkt->sport = two(p->v[DD_SPORT]);
	pkt->dport = icmp ? 0 : two(p->v[DD_DPORT]);
	pkt->icmp_type = icmp ? p->v[DD_DPORT][0] : 0;
	pkt->icmp_code = icmp ? p->v[DD_DPORT][1] : 0;
	pkt->tcp_flags = (p->v[DD_SYN][0] ? HF_TCP_SYN : 0) | (p->v[DD_ACK][0] ? HF_TCP_ACK : 0);
	pkt->frag = p->v[DD_LATER][0]  ? HF_FRAG_LATER
		    : p->v[DD_FRAG][0] ? HF_FRAG_FIRST
				       : HF_FRAG_NONE;
	pkt->vlan = p->v[DD_VLAN][0] ? SOME_TAG : 0;
}

enum hf_verdict hf_pol_verdict(const struct pol *pol, const struct hf_packet *pkt)
{
	const struct hf_model_config *c = &pol->model->config;
	struct hf_ref_result r = {0};
	bool drops;

	if (hf_ref_eval(pol->model, pkt, NULL, NULL, &r, NULL) < 0)
		return HF_VERDICT_NO_DECISION; /* agrees with no fate */
	drops = r.class == HF_CLASS_HOST ? c->drop_input : c->drop_forward;
	if (r.verdict != HF_VERDICT_NO_DECISION)
		return r.verdict;
	return drops ? HF_VERDICT_DENY : HF_VERDICT_ALLOW;
}

static enum hf_verdict verdict_for(enum hf_fate fate)
{
	if (fate == HF_FATE_ALLOW)
		return HF_VERDICT_ALLOW;
	return fate == HF_FATE_DENY ? HF_VERDICT_DENY : HF_VERDICT_ALLOW_UNTRACKED;
}

/* One state and every backend. */
static bool contradicts(
	const struct pol *pol, struct hf_packet *pkt, enum hf_verdict want, enum hf_verdict *ret)
{
	const struct hf_dnat *d = hf_model_find_dnat(pol->model, pkt->proto, &pkt->dst, pkt->dport);
	size_t n = d ? d->n_to : 0, i;

	pkt->has_dnat = false;
	*ret = hf_pol_verdict(pol, pkt);
	if (*ret != want)
		return true;
	for (i = 1; i < n; i++) { /* the first is taken when the packet does not say */
		pkt->has_dnat = true;
		pkt->dnat = d->to[i];
		*ret = hf_pol_verdict(pol, pkt);
		if (*ret != want)
			return true;
	}
	return false;
}

static bool wrong_fate(
	const struct pol *pol, bool opens, enum hf_fate fate, struct hf_check_wrong *ret)
{
	enum hf_verdict want = verdict_for(fate);

	ret->fate = fate;
	ret->pkt.ct = HF_CT_NEW;
	ret->verdict = hf_pol_verdict(pol, &ret->pkt);
	if (ret->foreign_tag || contradicts(pol, &ret->pkt, want, &ret->verdict))
		return true;
	ret->pkt.ct = HF_CT_ESTABLISHED;
	return !opens && contradicts(pol, &ret->pkt, want, &ret->verdict);
}

/* Whether every policy is contradicted. */
static bool wrong_by_all(const struct pol *const *pols, size_t n_pols, const struct dd_packet *p,
	enum hf_fate fate, struct hf_check_wrong *ret)
{
	bool opens = hf_dd_has(pols[0]->dd, pols[0]->opening, p);
	size_t i;

	for (i = 0; i < n_pols; i++) {
		ret->foreign_tag = pols[i]->foreign_tags && p->v[DD_VLAN][0];
		if (!wrong_fate(pols[i], opens, fate, ret))
			return false;
	}
	return true;
}

/* The first that is seen of its connection, on the way out. */
static bool wrong_answer(
	const struct pol *pol, const struct dd_packet *p, struct hf_check_wrong *ret)
{
	struct hf_packet call, *pkt = &ret->pkt;
	struct hf_ref_result r = {0};

	hf_pol_packet(pol, p, &call);
	*pkt = call;
	pkt->in[0] = '\0';
	memcpy(pkt->out, pol->iif->id.name, sizeof(pkt->out));
	pkt->src = call.dst;
	pkt->dst = call.src;
	pkt->sport = call.dport;
	pkt->dport = call.sport;
	pkt->vlan = 0;
	ret->answer = true;
	ret->verdict = HF_VERDICT_NO_DECISION;
	/* Of what is not for this host, of ICMP and of later fragments nothing is claimed; a call
	 * to a service the reference would rewrite, an answer from one it is not. */
	if (hf_model_find_dest(pol->model, &call.dst)->class != HF_CLASS_HOST ||
		call.frag == HF_FRAG_LATER || call.proto == HF_PROTO_ICMP ||
		call.proto == HF_PROTO_ICMPV6 ||
		hf_model_find_dnat(pol->model, call.proto, &call.dst, call.dport) ||
		hf_model_find_dnat(pol->model, pkt->proto, &pkt->dst, pkt->dport) ||
		hf_ref_eval(pol->model, pkt, NULL, NULL, &r, NULL) < 0)
		return true;
	ret->verdict = r.verdict;
	if (r.verdict == HF_VERDICT_NO_DECISION)
		ret->verdict = pol->model->config.drop_output ? HF_VERDICT_DENY : HF_VERDICT_ALLOW;
	return ret->verdict == HF_VERDICT_DENY;
}

static bool wrong_answers(const struct pol *const *pols, size_t n_pols, const struct dd_packet *p,
	struct hf_check_wrong *ret)
{
	size_t i;

	ret->fate = HF_FATE_ALLOW;
	for (i = 0; i < n_pols; i++) {
		if (!wrong_answer(pols[i], p, ret))
			return false;
	}
	return true;
}

bool hf_device_confirm(const struct pol *const *pols, size_t n_pols,
	const struct hf_check_view *view, const struct dd_packet *p, struct hf_check_wrong *ret)
{
	struct dd *dd = pols[0]->dd;
	bool *met = calloc(view->n_entries + 1, sizeof(*met)), found = false;
	struct hf_check_wrong plain;
	struct device dev;
	size_t i;

	*ret = (struct hf_check_wrong){.extension = p->v[DD_NEXT][0], .has_ext = p->v[DD_EXT][0]};
	hf_pol_packet(pols[0], p, &ret->pkt);
	plain = *ret;
	if (met)
		(void)hf_device_walk(&dev, dd, hf_dd_point(dd, p), true, view, met);
	for (i = 0; met && !found && i < view->n_entries; i++) {
		enum hf_fate fate = view->entries[i].fate;

		if (fate == HF_FATE_JUMP || fate == HF_FATE_PUNT || !met[i])
			continue;
		*ret = plain;
		ret->entry = i;
		found = wrong_by_all(pols, n_pols, p, fate, ret);
		if (found || !hf_device_delivers(view, &view->entries[i]))
			continue;
		*ret = plain;
		ret->entry = i;
		found = wrong_answers(pols, n_pols, p, ret);
	}
	if (met && !found && dev.lost != hf_dd_none()) {
		*ret = plain;
		ret->entry = SIZE_MAX;
		found = wrong_by_all(pols, n_pols, p, HF_FATE_DENY, ret);
	}
	free(met);
	return found;
}
