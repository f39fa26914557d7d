/* SPDX-License-Identifier: BSD-3-Clause */

#include "fake_nic.h"

#include "hf_test.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKETS_MAX 512

struct sample samples[PACKETS_MAX];
size_t n_samples;

static void add_sample(const char *src, const char *dst, uint16_t dport, uint8_t flags)
{
	struct sample *s = &samples[n_samples++];

	cr_assert_leq(n_samples, PACKETS_MAX);
	memset(s, 0, sizeof(*s));
	strcpy(s->pkt.in, "eth0");
	s->pkt.proto = HF_PROTO_TCP;
	s->pkt.sport = 40000;
	s->pkt.dport = dport;
	s->pkt.tcp_flags = flags;
	s->pkt.ct = HF_CT_NEW;
	cr_assert_eq(hf_addr_parse(src, &s->pkt.src), 0);
	cr_assert_eq(hf_addr_parse(dst, &s->pkt.dst), 0);
	memcpy(s->hdr.ip_src, s->pkt.src.b, 4);
	memcpy(s->hdr.ip_dst, s->pkt.dst.b, 4);
	s->hdr.eth_type[0] = 8;
	s->hdr.ip_proto = HF_PROTO_TCP;
	s->hdr.tcp_flags = flags;
	s->hdr.sport[0] = 40000 >> 8;
	s->hdr.sport[1] = 40000 & 0xff;
	s->hdr.dport[0] = (uint8_t)(dport >> 8);
	s->hdr.dport[1] = (uint8_t)dport;
}

void make_samples(void)
{
	static const char *const srcs[] = {"198.51.100.1", "198.51.100.2", "203.0.113.9"};
	static const char *const dsts[] = {"192.0.2.10", "192.0.2.99"};
	size_t s, d;
	unsigned int p;

	n_samples = 0;
	for (s = 0; s < 3; s++) {
		for (d = 0; d < 2; d++) {
			for (p = 0; p < FAKE_PORTS; p++)
				add_sample(srcs[s], dsts[d], (uint16_t)(3000 + p), HF_TCP_SYN);
			add_sample(srcs[s], dsts[d], 22, HF_TCP_SYN);
		}
	}
}

static bool matches(const struct fake_rule *r, const struct hf_hdr *hdr)
{
	const struct hf_pattern *p = &r->flow.pattern;
	const uint32_t layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV4) |
				HF_LAYER_BIT(HF_LAYER_TCP);
	const uint8_t *h = (const uint8_t *)hdr, *spec = (const uint8_t *)&p->spec,
		      *mask = (const uint8_t *)&p->mask;
	size_t i;

	if (p->layers & ~layers)
		return false;
	/* Where a pattern is of one packet type, TCP is none of "IPv4 and nothing more". */
	if (r->engine->type_scope && !(p->layers & HF_LAYER_BIT(HF_LAYER_TCP)))
		return false;
	for (i = 0; i < sizeof(*hdr); i++) {
		if ((h[i] ^ spec[i]) & mask[i])
			return false;
	}
	return true;
}

static bool has(const struct hf_flow *f, enum hf_act act, uint32_t *ret)
{
	size_t i;

	for (i = 0; i < f->n_actions; i++) {
		if (f->actions[i].act == act) {
			*ret = f->actions[i].value;
			return true;
		}
	}
	return false;
}

enum hf_fate fake_judge(struct fake *fake, const struct hf_hdr *hdr)
{
	uint32_t group = 0, value;
	int hops;

	for (hops = 0; hops < 8; hops++) {
		struct fake_rule *best = NULL;
		size_t i;

		for (i = 0; i < fake->top; i++) {
			struct fake_rule *r = &fake->v[i];

			if (r->used && !r->lost && r->flow.group == group && matches(r, hdr) &&
				(!best || r->flow.priority < best->flow.priority))
				best = r;
		}
		if (!best)
			return group ? HF_FATE_DENY : HF_FATE_PUNT;
		best->packets++;
		if (has(&best->flow, HF_ACT_DROP, &value))
			return HF_FATE_DENY;
		if (has(&best->flow, HF_ACT_MARK, &value))
			return HF_FATE_ALLOW;
		if (!has(&best->flow, HF_ACT_JUMP, &group))
			return HF_FATE_PUNT;
	}
	cr_assert_fail("jumps in a circle");
	return HF_FATE_PUNT;
}

enum verdict by_rules(const struct hf_rules *rules, const struct hf_packet *pkt)
{
	struct hf_key key;
	struct hf_decision d;

	cr_assert_eq(hf_rules_sort(rules, pkt, &key, NULL), 0);
	d = hf_rules_lookup(rules, &key);
	if (d.verdict == HF_VERDICT_NO_DECISION)
		d.verdict = hf_rules_kernel_policy(rules, HF_FROM_UPLINK, key.class);
	return d.verdict == HF_VERDICT_DENY ? DENY : ALLOW;
}

static bool fails(struct fake *fake, unsigned int *countdown)
{
	if (*countdown == 0)
		return false;
	if (*countdown > 1 || !fake->fail_forever)
		return --*countdown == 0 && ++fake->n_failed;
	fake->n_failed++;
	return true;
}

static void done(struct fake *fake)
{
	fake->n_ops++;
	if (fake->after)
		fake->after(fake);
}

