/* SPDX-License-Identifier: BSD-3-Clause */

/* How rte_flow's items and actions hold what hf_flow says; for both ways between them. */

#pragma once

#include <hepflow/rteflow.h>

#include <rte_byteorder.h>

#include <string.h>

#define FRAG_OFF_MASK 0x3fff /* MF and offset of the IPv4 fragment word (RFC 791) */
#define FRAG_MF	      0x2000
#define IP6_TC_SHIFT  20
#define IP6_TC_MASK   (0xffu << IP6_TC_SHIFT)
#define IP6_FLOW_MASK 0xfffffu
#define ITEM_FIELDS   7

/*
 * Fields that are whole bytes of an item, in network order on both sides, or numbers in host order
 * where "host" says so. The others are in the special functions below.
 */
struct item_type {
	enum rte_flow_item_type type;
	uint8_t size;
	bool host;
	const void *mask; /* what a NULL mask means */
	size_t n_fields;
	struct {
		enum hf_field field;
		uint8_t offset;
	} fields[ITEM_FIELDS];
};

#define REGISTER_BITS 32 /* of mark, meta and tag in MODIFY_FIELD */

/* What MODIFY_FIELD calls a register that hf_hdr has. */
static inline enum rte_flow_field_id register_id(enum hf_field f)
{
	return f == HF_F_MARK	? RTE_FLOW_FIELD_MARK
	       : f == HF_F_META ? RTE_FLOW_FIELD_META
				: RTE_FLOW_FIELD_TAG;
}

extern const struct item_type hf_rte_items[HF_LAYER_MAX_];
extern const enum rte_flow_action_type hf_rte_actions[HF_ACT_MAX_];

/* Bytes of a field in an item: an IPv4 address is the first four of hf_hdr's sixteen. */
static inline size_t size_of(enum hf_field f)
{
	return f == HF_F_IP4_SRC || f == HF_F_IP4_DST ? sizeof(rte_be32_t) : hf_field_info(f)->size;
}

static inline uint8_t *hdr_at(struct hf_hdr *hdr, enum hf_field f)
{
	return (uint8_t *)hdr + hf_field_info(f)->offset;
}

static inline const uint8_t *hdr_of(const struct hf_hdr *hdr, enum hf_field f)
{
	return (const uint8_t *)hdr + hf_field_info(f)->offset;
}

static inline void copy_bytes(uint8_t *to, const uint8_t *from, size_t size, bool swap)
{
	size_t i;

	for (i = 0; i < size; i++)
		to[i] = from[swap ? size - 1 - i : i];
}

static inline bool host_swaps(const struct item_type *t)
{
	return t->host && RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN;
}

static inline bool all_zero(const uint8_t *b, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (b[i])
			return false;
	}
	return true;
}
