/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <string.h>

void hf_shape_init(struct shape *s, const struct hf_engine *engine, uint8_t family)
{
	*s = (struct shape){.engine = engine, .detail = HF_F_MAX_};
	s->pattern.layers = HF_LAYER_BIT(HF_LAYER_ETH) |
			    HF_LAYER_BIT(family == 4 ? HF_LAYER_IPV4 : HF_LAYER_IPV6);
}

static void miss(struct shape *s, enum hf_reason reason, enum hf_field f)
{
	if (s->reason)
		return;
	s->reason = reason;
	s->detail = f;
}

/* Most fields take any mask: then there is no need to ask about this one. */
static bool can_match(const struct hf_engine *engine, enum hf_field f, const void *mask)
{
	const struct hf_field_info *info = hf_field_info(f);
	struct hf_hdr want = {0};

	if (engine->field[f] == HF_MASK_ANY || engine->field[f] == HF_MASK_GLOBAL)
		return true;
	memcpy((uint8_t *)&want + info->offset, mask, info->size);
	return hf_nic_can_match(engine, f, &want);
}

void hf_shape_put(struct shape *s, enum hf_field f, const void *value, const void *mask)
{
	const struct hf_field_info *info = hf_field_info(f);
	const uint8_t *v = value;
	uint8_t *spec, any = 0;
	size_t i;

	for (i = 0; i < info->size; i++)
		any |= ((const uint8_t *)mask)[i];
	if (!any)
		return;
	if (!(s->engine->layers & HF_LAYER_BIT(info->layer))) {
		miss(s, HF_REASON_ITEM_UNSUPPORTED, f);
		return;
	}
	if (!can_match(s->engine, f, mask)) {
		miss(s,
			s->engine->field[f] == HF_MASK_NONE ? HF_REASON_ITEM_UNSUPPORTED
							    : HF_REASON_MASK_PARTIAL,
			f);
		return;
	}
	s->pattern.layers |= HF_LAYER_BIT(info->layer);
	spec = (uint8_t *)&s->pattern.spec + info->offset;
	for (i = 0; i < info->size; i++)
		spec[i] = v[i] & ((const uint8_t *)mask)[i];
	memcpy((uint8_t *)&s->pattern.mask + info->offset, mask, info->size);
}

void hf_shape_put_port(struct shape *s, enum hf_field f, uint16_t value, uint16_t mask)
{
	uint8_t v[2] = {(uint8_t)(value >> 8), (uint8_t)value};
	uint8_t m[2] = {(uint8_t)(mask >> 8), (uint8_t)mask};

	hf_shape_put(s, f, v, m);
}

void hf_shape_put_tag(struct shape *s, uint32_t value, uint32_t bits)
{
	uint8_t v[4], m[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		v[i] = (uint8_t)(value >> (24 - 8 * i)) | s->pattern.spec.tag[i];
		m[i] = (uint8_t)(bits >> (24 - 8 * i)) | s->pattern.mask.tag[i];
	}
	hf_shape_put(s, HF_F_TAG, v, m);
}

const struct port_fields *hf_port_fields(unsigned int proto)
{
	static const struct port_fields fields[] = {
		{HF_PROTO_TCP, HF_F_TCP_SPORT, HF_F_TCP_DPORT},
		{HF_PROTO_UDP, HF_F_UDP_SPORT, HF_F_UDP_DPORT},
		{HF_PROTO_SCTP, HF_F_SCTP_SPORT, HF_F_SCTP_DPORT},
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].proto == proto)
			return &fields[i];
	}
	return NULL;
}

void hf_shape_put_prefix(struct shape *s, enum hf_field f, const struct hf_prefix *p)
{
	uint8_t mask[16] = {0};

	if (p->len == 0)
		return;
	memset(mask, 0xff, p->len / 8);
	if (p->len % 8)
		mask[p->len / 8] = (uint8_t)(0xff << (8 - p->len % 8));
	hf_shape_put(s, f, p->addr.b, mask);
}

void hf_shape_put_proto(struct shape *s, uint8_t family, unsigned int proto)
{
	static const struct {
		uint8_t family;
		uint8_t proto;
		enum hf_layer layer;
	} layers[] = {
		{0, HF_PROTO_TCP, HF_LAYER_TCP},
		{0, HF_PROTO_UDP, HF_LAYER_UDP},
		{0, HF_PROTO_SCTP, HF_LAYER_SCTP},
		{4, HF_PROTO_ICMP, HF_LAYER_ICMP},
		{6, HF_PROTO_ICMPV6, HF_LAYER_ICMP6},
	};
	uint8_t value = (uint8_t)proto, mask = 0xff;
	size_t i;

	for (i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		if (layers[i].proto != proto || (layers[i].family && layers[i].family != family))
			continue;
		if (s->engine->layers & HF_LAYER_BIT(layers[i].layer)) {
			s->pattern.layers |= HF_LAYER_BIT(layers[i].layer);
			return;
		}
	}
	hf_shape_put(s, family == 4 ? HF_F_IP4_PROTO : HF_F_IP6_PROTO, &value, &mask);
}
