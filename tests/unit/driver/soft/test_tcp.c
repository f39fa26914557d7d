/* SPDX-License-Identifier: BSD-3-Clause */

#include <soft/tcp.h>

#include <hepflow/net.h>

#include <hf_test.h>

#include <stddef.h>
#include <string.h>

HF_SUITE(tcp);

/* Letters as in packet lines. */
static uint8_t flags_of(const char *text)
{
	static const char names[] = "FSRPAU";
	uint8_t flags = 0;

	for (; *text; text++)
		flags |= (uint8_t)(1u << (strchr(names, *text) - names));
	return flags;
}

struct step {
	const char *who; /* "call" or "answer" */
	const char *flags;
	enum hf_tcp_state after;
};

static void walk(const char *name, const struct step *steps, size_t n)
{
	enum hf_tcp_state state = HF_TCP_NONE, next;
	size_t i;

	for (i = 0; i < n; i++) {
		next = hf_tcp_next(
			state, strcmp(steps[i].who, "answer") == 0, flags_of(steps[i].flags));
		cr_assert_eq(
			next, steps[i].after, "%s, step %zu: %s", name, i, hf_tcp_state_name(next));
		if (next < HF_TCP_N_STATES)
			state = next;
	}
}

#define WALK(name, ...)                                                                            \
	walk(name, (const struct step[]){__VA_ARGS__},                                             \
		sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

/* RFC 9293 figures 6 and 12: open, talk, close by the caller. */
Test(tcp, usual_life)
{
	WALK("usual", {"call", "S", HF_TCP_SYN_SENT}, {"answer", "SA", HF_TCP_SYN_RECV},
		{"call", "A", HF_TCP_ESTABLISHED}, {"call", "PA", HF_TCP_ESTABLISHED},
		{"answer", "PA", HF_TCP_ESTABLISHED}, {"call", "FA", HF_TCP_FIN_WAIT},
		{"answer", "A", HF_TCP_CLOSE_WAIT}, {"answer", "FA", HF_TCP_LAST_ACK},
		{"call", "A", HF_TCP_TIME_WAIT}, {"call", "A", HF_TCP_TIME_WAIT});
}

/* RFC 9293 figure 13: both ends close at once. */
Test(tcp, both_close)
{
	WALK("both", {"call", "S", HF_TCP_SYN_SENT}, {"answer", "SA", HF_TCP_SYN_RECV},
		{"call", "A", HF_TCP_ESTABLISHED}, {"call", "FA", HF_TCP_FIN_WAIT},
		{"answer", "FA", HF_TCP_LAST_ACK}, {"call", "A", HF_TCP_TIME_WAIT},
		{"answer", "A", HF_TCP_TIME_WAIT});
}

/* RFC 9293 figure 8: both ends call. */
Test(tcp, both_call)
{
	WALK("both", {"call", "S", HF_TCP_SYN_SENT}, {"answer", "S", HF_TCP_SYN_SENT2},
		{"call", "SA", HF_TCP_SYN_RECV}, {"answer", "SA", HF_TCP_IGNORE},
		{"call", "A", HF_TCP_ESTABLISHED});
}

Test(tcp, reset_closes_any_connection)
{
	enum hf_tcp_state s;

	for (s = HF_TCP_SYN_SENT; s < HF_TCP_N_STATES; s++) {
		cr_expect_eq(hf_tcp_next(s, false, HF_TCP_RST), HF_TCP_CLOSE);
		cr_expect_eq(hf_tcp_next(s, true, HF_TCP_RST | HF_TCP_ACK), HF_TCP_CLOSE);
	}
	cr_expect_eq(hf_tcp_next(HF_TCP_NONE, false, HF_TCP_RST), HF_TCP_INVALID);
}

Test(tcp, only_syn_and_ack_begin)
{
	unsigned int flags;

	for (flags = 0; flags < 64; flags++) {
		enum hf_tcp_state want = HF_TCP_INVALID;
		uint8_t f = (uint8_t)flags & (uint8_t)~HF_TCP_PSH;

		if (f == HF_TCP_SYN || f == (HF_TCP_SYN | HF_TCP_URG))
			want = HF_TCP_SYN_SENT;
		if (f == HF_TCP_ACK || f == (HF_TCP_ACK | HF_TCP_URG))
			want = HF_TCP_ESTABLISHED;
		cr_expect_eq(
			hf_tcp_next(HF_TCP_NONE, false, (uint8_t)flags), want, "0x%02x", flags);
	}
}

Test(tcp, senseless_flags_are_invalid_in_every_state)
{
	static const uint8_t senseless[] = {0, HF_TCP_FIN, HF_TCP_SYN | HF_TCP_FIN,
		HF_TCP_SYN | HF_TCP_RST, HF_TCP_FIN | HF_TCP_PSH | HF_TCP_URG,
		HF_TCP_FIN | HF_TCP_RST, HF_TCP_PSH, HF_TCP_URG};
	enum hf_tcp_state s;
	size_t i;

	for (s = HF_TCP_NONE; s < HF_TCP_N_STATES; s++) {
		for (i = 0; i < sizeof(senseless); i++) {
			cr_expect_eq(hf_tcp_next(s, false, senseless[i]), HF_TCP_INVALID);
			cr_expect_eq(hf_tcp_next(s, true, senseless[i]), HF_TCP_INVALID);
		}
	}
}

Test(tcp, ecn_bits_do_not_matter)
{
	cr_expect_eq(hf_tcp_next(HF_TCP_NONE, false, HF_TCP_SYN | 0xc0), HF_TCP_SYN_SENT);
}

Test(tcp, caller_cannot_skip_the_answer)
{
	cr_expect_eq(hf_tcp_next(HF_TCP_SYN_SENT, false, HF_TCP_ACK), HF_TCP_INVALID);
	cr_expect_eq(hf_tcp_next(HF_TCP_SYN_SENT, false, HF_TCP_FIN | HF_TCP_ACK), HF_TCP_INVALID);
	cr_expect_eq(hf_tcp_next(HF_TCP_SYN_SENT, false, HF_TCP_SYN), HF_TCP_SYN_SENT);
}

Test(tcp, syn_in_a_connection_waits_for_the_answer)
{
	cr_expect_eq(hf_tcp_next(HF_TCP_ESTABLISHED, false, HF_TCP_SYN), HF_TCP_IGNORE);
	cr_expect_eq(hf_tcp_next(HF_TCP_ESTABLISHED, true, HF_TCP_SYN), HF_TCP_INVALID);
}

Test(tcp, ports_may_be_used_again)
{
	cr_expect_eq(hf_tcp_next(HF_TCP_TIME_WAIT, false, HF_TCP_SYN), HF_TCP_SYN_SENT);
	cr_expect_eq(hf_tcp_next(HF_TCP_TIME_WAIT, true, HF_TCP_SYN), HF_TCP_SYN_SENT);
	cr_expect_eq(hf_tcp_next(HF_TCP_CLOSE, false, HF_TCP_SYN), HF_TCP_SYN_SENT);
	cr_expect_eq(hf_tcp_next(HF_TCP_CLOSE, true, HF_TCP_SYN), HF_TCP_INVALID);
}

/*
 * A connection with numbers: the caller's begin at 1000, the other's at 5000; both offer a window
 * of 1000.
 */
struct talk {
	struct hf_tcp_track t;
	bool replied;
	bool assured;
	enum hf_tcp_patience patience;
};

static struct hf_tcp_seg segment(const char *flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	return (struct hf_tcp_seg){
		.seq = seq, .ack = ack, .len = len, .win = 1000, .flags = flags_of(flags)};
}

static enum hf_tcp_fate say_seg(struct talk *k, bool reply, struct hf_tcp_seg seg)
{
	enum hf_tcp_fate fate =
		hf_tcp_follow(&k->t, &seg, reply, k->replied, k->assured, &k->patience);

	if (fate == HF_TCP_MOVED || fate == HF_TCP_IGNORED)
		k->replied = k->replied || reply;
	return fate;
}

static enum hf_tcp_fate say(
	struct talk *k, bool reply, const char *flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	return say_seg(k, reply, segment(flags, seq, ack, len));
}

static struct talk open_talk(void)
{
	struct hf_tcp_seg syn = segment("S", 1000, 0, 0);
	struct talk k = {0};

	cr_assert(hf_tcp_begin(&syn, &k.t));
	cr_assert_eq(say(&k, true, "SA", 5000, 1001, 0), HF_TCP_MOVED);
	cr_assert_eq(say(&k, false, "A", 1001, 5001, 0), HF_TCP_MOVED);
	cr_assert_eq(k.t.state, HF_TCP_ESTABLISHED);
	cr_assert_eq(k.patience, HF_TCP_BY_STATE);
	k.assured = true;
	return k;
}

/* RFC 5961 3.2: only a reset with exactly the number that is next closes. */
Test(tcp, reset_must_be_exact)
{
	static const struct {
		uint32_t seq;
		enum hf_tcp_fate fate;
		enum hf_tcp_state state;
	} cases[] = {
		{5001, HF_TCP_MOVED, HF_TCP_CLOSE},
		{5002, HF_TCP_MOVED, HF_TCP_ESTABLISHED}, /* in the window: a challenge will tell */
		{6001, HF_TCP_MOVED, HF_TCP_ESTABLISHED},
		{7003, HF_TCP_REFUSED, HF_TCP_ESTABLISHED},
		{5000, HF_TCP_REFUSED, HF_TCP_ESTABLISHED},
		{900000000, HF_TCP_REFUSED, HF_TCP_ESTABLISHED},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct talk k = open_talk();

		cr_expect_eq(
			say(&k, true, "R", cases[i].seq, 0, 0), cases[i].fate, "%u", cases[i].seq);
		cr_expect_eq(k.t.state, cases[i].state, "%u", cases[i].seq);
	}
}

/* Of which hardly anything is known. */
Test(tcp, reset_closes_what_was_picked_up)
{
	struct hf_tcp_seg ack = segment("A", 1000, 5000, 0);
	struct talk k = {0};

	cr_assert(hf_tcp_begin(&ack, &k.t));
	cr_assert_eq(say(&k, true, "A", 5000, 1000, 10), HF_TCP_MOVED);
	cr_assert_eq(k.t.state, HF_TCP_ESTABLISHED);
	cr_expect_eq(say(&k, false, "RA", 1001, 5010, 0), HF_TCP_MOVED);
	cr_expect_eq(k.t.state, HF_TCP_CLOSE);
}

Test(tcp, data_keeps_to_the_window)
{
	struct talk k = open_talk();

	cr_expect_eq(say(&k, false, "PA", 1001, 5001, 1000), HF_TCP_MOVED, "all there is room for");
	cr_expect_eq(say(&k, false, "PA", 4500, 5001, 10), HF_TCP_REFUSED, "behind the room");
	cr_expect_eq(say(&k, false, "PA", 1001, 5001, 1000), HF_TCP_MOVED, "again");
	cr_expect_eq(say(&k, true, "A", 5001, 2001, 0), HF_TCP_MOVED);
	cr_expect_eq(say(&k, false, "PA", 500, 5001, 100), HF_TCP_IGNORED, "far behind");
	cr_expect_eq(say(&k, true, "A", 5001, 2002, 0), HF_TCP_REFUSED, "of what was never sent");
	cr_expect_eq(say(&k, true, "A", 5001, 2001 - 70000, 0), HF_TCP_IGNORED, "too late");
}

/* A forged FIN or SYN in the middle does nothing. */
Test(tcp, forged_segments_move_nothing)
{
	struct talk k = open_talk();

	cr_expect_eq(say(&k, true, "FA", 99999999, 1001, 0), HF_TCP_REFUSED);
	cr_expect_eq(say(&k, false, "FA", 99999999, 5001, 0), HF_TCP_REFUSED);
	cr_expect_eq(say(&k, false, "S", 99999999, 0, 0), HF_TCP_IGNORED);
	cr_expect_eq(k.t.state, HF_TCP_ESTABLISHED);
	cr_expect_eq(say(&k, false, "PA", 1001, 5001, 10), HF_TCP_MOVED, "and it goes on");
}

Test(tcp, windows_are_scaled_if_both_want_it)
{
	static const uint8_t scale7[] = {3, 3, 7, 1};
	int both;

	for (both = 0; both < 2; both++) {
		struct hf_tcp_seg syn = segment("S", 1000, 0, 0), synack;
		struct talk k = {0};

		syn.opts = scale7;
		syn.n_opts = sizeof(scale7);
		synack = segment("SA", 5000, 1001, 0);
		if (both) {
			synack.opts = scale7;
			synack.n_opts = sizeof(scale7);
		}
		cr_assert(hf_tcp_begin(&syn, &k.t));
		cr_assert_eq(say_seg(&k, true, synack), HF_TCP_MOVED);
		cr_assert_eq(say(&k, false, "A", 1001, 5001, 0), HF_TCP_MOVED);
		cr_assert_eq(say(&k, true, "A", 5001, 1001, 0), HF_TCP_MOVED);
		cr_expect_eq(say(&k, false, "PA", 1001 + 100000, 5001, 10),
			both ? HF_TCP_MOVED : HF_TCP_REFUSED);
	}
}

/* What was acknowledged out of order counts (RFC 2018). */
Test(tcp, selective_acknowledgements_count)
{
	static const uint8_t perm[] = {4, 2, 1, 1};
	uint8_t sack[] = {1, 1, 5, 10, 0, 0, 0x0b, 0xb8, 0, 0, 0x0f, 0xa0}; /* 3000 to 4000 */
	struct hf_tcp_seg syn = segment("S", 1000, 0, 0), seg;
	struct talk k = {0};

	syn.opts = perm;
	syn.n_opts = sizeof(perm);
	cr_assert(hf_tcp_begin(&syn, &k.t));
	seg = segment("SA", 5000, 1001, 0);
	seg.opts = perm;
	seg.n_opts = sizeof(perm);
	cr_assert_eq(say_seg(&k, true, seg), HF_TCP_MOVED);
	cr_assert_eq(say(&k, false, "A", 1001, 5001, 0), HF_TCP_MOVED);
	seg = segment("A", 5001, 1001, 0);
	seg.opts = sack;
	seg.n_opts = sizeof(sack);
	cr_expect_eq(say_seg(&k, true, seg), HF_TCP_REFUSED, "nobody has sent that");
	sack[3] = 9; /* a length that is none */
	cr_expect_eq(say_seg(&k, true, seg), HF_TCP_MOVED);
}

/* A call that is sent again with another number and nothing else said goes on as it began. */
Test(tcp, call_without_options_takes_nothing_back)
{
	static const uint8_t scale[] = {3, 3, 14, 1}, other[] = {3, 3, 7, 1};
	struct hf_tcp_seg syn = segment("S", 1000, 0, 0), seg;
	struct talk k = {0};

	syn.opts = scale;
	syn.n_opts = sizeof(scale);
	cr_assert(hf_tcp_begin(&syn, &k.t));
	cr_assert_eq(say(&k, false, "S", 1001, 0, 0), HF_TCP_MOVED);
	seg = segment("SA", 5000, 1002, 0);
	seg.opts = other;
	seg.n_opts = sizeof(other);
	cr_assert_eq(say_seg(&k, true, seg), HF_TCP_MOVED);
	cr_assert_eq(say(&k, false, "A", 1002, 5001, 0), HF_TCP_MOVED);
	/* 8192 << 14 is far more than the 66000 that any acknowledgement may lag behind. */
	cr_assert_eq(say(&k, true, "PA", 5001, 1002, 100000), HF_TCP_MOVED);
	cr_expect_eq(say(&k, false, "A", 1002, 5001 - 1000000, 0), HF_TCP_MOVED);
}

Test(tcp, options_may_be_nonsense)
{
	static const uint8_t bad[][4] = {{3, 0, 7, 0}, {3, 9, 7, 0}, {1, 1, 1, 3}, {3, 3, 99, 0}};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hf_tcp_seg syn = segment("S", 1000, 0, 0);
		struct hf_tcp_track t;

		syn.opts = bad[i];
		syn.n_opts = sizeof(bad[i]);
		cr_expect(hf_tcp_begin(&syn, &t));
	}
}

