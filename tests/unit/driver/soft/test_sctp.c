/* SPDX-License-Identifier: BSD-3-Clause */

/* SCTP's states; tests/kernel/sctp_states.py compares every move with the kernel's. */

#include "hf_test.h"

#include "soft/sctp.h"

#include <string.h>

HF_SUITE(sctp);

#define CALLER 0x11111111u /* the tag that the caller wants to see */
#define CALLED 0x22222222u

/* A packet with one chunk; tag: what an INIT or INIT ACK announces. */
static struct hf_sctp_packet packet(uint32_t vtag, uint8_t type, uint32_t tag)
{
	const uint8_t head[4] = {type, 0, 0, 20};
	const uint8_t body[4] = {
		(uint8_t)(tag >> 24), (uint8_t)(tag >> 16), (uint8_t)(tag >> 8), (uint8_t)tag};
	struct hf_sctp_packet p = {.vtag = vtag};

	cr_assert(hf_sctp_add_chunk(&p, head, 0, body));
	return p;
}

static bool follow(struct hf_sctp_track *t, bool reply, uint8_t type, uint32_t tag)
{
	uint32_t vtag = type == HF_SCTP_INIT ? 0 : reply ? CALLER : CALLED;
	struct hf_sctp_packet p = packet(vtag, type, tag);
	bool prolong;

	return hf_sctp_follow(t, &p, reply, &prolong);
}

static struct hf_sctp_track called(void)
{
	struct hf_sctp_packet init = packet(0, HF_SCTP_INIT, CALLER);
	struct hf_sctp_track t;

	cr_assert(hf_sctp_begin(&init, &t));
	cr_assert_eq(t.state, HF_SCTP_CLOSED);
	return t;
}

static struct hf_sctp_track established(void)
{
	struct hf_sctp_track t = called();

	cr_assert(follow(&t, true, HF_SCTP_INIT_ACK, CALLED));
	cr_assert_eq(t.state, HF_SCTP_COOKIE_WAIT);
	cr_assert(follow(&t, false, HF_SCTP_COOKIE_ECHO, 0));
	cr_assert_eq(t.state, HF_SCTP_COOKIE_ECHOED);
	cr_assert(!t.established);
	cr_assert(follow(&t, true, HF_SCTP_COOKIE_ACK, 0));
	cr_assert_eq(t.state, HF_SCTP_ESTABLISHED);
	cr_assert(t.established);
	return t;
}

Test(sctp, association_from_call_to_end)
{
	struct hf_sctp_track t = established();

	cr_expect(follow(&t, false, HF_SCTP_DATA, 0));
	cr_expect_eq(t.state, HF_SCTP_ESTABLISHED);
	cr_expect(follow(&t, false, HF_SCTP_SHUTDOWN, 0));
	cr_expect_eq(t.state, HF_SCTP_SHUTDOWN_SENT);
	cr_expect(follow(&t, true, HF_SCTP_SHUTDOWN_ACK, 0));
	cr_expect_eq(t.state, HF_SCTP_SHUTDOWN_ACK_SENT);
	cr_expect(follow(&t, false, HF_SCTP_SHUTDOWN_COMPLETE, 0));
	cr_expect_eq(t.state, HF_SCTP_CLOSED);
}

Test(sctp, other_tags_are_refused_and_leave_no_trace)
{
	static const uint8_t types[] = {HF_SCTP_DATA, HF_SCTP_SHUTDOWN, HF_SCTP_COOKIE_ACK,
		HF_SCTP_ABORT, HF_SCTP_SHUTDOWN_COMPLETE, HF_SCTP_COOKIE_ECHO, HF_SCTP_ERROR};
	struct hf_sctp_track t = established(), before = t;
	size_t i;

	for (i = 0; i < sizeof(types); i++) {
		struct hf_sctp_packet p = packet(7, types[i], 0);
		bool prolong;

		cr_expect(!hf_sctp_follow(&t, &p, false, &prolong), "type %d", types[i]);
		cr_expect_eq(memcmp(&t, &before, sizeof(t)), 0);
	}
}

