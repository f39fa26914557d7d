/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Hash of bytes, for tables in memory: eight bytes at a time. Other machines give other values, so
 * nothing may depend on them but where something is looked for.
 *
 * With HF_HASH_UTHASH as HASH_FUNCTION the tables of uthash use it in place of a slower one.
 */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hf_hash_mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

static inline uint32_t hf_hash(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t h = hf_hash_mix(size, UINT64_MAX), v;

	for (; size >= sizeof(v); size -= sizeof(v), p += sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		h = hf_hash_mix(h, v);
	}
	v = 0;
	if (size)
		memcpy(&v, p, size);
	return (uint32_t)hf_hash_mix(h, v);
}

#define HF_HASH_UTHASH(key, size, ret) ((ret) = hf_hash(key, size))