static int fake_create(void *arg, const struct hf_flow *flow, void **ret, struct hf_err *err)
{
	struct fake *fake = arg;
	enum hf_reject reject;
	size_t i;

	fake->n_create++;
	if (fails(fake, &fake->fail_create) || fails(fake, &fake->fail_any))
		return hf_fail(err, -ENOTSUP, "Operation not supported: type 13: no");
	for (i = 0; fake->v[i].used; i++)
		cr_assert_lt(i, FAKE_RULES_MAX - 1);
	fake->v[i] = (struct fake_rule){
		.used = true,
		.lost = fake->lose_create && --fake->lose_create == 0,
		.flow = *flow,
		.engine = hf_nic_accept(fake->nic, flow, &reject),
	};
	cr_assert_not_null(fake->v[i].engine, "the profile refuses it: %s", hf_reject_name(reject));
	if (i >= fake->top)
		fake->top = i + 1;
	*ret = &fake->v[i];
	done(fake);
	if (fails(fake, &fake->doubt_create))
		return hf_fail(err, -ETIMEDOUT, "Connection timed out: type 0: no answer");
	return 0;
}

static int fake_destroy(void *arg, void *handle, struct hf_err *err)
{
	struct fake_rule *r = handle;
	struct fake *fake = arg;

	fake->n_destroy++;
	cr_assert(r->used, "destroyed twice");
	if (fails(fake, &fake->fail_destroy) || fails(fake, &fake->fail_any))
		return hf_fail(err, -EIO, "Input/output error: type 1: no");
	r->used = false;
	done(fake);
	return 0;
}

static int fake_flush(void *arg, struct hf_err *err)
{
	struct fake *fake = arg;
	size_t i;

	fake->n_flush++;
	if (fake->fail_flush)
		return hf_fail(err, -EIO, "Input/output error: type 1: no");
	for (i = 0; i < fake->top; i++)
		fake->v[i].used = false;
	done(fake);
	return 0;
}

static int fake_query(void *arg, void *handle, struct hf_flow_hits *ret)
{
	struct fake_rule *r = handle;
	struct fake *fake = arg;

	fake->n_query++;
	cr_assert(r->used);
	if (fails(fake, &fake->fail_query))
		return -EIO;
	*ret = (struct hf_flow_hits){r->packets, 100 * r->packets};
	return 0;
}

static int fake_present(void *arg, void *handle)
{
	const struct fake_rule *r = handle;
	const struct fake *fake = arg;

	cr_assert(r->used);
	return fake->blind ? -ENOTSUP : !r->lost;
}

/* Any order will do, so the worst. */
static int fake_create_many(void *arg, const struct hf_flow *const flows[], size_t n, void *ret[],
	size_t *ret_bad, struct hf_err *err)
{
	int rc = 0;

	while (n-- > 0 && rc == 0) {
		rc = fake_create(arg, flows[n], &ret[n], err);
		*ret_bad = n;
	}
	return rc;
}

static void fake_destroy_many(
	void *arg, void *const handles[], size_t n, int ret_rc[], struct hf_err *err)
{
	while (n-- > 0)
		ret_rc[n] = fake_destroy(arg, handles[n], err);
}

const struct hf_flow_ops fake_ops_many = {
	.create = fake_create,
	.create_many = fake_create_many,
	.destroy = fake_destroy,
	.destroy_many = fake_destroy_many,
	.flush = fake_flush,
	.query = fake_query,
	.present = fake_present,
};

const struct hf_flow_ops fake_ops = {
	.create = fake_create,
	.destroy = fake_destroy,
	.flush = fake_flush,
	.query = fake_query,
	.present = fake_present,
};

struct world make_world(const struct hf_nic *nic, const char *ingress)
{
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_model_opts model_opts = {0};
	struct hf_plan_opts plan_opts = {.iface = "eth0"};
	struct world w;
	struct hf_err err = {0};
	char *text;
	int len = asprintf(&text,
		"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"
		"  interfaces: [{name: eth0, addresses: [192.0.2.10/24]}]\n---\n"
		"apiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"
		"metadata: {name: eth0, labels: {h: x}}\nspec: {node: n0, interfaceName: "
		"eth0}\n---\n"
		"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
		"metadata: {name: p}\nspec:\n  selector: has(h)\n  applyOnForward: true\n"
		"  types: [Ingress]\n  ingress:\n%s",
		ingress);

	cr_assert_gt(len, 0);
	cr_assert_eq(hf_policy_new(&policy, &err), 0);
	cr_assert_eq(
		hf_policy_read_text(policy, "p.yaml", text, (size_t)len, &err), 0, "%s", err.text);
	cr_assert_eq(hf_model_build(policy, &model_opts, &model, &err), 0, "%s", err.text);
	cr_assert_eq(hf_rules_build(model, &w.rules, &err), 0, "%s", err.text);
	cr_assert_eq(hf_plan_build(w.rules, nic, &plan_opts, &w.plan, &err), 0, "%s", err.text);
	hf_policy_free(policy);
	hf_model_free(model);
	free(text);
	return w;
}

void free_world(struct world *w)
{
	hf_plan_free(w->plan);
	hf_rules_free(w->rules);
}

size_t fake_n_rules(const struct fake *fake)
{
	size_t i, n = 0;

	for (i = 0; i < fake->top; i++)
		n += fake->v[i].used;
	return n;
}