/* Nothing is known of a connection that was there before us. */
Test(tcp, picked_up_connections_are_not_measured)
{
	struct hf_tcp_seg ack = segment("A", 1000, 5000, 0);
	struct talk k = {0};

	cr_assert(hf_tcp_begin(&ack, &k.t));
	cr_expect_eq(say(&k, true, "A", 5000, 1000, 0), HF_TCP_MOVED);
	cr_expect_eq(say(&k, false, "PA", 80000000, 5000, 100), HF_TCP_MOVED);
	cr_expect_eq(k.t.state, HF_TCP_ESTABLISHED);
}

/* A NIC carries it for a while, and software sees its end. */
Test(tcp, unseen_part_of_a_connection_does_no_harm)
{
	struct talk k = open_talk();

	hf_tcp_loosen(&k.t);
	cr_expect_eq(say(&k, true, "PA", 900000, 700000, 100), HF_TCP_MOVED, "long after that");
	cr_expect_eq(say(&k, false, "FA", 3000000000, 4000000000, 0), HF_TCP_MOVED);
	cr_expect_eq(k.t.state, HF_TCP_FIN_WAIT);
	k = open_talk();
	hf_tcp_loosen(&k.t);
	cr_expect_eq(say(&k, true, "R", 99999999, 0, 0), HF_TCP_MOVED);
	cr_expect_eq(k.t.state, HF_TCP_CLOSE, "and the other way to end");
}

