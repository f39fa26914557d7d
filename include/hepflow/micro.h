/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Micro-rules: several hundred rules, each of which asks a driver one thing (a field under all or
 * some of its bits, a sequence of items, a list of actions, a priority, a group). hw-profile probe
 * compares the answers with a profile, hw-profile learn makes a profile of them.
 *
 * Each is made and removed again before the next, so they do not get into each other's way; what
 * several rules do together, and what a rule that was taken does to packets, they cannot show. They
 * name addresses that are reserved for documentation, and stand in a group that nothing jumps to
 * where there is one.
 */

#pragma once

#include <hepflow/nic.h>
#include <hepflow/testpmd_child.h>

#include <stdio.h>

struct hf_err;

/* A group that no plan uses, and as high as an mlx5 card has one. */
#define HF_MICRO_GROUP	   60000

#define HF_MICRO_TEXT_SIZE 256

struct hf_micro {
	char about[64]; /* "ipv4.dst, some bits" */
	char rule[HF_MICRO_TEXT_SIZE];
	struct hf_flow flow; /* the same */
	struct hf_testpmd_answer answer;
};

/*
 * All micro-rules, in group (0, or where there are more, HF_MICRO_GROUP); some are always in group
 * 0. *ret is freed with free().
 */
int hf_micro_list(uint32_t group, struct hf_micro **ret, size_t *ret_n, struct hf_err *err);
/* Asks each. -EIO when testpmd is gone, or does not understand a rule. */
int hf_micro_ask(struct hf_testpmd *pmd, struct hf_micro *list, size_t n, struct hf_err *err);
static inline bool hf_micro_taken(const struct hf_micro *m)
{
	return m->answer.word == HF_TESTPMD_ACCEPT;
}

/*
 * Fills in engines, attributes and errors of a profile from answers. It believes no more than was
 * seen: fields whose partial masks were taken are marked as dangers, and priorities as without an
 * order. *ret_missed counts micro-rules about which the profile says otherwise all the same.
 */
void hf_micro_learn(const struct hf_micro *list, size_t n, struct hf_nic *ret, size_t *ret_missed);
/* A learned profile as YAML; src is what every value has as its source. */
void hf_micro_write(const struct hf_nic *nic, const char *src, FILE *out);
