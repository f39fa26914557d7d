/* SPDX-License-Identifier: BSD-3-Clause */

#include "denied.h"

#include "build.h"

#include <string.h>

int hf_denied_add(struct builder *b)
{
	int rc = hf_build_table(b, "denied");

	if (rc < 0)
		return rc;
	b->denied = (uint32_t)b->tables.n - 1;
	/* Jumps lead to higher groups only, and those of the paths get new numbers (label.c); the
	 * last one is for what an e-switch leaves to software (flow.c). */
	b->tables.v[b->denied].group = b->engine->groups - 2;
	return 0;
}

static int lower_proto(struct builder *b, uint8_t family, unsigned int proto)
{
	static const uint8_t syn = HF_TCP_SYN, syn_ack = HF_TCP_SYN | HF_TCP_ACK;
	const struct cube all = hf_cube_all(family);
	struct cube parts[OPENING_MAX];
	bool flags;
	size_t n = hf_sight_opening(&all, proto, parts, &flags), i;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		struct hf_entry e = {.table = b->denied,
			.fate = HF_FATE_DENY,
			.origin = UINT32_MAX,
			.detail = HF_F_MAX_};
		struct shape s;

		hf_shape_init(&s, b->engine, family);
		hf_shape_put_proto(&s, family, proto);
		if (flags)
			hf_shape_put(&s, HF_F_TCP_FLAGS, &syn, &syn_ack);
		else
			hf_shape_put(&s, family == 4 ? HF_F_ICMP_TYPE : HF_F_ICMP6_TYPE,
				&parts[i].type, &parts[i].type_mask);
		e.match = s.pattern;
		if (!s.reason) /* else punted with the rest */
			rc = hf_build_entry(b, &e);
	}
	return rc;
}

int hf_denied_lower(struct builder *b)
{
	static const struct {
		uint8_t family;
		uint8_t proto;
	} openers[] = {
		{4, HF_PROTO_TCP}, {6, HF_PROTO_TCP}, {4, HF_PROTO_ICMP}, {6, HF_PROTO_ICMPV6}};
	size_t i;
	int rc = 0;

	for (i = 0; i < sizeof(openers) / sizeof(openers[0]) && rc == 0; i++)
		rc = lower_proto(b, openers[i].family, openers[i].proto);
	return rc < 0 ? rc
		      : hf_build_punt_rest(b, b->denied, b->engine->prios - 1, HF_LAYER_ETH,
				HF_REASON_STATEFUL);
}

void hf_denied_prune(struct builder *b)
{
	size_t i, n;

	for (n = 0; n < b->entries.n && b->entries.v[n].table == b->denied; n++)
		;
	for (i = n; i < b->entries.n; i++) {
		if (b->entries.v[i].fate == HF_FATE_JUMP && b->entries.v[i].jump == b->denied)
			return;
	}
	memmove(b->entries.v, b->entries.v + n, (b->entries.n - n) * sizeof(*b->entries.v));
	b->entries.n -= n;
	b->tables.n--;
	b->denied = 0;
}
