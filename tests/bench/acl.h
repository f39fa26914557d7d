/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Policies of many rules, for benchmarks and long tests: made by a generator of our own, whose sets
 * are shaped like those of packet classification (nested prefixes, few well-known ports, some
 * ranges), or read from a ClassBench file.
 *
 * A rule is five fields and a verdict that the seed decides. As text they are one host with one
 * uplink, eth0, and as many applyOnForward policies as Calico's limit of rules asks for.
 */

#pragma once

#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_acl_rule {
	struct hf_prefix src;
	struct hf_prefix dst;
	struct hf_ports sport;
	struct hf_ports dport;
	uint8_t proto; /* 0: any */
	bool allow;
};

enum hf_acl_kind {
	HF_ACL_ACL, /* narrow destinations, exact ports */
	HF_ACL_FW,  /* wide sources, many wildcards and port ranges */
	HF_ACL_IPC, /* pairs of nets of both sides */
};

struct hf_acl {
	size_t n;
	struct hf_acl_rule *v;
};

/* Aborts when there is no memory, as tests may. */
void hf_acl_make(
	struct hf_acl *acl, enum hf_acl_kind kind, uint8_t family, size_t n, uint64_t seed);
/* At most max rules of a ClassBench file; verdicts by the seed. False when it cannot be read. */
bool hf_acl_read(struct hf_acl *acl, const char *path, size_t max, uint64_t seed);
void hf_acl_fini(struct hf_acl *acl);

/* The host and its policies as YAML; the caller frees it. */
char *hf_acl_text(const struct hf_acl *acl);
