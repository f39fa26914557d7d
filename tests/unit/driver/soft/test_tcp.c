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