Test(sctp, nothing_else_begins_one)
{
	static const uint8_t types[] = {HF_SCTP_DATA, HF_SCTP_ABORT, HF_SCTP_COOKIE_ACK,
		HF_SCTP_SHUTDOWN_COMPLETE, HF_SCTP_SHUTDOWN, HF_SCTP_INIT_ACK};
	struct hf_sctp_packet p = packet(5, HF_SCTP_INIT, CALLER);
	struct hf_sctp_track t;
	size_t i;

	cr_expect(!hf_sctp_begin(&p, &t), "an INIT carries no tag");
	for (i = 0; i < sizeof(types); i++) {
		p = packet(5, types[i], 0);
		cr_expect(!hf_sctp_begin(&p, &t), "type %d", types[i]);
	}
	p = packet(5, HF_SCTP_HEARTBEAT, 0);
	cr_expect(hf_sctp_begin(&p, &t), "another path");
	cr_expect_eq(t.state, HF_SCTP_HEARTBEAT_SENT);
}

Test(sctp, calling_again_prolongs_nothing)
{
	struct hf_sctp_packet init = packet(0, HF_SCTP_INIT, CALLER);
	struct hf_sctp_track t = called();
	bool prolong = true;

	cr_expect(hf_sctp_follow(&t, &init, false, &prolong));
	cr_expect(!prolong);
}

/* An INIT that was on its way for long says what is known, and makes no other tag good. */
Test(sctp, late_call_opens_nothing_for_another_tag)
{
	struct hf_sctp_track t = established();

	cr_assert(follow(&t, true, HF_SCTP_INIT, CALLED));
	cr_expect(!follow(&t, false, HF_SCTP_INIT_ACK, 0x33333333));
	/* One with a tag of its own does: an end has begun anew. */
	cr_assert(follow(&t, true, HF_SCTP_INIT, 0x44444444));
	cr_expect_eq(t.vtags[0], 0x44444444);
}

Test(sctp, chunks_that_may_not_share_a_packet)
{
	static const struct {
		uint8_t first, second;
		bool good;
	} pairs[] = {
		{HF_SCTP_INIT, HF_SCTP_DATA, false},
		{HF_SCTP_DATA, HF_SCTP_INIT, false},
		{HF_SCTP_INIT_ACK, HF_SCTP_ERROR, false},
		{HF_SCTP_DATA, HF_SCTP_SHUTDOWN_COMPLETE, false},
		{HF_SCTP_DATA, HF_SCTP_COOKIE_ECHO, false},
		{HF_SCTP_COOKIE_ECHO, HF_SCTP_DATA, true},
		{HF_SCTP_COOKIE_ACK, HF_SCTP_DATA, true},
		{HF_SCTP_DATA, HF_SCTP_SHUTDOWN, true},
	};
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct hf_sctp_packet p = packet(1, pairs[i].first, 0);
		const uint8_t head[4] = {pairs[i].second, 0, 0, 4};

		cr_expect_eq(hf_sctp_add_chunk(&p, head, 1, NULL), pairs[i].good, "pair %zu", i);
	}
}

Test(sctp, chunks_without_length_and_too_many)
{
	struct hf_sctp_packet p = {0};
	const uint8_t empty[4] = {HF_SCTP_DATA}, error[4] = {HF_SCTP_ERROR, 0, 0, 4};
	unsigned int i;

	cr_expect(!hf_sctp_add_chunk(&p, empty, 0, NULL));
	for (i = 0; i < HF_SCTP_CHUNKS_MAX; i++)
		cr_expect(hf_sctp_add_chunk(&p, error, i, NULL));
	cr_expect(!hf_sctp_add_chunk(&p, error, i, NULL));
}

Test(sctp, every_state_has_the_name_of_linux)
{
	cr_expect_str_eq(hf_sctp_state_name(HF_SCTP_SHUTDOWN_ACK_SENT), "SHUTDOWN_ACK_SENT");
	cr_expect_str_eq(hf_sctp_state_name(HF_SCTP_HEARTBEAT_SENT), "HEARTBEAT_SENT");
	cr_expect_str_eq(hf_sctp_state_name(HF_SCTP_INVALID), "");
}
