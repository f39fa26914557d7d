/* SPDX-License-Identifier: BSD-3-Clause */

/* What the files of the testpmd child share. */

#pragma once

#include <hepflow/testpmd_child.h>

/* The rule made last by templates: with it go its table and templates, numbered id. */
struct hf_testpmd_made {
	uint32_t id;
	uint32_t rule;
};

/* State of rules by templates, or NULL when rules are made one by one. */
struct hf_testpmd_made *hf_testpmd_made(struct hf_testpmd *pmd);

/* testpmd_flow.c: what testpmd said of a rule; word is what it says after "Flow rule #N". */
void hf_testpmd_read_answer(const char *text, const char *word, struct hf_testpmd_answer *ret);

/* testpmd_async.c */
int hf_testpmd_async_setup(struct hf_testpmd *pmd, struct hf_err *err);
int hf_testpmd_async_create(struct hf_testpmd *pmd, const char *rule, struct hf_testpmd_answer *ret,
	struct hf_err *err);
int hf_testpmd_async_destroy(struct hf_testpmd *pmd, uint32_t rule, struct hf_err *err);