/* RFC 9293 3.10.7.4 and RFC 5961 4: a SYN in a connection; the answer tells who was right. */
Test(tcp, both_ends_may_know_better)
{
	struct talk k = open_talk();

	cr_assert_eq(say(&k, false, "S", 900000, 0, 0), HF_TCP_IGNORED);
	cr_assert_eq(say(&k, true, "SA", 700000, 900001, 0), HF_TCP_MOVED);
	cr_expect_eq(k.t.state, HF_TCP_SYN_RECV);
	cr_assert_eq(say(&k, false, "A", 900001, 700001, 0), HF_TCP_MOVED);
	cr_expect_eq(k.t.state, HF_TCP_ESTABLISHED);
}

Test(tcp, challenge_does_not_end_last_ack)
{
	struct talk k = open_talk();

	cr_assert_eq(say(&k, true, "FA", 5001, 1001, 0), HF_TCP_MOVED);
	cr_assert_eq(say(&k, false, "FA", 1001, 5002, 0), HF_TCP_MOVED);
	cr_assert_eq(k.t.state, HF_TCP_LAST_ACK);
	cr_assert_eq(say(&k, false, "S", 900000, 0, 0), HF_TCP_IGNORED);
	cr_expect_eq(say(&k, true, "A", 5002, 1002, 0), HF_TCP_IGNORED);
	cr_expect_eq(k.t.state, HF_TCP_LAST_ACK);
}

