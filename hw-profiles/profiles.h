/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the files of the profile reader share: name tables and typed reading of YAML nodes.
 *
 * Every read function leaves a message with file:line:col behind and returns a negative errno.
 */

#pragma once

#include <hepflow/base/yaml.h>

#include <hepflow/nic.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_err;

struct reader {
	const char *name; /* of the file, in messages */
	struct hf_err *err;
	unsigned int depth; /* profiles that are being read and are like this one */
};

/* A list of names whose numbers are their places; NULL ends it, gaps are "". */
struct hf_names {
	const char *what; /* "action" */
	const char *const *name;
	size_t n;
};

extern const struct hf_names hf_names_act;
extern const struct hf_names hf_names_reject;
extern const struct hf_names hf_names_mask;
extern const struct hf_names hf_names_order;
extern const struct hf_names hf_names_shape;
extern const struct hf_names hf_names_frag;
extern const struct hf_names hf_names_direction;
extern const struct hf_names hf_names_error_type;
extern const struct hf_names hf_names_layer;
extern const struct hf_names hf_names_field;

/* The number of a name, or -1. */
int hf_names_find(const struct hf_names *names, const char *text);
/* Positive errno of "EINVAL" and the like, or -1. */
int hf_errno_find(const char *text);

int hf_read_fail(const struct reader *r, const struct hf_yaml *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A mapping with no other keys than these (NULL-terminated list). */
int hf_read_map(const struct reader *r, const struct hf_yaml *node, const char *const *keys);
/* The value of a key that must be there, or NULL and a message. */
const struct hf_yaml *hf_read_need(
	const struct reader *r, const struct hf_yaml *map, const char *key);
/* A value's source: text that is not empty. */
int hf_read_src(const struct reader *r, const struct hf_yaml *map);
int hf_read_bool(const struct reader *r, const struct hf_yaml *node, bool *ret);
/* Whole number, decimal or 0x. */
int hf_read_u32(const struct reader *r, const struct hf_yaml *node, uint32_t min, uint32_t max,
	uint32_t *ret);
/* Text that fits size with its NUL and has no control characters. */
int hf_read_text(
	const struct reader *r, const struct hf_yaml *node, char *ret, size_t size, bool empty_ok);
int hf_read_name(const struct reader *r, const struct hf_yaml *node, const struct hf_names *names,
	unsigned int *ret);
/* A list of names, each once, as bits. */
int hf_read_bits(const struct reader *r, const struct hf_yaml *node, const struct hf_names *names,
	uint64_t *ret);
int hf_read_list(const struct reader *r, const struct hf_yaml *node, size_t max);
/* "eth/ipv4/tcp"; "any" when empty_ok: an empty sequence. */
int hf_read_seq(const struct reader *r, const struct hf_yaml *node, const struct hf_names *names,
	bool empty_ok, struct hf_nic_seq *ret);
int hf_read_when(const struct reader *r, const struct hf_yaml *node, struct hf_nic_when *ret);

/* engine.c */
int hf_read_engine(const struct reader *r, const struct hf_yaml *node, struct hf_engine *ret);

/* without.c: what a profile has less than the one it is like. */
int hf_read_without(const struct reader *r, const struct hf_yaml *node, struct hf_nic *nic);
