/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Micro-rules, and profiles that are learned from them. The driver is a shipped profile, which is
 * what the virtual NIC enforces as well (tests/testpmd/probe.sh has the NIC itself).
 */

#include "hf_test.h"

#include <hepflow/err.h>
#include <hepflow/micro.h>
#include <hepflow/profile.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

HF_SUITE(micro);

/* As testpmd would say it. */
static void answer(const struct hf_nic *nic, struct hf_micro *m)
{
	const struct hf_nic_error *e;
	enum hf_reject why;

	memset(&m->answer, 0, sizeof(m->answer));
	if (hf_nic_accept(nic, &m->flow, &why)) {
		m->answer.word = HF_TESTPMD_ACCEPT;
		return;
	}
	e = hf_nic_error_of(nic, why, &m->flow);
	m->answer.word = HF_TESTPMD_REJECT;
	m->answer.err = e->err;
	m->answer.type = "UNSPECIFIED";
	(void)snprintf(m->answer.message, sizeof(m->answer.message), "%s", e->message);
}

/* The profile written and read back, as hw-profile learn and check do. */
static struct hf_nic *write_and_read(const struct hf_nic *learned)
{
	char path[] = "/tmp/hepflow-learned.XXXXXX";
	int fd = mkstemp(path);
	struct hf_err err = {0};
	struct hf_nic *nic = NULL;
	FILE *out;

	cr_assert_geq(fd, 0);
	out = fdopen(fd, "w");
	cr_assert_not_null(out);
	hf_micro_write(learned, "a test", out);
	cr_assert_eq(fclose(out), 0);
	cr_assert_eq(hf_profile_read(path, &nic, &err), 0, "%s", err.text);
	cr_assert_eq(unlink(path), 0);
	return nic;
}

/* Returns how many micro-rules the learned profile differs on. */
static size_t learn_from(const struct hf_nic *nic)
{
	struct hf_nic *learned = calloc(1, sizeof(*learned)), *read;
	size_t n, missed, i, differ = 0;
	struct hf_micro *list;
	enum hf_reject why;

	cr_assert_not_null(learned);
	cr_assert_eq(hf_micro_list(nic->n_engines > 0 && nic->engine[0].groups > HF_MICRO_GROUP
					   ? HF_MICRO_GROUP
					   : 0,
			     &list, &n, NULL),
		0);
	for (i = 0; i < n; i++)
		answer(nic, &list[i]);
	(void)strcpy(learned->name, "learned");
	(void)strcpy(learned->chips, "some");
	hf_micro_learn(list, n, learned, &missed);
	read = write_and_read(learned);
	for (i = 0; i < n; i++) {
		bool taken = hf_nic_accept(read, &list[i].flow, &why) != NULL;

		if (taken == hf_micro_taken(&list[i]))
			continue;
		if (differ++ < 3)
			fprintf(stderr, "# %s: learned %s: %s\n", nic->name,
				taken ? "to take" : hf_reject_name(why), list[i].rule);
	}
	cr_expect_eq(differ, missed, "%s: said to miss %zu, not %zu", nic->name, missed, differ);
	hf_profile_free(read);
	hf_profile_free(learned);
	free(list);
	return differ;
}

Test(micro, what_is_learned_agrees_with_every_shipped_profile)
{
	struct hf_nic **nics;
	size_t n, i;

	cr_assert_eq(hf_profile_all(&nics, &n, NULL), 0);
	for (i = 0; i < n; i++)
		cr_expect_eq(learn_from(nics[i]), 0, "%s", nics[i]->name);
	hf_profile_free_all(nics, n);
}

/* A partial mask that was taken is no proof that it was honoured. */
Test(micro, what_is_learned_is_believed_no_further_than_seen)
{
	struct hf_nic *learned = calloc(1, sizeof(*learned)), *nic;
	struct hf_micro *list;
	size_t n, missed, i;
	struct hf_hdr mask = {0};

	cr_assert_eq(hf_profile_find("mlx5-cx6dx", &nic, NULL), 0);
	cr_assert_eq(hf_micro_list(HF_MICRO_GROUP, &list, &n, NULL), 0);
	for (i = 0; i < n; i++)
		answer(nic, &list[i]);
	hf_micro_learn(list, n, learned, &missed);
	memset(&mask.ip_dst, 0xff, 3);
	cr_expect(hf_nic_can_match(&nic->engine[0], HF_F_IP4_DST, &mask));
	cr_expect_not(hf_nic_can_match(&learned->engine[0], HF_F_IP4_DST, &mask));
	cr_expect_eq(learned->engine[0].order, HF_PRIO_NONE);
	cr_expect_eq(learned->engine[0].groups, 65531);
	cr_expect(learned->engine[0].jump_forward);
	for (i = 0; i < n; i++) {
		const struct hf_engine *e;
		enum hf_reject why;

		if (list[i].flow.frag == HF_FRAG_UNSAID)
			continue;
		e = hf_nic_accept(learned, &list[i].flow, &why);
		cr_expect(!e || hf_nic_danger(e, &list[i].flow) != HF_F_MAX_, "%s", list[i].rule);
	}
	free(list);
	hf_profile_free(nic);
	hf_profile_free(learned);
}

/* Every field that a profile can have but two, which testpmd cannot say or no port has, is asked.
 */
Test(micro, every_field_is_asked_for)
{
	struct hf_micro *list;
	uint64_t asked = 0;
	unsigned int f, k;
	size_t n, i;

	cr_assert_eq(hf_micro_list(0, &list, &n, NULL), 0);
	cr_expect_gt(n, 500);
	for (i = 0; i < n; i++) {
		for (f = 0; f < HF_F_MAX_; f++) {
			const struct hf_field_info *info = hf_field_info((enum hf_field)f);
			const uint8_t *mask =
				(const uint8_t *)&list[i].flow.pattern.mask + info->offset;

			for (k = 0; k < info->size; k++) {
				if (mask[k] &&
					(list[i].flow.pattern.layers & HF_LAYER_BIT(info->layer)))
					asked |= HF_F_BIT(f);
			}
		}
	}
	for (f = 0; f < HF_F_MAX_; f++) {
		bool except = f == HF_F_IP6_FLOW || f == HF_F_MARK || f == HF_F_TAG ||
			      strstr(hf_field_info((enum hf_field)f)->name, "port_id");

		cr_expect(except || (asked & HF_F_BIT(f)), "%s",
			hf_field_info((enum hf_field)f)->name);
	}
	free(list);
}