Test(tcp, sent_again_and_again_lives_shorter)
{
	struct talk k = open_talk();
	int i;

	for (i = 0; i < 4; i++)
		cr_assert_eq(say(&k, false, "PA", 1001, 5001, 10), HF_TCP_MOVED);
	cr_expect_eq(k.patience, HF_TCP_BY_RETRANS);
	cr_assert_eq(say(&k, true, "A", 5001, 1011, 0), HF_TCP_MOVED);
	cr_expect_eq(k.patience, HF_TCP_BY_STATE);
	cr_assert_eq(say(&k, false, "PA", 1011, 5001, 10), HF_TCP_MOVED);
	cr_expect_eq(k.patience, HF_TCP_BY_UNACKED);
}

Test(tcp, ports_are_free_again_once_both_have_closed)
{
	struct talk k = open_talk();

	cr_assert_eq(say(&k, false, "FA", 1001, 5001, 0), HF_TCP_MOVED);
	cr_assert_eq(say(&k, true, "FA", 5001, 1002, 0), HF_TCP_MOVED);
	cr_assert_eq(say(&k, false, "A", 1002, 5002, 0), HF_TCP_MOVED);
	cr_assert_eq(k.t.state, HF_TCP_TIME_WAIT);
	cr_expect_eq(say(&k, false, "S", 70000, 0, 0), HF_TCP_REOPENS);
}
