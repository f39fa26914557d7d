/* SPDX-License-Identifier: BSD-3-Clause */

#include "tcp.h"

#include <hepflow/net.h>

#include <assert.h>
#include <string.h>

#define NO HF_TCP_NONE
#define SS HF_TCP_SYN_SENT
#define SR HF_TCP_SYN_RECV
#define ES HF_TCP_ESTABLISHED
#define FW HF_TCP_FIN_WAIT
#define CW HF_TCP_CLOSE_WAIT
#define LA HF_TCP_LAST_ACK
#define TW HF_TCP_TIME_WAIT
#define CL HF_TCP_CLOSE
#define S2 HF_TCP_SYN_SENT2
#define iv HF_TCP_INVALID
#define ig HF_TCP_IGNORE

/*
 * Read a column downwards: what each segment does to a connection in that state. clang-format would
 * take the columns apart.
 */
/* clang-format off */
static const uint8_t moves[2][HF_TCP_N_EVENTS][HF_TCP_N_STATES] = {
	{ /* from the end that called */
		/*               NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
		[HF_TCP_EV_SYN] =    { SS, SS, ig, ig, ig, ig, ig, SS, SS, S2 },
		[HF_TCP_EV_SYNACK] = { iv, iv, SR, iv, iv, iv, iv, iv, iv, SR },
		[HF_TCP_EV_FIN] =    { iv, iv, FW, FW, LA, LA, LA, TW, CL, iv },
		[HF_TCP_EV_ACK] =    { ES, iv, ES, ES, CW, CW, TW, TW, CL, iv },
		[HF_TCP_EV_RST] =    { iv, CL, CL, CL, CL, CL, CL, CL, CL, CL },
	},
	{ /* from the end that was called */
		/*               NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
		[HF_TCP_EV_SYN] =    { iv, S2, iv, iv, iv, iv, iv, SS, iv, S2 },
		[HF_TCP_EV_SYNACK] = { iv, SR, ig, ig, ig, ig, ig, ig, ig, SR },
		[HF_TCP_EV_FIN] =    { iv, iv, FW, FW, LA, LA, LA, TW, CL, iv },
		[HF_TCP_EV_ACK] =    { iv, ig, SR, ES, CW, CW, TW, TW, CL, ig },
		[HF_TCP_EV_RST] =    { iv, CL, CL, CL, CL, CL, CL, CL, CL, CL },
	},
};
/* clang-format on */

/*
 * Combinations of SYN, RST, FIN, ACK and URG that some TCP sends; PSH and the ECN bits (RFC 3168)
 * may come with any of them. The others are scans or accidents (tcp_valid_flags in Linux).
 */
static bool flags_make_sense(uint8_t flags)
{
	switch (flags & (HF_TCP_FIN | HF_TCP_SYN | HF_TCP_RST | HF_TCP_ACK | HF_TCP_URG)) {
	case HF_TCP_SYN:
	case HF_TCP_SYN | HF_TCP_URG:
	case HF_TCP_SYN | HF_TCP_ACK:
	case HF_TCP_RST:
	case HF_TCP_RST | HF_TCP_ACK:
	case HF_TCP_FIN | HF_TCP_ACK:
	case HF_TCP_FIN | HF_TCP_ACK | HF_TCP_URG:
	case HF_TCP_ACK:
	case HF_TCP_ACK | HF_TCP_URG:
		return true;
	default:
		return false;
	}
}

static enum hf_tcp_event event_of(uint8_t flags)
{
	if (flags & HF_TCP_RST)
		return HF_TCP_EV_RST;
	if (flags & HF_TCP_SYN)
		return flags & HF_TCP_ACK ? HF_TCP_EV_SYNACK : HF_TCP_EV_SYN;
	return flags & HF_TCP_FIN ? HF_TCP_EV_FIN : HF_TCP_EV_ACK;
}

enum hf_tcp_state hf_tcp_next(enum hf_tcp_state state, bool reply, uint8_t flags)
{
	if (!flags_make_sense(flags))
		return HF_TCP_INVALID;
	return (enum hf_tcp_state)moves[reply][event_of(flags)][state];
}

const char *hf_tcp_state_name(enum hf_tcp_state state)
{
	static const char *const names[] = {
		[HF_TCP_NONE] = "NONE",
		[HF_TCP_SYN_SENT] = "SYN_SENT",
		[HF_TCP_SYN_RECV] = "SYN_RECV",
		[HF_TCP_ESTABLISHED] = "ESTABLISHED",
		[HF_TCP_FIN_WAIT] = "FIN_WAIT",
		[HF_TCP_CLOSE_WAIT] = "CLOSE_WAIT",
		[HF_TCP_LAST_ACK] = "LAST_ACK",
		[HF_TCP_TIME_WAIT] = "TIME_WAIT",
		[HF_TCP_CLOSE] = "CLOSE",
		[HF_TCP_SYN_SENT2] = "SYN_SENT2",
		[HF_TCP_INVALID] = "INVALID",
		[HF_TCP_IGNORE] = "IGNORE",
	};

	return names[state];
}

/* Of an end. */
enum {
	END_SCALES = 0x01,  /* window scaling (RFC 7323 2) */
	END_SACKS = 0x02,   /* selective acknowledgements (RFC 2018) */
	END_CLOSES = 0x04,  /* it was the first to send a FIN */
	END_LIBERAL = 0x08, /* picked up: its windows are a guess */
	END_UNACKED = 0x10, /* it has sent what nobody has acknowledged */
	END_ACKS = 0x20,    /* max_ack is set */
};

/* Of the last segment; END_SCALES and END_SACKS count here, too. */
enum {
	LAST_CHALLENGE = 0x04, /* a SYN in LAST_ACK: an ACK may be a challenge (RFC 5961 4) */
	LAST_BOTH_CALL = 0x08, /* simultaneous open (RFC 9293 3.5) */
	LAST_AGAIN_SHIFT = 6,
	LAST_AGAIN_MAX = 3, /* net.netfilter.nf_conntrack_tcp_max_retrans */
	LAST_AGAIN = LAST_AGAIN_MAX << LAST_AGAIN_SHIFT,
};

#define LAST_NONE      HF_TCP_N_EVENTS
#define SCALE_MAX      14    /* RFC 7323 2.3 */
#define MAX_ACK_WINDOW 66000 /* an acknowledgement may be late by so much or a window */

enum {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_SCALE = 3,
	OPT_SACK_PERMITTED = 4,
	OPT_SACK = 5,
	OPT_TIMESTAMP = 8,
};

static_assert(sizeof(struct hf_tcp_track) == 52, "no holes: it is kept for every connection");

/* Serial number arithmetic (RFC 9293 3.4). */
static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static bool after(uint32_t a, uint32_t b)
{
	return before(b, a);
}

static unsigned int last_event(const struct hf_tcp_track *t)
{
	return t->last & 7;
}

static bool last_reply(const struct hf_tcp_track *t)
{
	return t->last >> 3 & 1;
}

static void set_last(struct hf_tcp_track *t, unsigned int event, bool reply)
{
	t->last = (uint8_t)((t->last & 0xf0) | reply << 3 | event);
}

static unsigned int scale_of(const struct hf_tcp_track *t, bool reply)
{
	return reply ? t->scales >> 4 : t->scales & 0xf;
}

static void set_scale(struct hf_tcp_track *t, bool reply, unsigned int scale)
{
	t->scales = (uint8_t)(reply ? (t->scales & 0x0f) | scale << 4 : (t->scales & 0xf0) | scale);
}

static uint32_t seg_end(const struct hf_tcp_seg *s)
{
	return s->seq + s->len + !!(s->flags & HF_TCP_SYN) + !!(s->flags & HF_TCP_FIN);
}

static uint32_t at_least_1(uint32_t win)
{
	return win ? win : 1;
}

/* The next option: *at moves behind it. Its length with the two bytes in front, or 0 at the end. */
static unsigned int next_option(const struct hf_tcp_seg *s, unsigned int *at)
{
	unsigned int size;

	while (*at < s->n_opts && s->opts[*at] == OPT_NOP)
		(*at)++;
	if (s->n_opts - *at < 2 || s->opts[*at] == OPT_END)
		return 0;
	size = s->opts[*at + 1];
	if (size < 2 || size > s->n_opts - *at)
		return 0;
	*at += size;
	return size;
}

/* Of a SYN: what its end can do. */
static uint8_t read_offers(const struct hf_tcp_seg *s, unsigned int *ret_scale)
{
	unsigned int at = 0, size;
	uint8_t flags = 0;

	*ret_scale = 0;
	while ((size = next_option(s, &at))) {
		const uint8_t *o = s->opts + at - size;

		if (o[0] == OPT_SACK_PERMITTED && size == 2) {
			flags |= END_SACKS;
		} else if (o[0] == OPT_SCALE && size == 3) {
			*ret_scale = o[2] > SCALE_MAX ? SCALE_MAX : o[2];
			flags |= END_SCALES;
		}
	}
	return flags;
}

/* The highest byte that is acknowledged, in order or not. */
static uint32_t highest_ack(const struct hf_tcp_seg *s)
{
	static const uint8_t only_time[4] = {OPT_NOP, OPT_NOP, OPT_TIMESTAMP, 10};
	uint32_t ack = s->ack, edge;
	unsigned int at = 0, size, i;

	if (s->n_opts == 12 && memcmp(s->opts, only_time, sizeof(only_time)) == 0)
		return ack;
	while ((size = next_option(s, &at))) {
		const uint8_t *o = s->opts + at - size;

		if (o[0] != OPT_SACK || size < 10 || (size - 2) % 8 != 0)
			continue;
		for (i = 6; i < size; i += 8) {
			edge = (uint32_t)o[i] << 24 | (uint32_t)o[i + 1] << 16 |
			       (uint32_t)o[i + 2] << 8 | o[i + 3];
			if (after(edge, ack))
				ack = edge;
		}
		break;
	}
	return ack;
}

/* An end is seen for the first time, or begins anew with another number. */
static void begin_end(struct hf_tcp_track *t, const struct hf_tcp_seg *s, bool reply)
{
	struct hf_tcp_end *e = &t->ends[reply];
	unsigned int scale;

	e->end = e->max_end = seg_end(s);
	e->max_win = at_least_1(s->win);
	/* One that comes without any options takes nothing back (Linux: tcp_options()). */
	if (s->n_opts) {
		t->flags[reply] = (t->flags[reply] & END_LIBERAL) | read_offers(s, &scale);
		set_scale(t, reply, scale);
	}
	/* Both must offer scaling for either to use it (RFC 7323 2.2). */
	if (reply && !(t->flags[0] & t->flags[1] & END_SCALES))
		t->scales = 0;
}

/* Nothing is known of the sender: in the middle of a connection what it sends is taken as right. */
static void join_end(struct hf_tcp_track *t, const struct hf_tcp_seg *s, bool reply, uint32_t sack)
{
	struct hf_tcp_end *snd = &t->ends[reply], *rcv = &t->ends[!reply];

	snd->end = seg_end(s);
	snd->max_win = at_least_1((uint32_t)s->win << scale_of(t, reply));
	snd->max_end = snd->end + snd->max_win;
	if (rcv->max_win == 0)
		rcv->end = rcv->max_end = sack;
	else if (sack == rcv->end + 1)
		rcv->end++; /* an answer to a keep-alive (RFC 9293 3.8.4) */
}

struct span {
	uint32_t seq;
	uint32_t end;
	uint32_t ack;
	uint32_t sack;
};

/* What a segment that fits says about both ends. */
static void learn(struct hf_tcp_track *t, const struct hf_tcp_seg *s, bool reply, struct span p)
{
	struct hf_tcp_end *snd = &t->ends[reply], *rcv = &t->ends[!reply];
	uint32_t win = s->win;

	if (!(s->flags & HF_TCP_SYN)) /* RFC 7323 2.2 */
		win <<= scale_of(t, reply);
	if (snd->max_win < win + (p.sack - p.ack))
		snd->max_win = win + (p.sack - p.ack);
	if (after(p.end, snd->end)) {
		snd->end = p.end;
		t->flags[reply] |= END_UNACKED;
	}
	if (s->flags & HF_TCP_ACK &&
		(!(t->flags[reply] & END_ACKS) || after(p.ack, snd->max_ack))) {
		snd->max_ack = p.ack;
		t->flags[reply] |= END_ACKS;
	}
	if (rcv->max_win && after(p.end, snd->max_end))
		rcv->max_win += p.end - snd->max_end;
	if (after(p.sack + win, rcv->max_end - 1))
		rcv->max_end = p.sack + win + !win;
	if (p.ack == rcv->end)
		t->flags[!reply] = (uint8_t)(t->flags[!reply] & ~END_UNACKED);
}

static void count_again(
	struct hf_tcp_track *t, const struct hf_tcp_seg *s, bool reply, const struct span *p)
{
	unsigned int n = t->last_flags >> LAST_AGAIN_SHIFT;

	if (last_reply(t) == reply && t->last_seq == p->seq && t->last_ack == p->ack &&
		t->last_end == p->end && t->last_win == s->win) {
		n = n < LAST_AGAIN_MAX ? n + 1 : n;
	} else {
		set_last(t, last_event(t), reply);
		t->last_seq = p->seq;
		t->last_ack = p->ack;
		t->last_end = p->end;
		t->last_win = s->win;
		n = 0;
	}
	t->last_flags = (uint8_t)((t->last_flags & ~LAST_AGAIN) | n << LAST_AGAIN_SHIFT);
}

/* More than the receiver has offered, but no more than its window again: some send so. */
static bool overshoots_a_little(struct hf_tcp_track *t, bool reply, const struct span *p, bool late)
{
	struct hf_tcp_end *snd = &t->ends[reply];
	const struct hf_tcp_end *rcv = &t->ends[!reply];

	if (late || !rcv->max_win || !after(p->end, snd->end - rcv->max_win - 1) ||
		p->end - snd->max_end + 1 > rcv->max_win || !before(p->sack, rcv->end + 1))
		return false;
	snd->end = p->end;
	t->flags[reply] |= END_UNACKED;
	return true;
}

static enum hf_tcp_fate check_window(
	struct hf_tcp_track *t, const struct hf_tcp_seg *s, bool reply, enum hf_tcp_event event)
{
	struct hf_tcp_end *snd = &t->ends[reply], *rcv = &t->ends[!reply];
	struct span p = {.seq = s->seq, .end = seg_end(s), .ack = s->ack, .sack = s->ack};
	bool syn = s->flags & HF_TCP_SYN, ack = s->flags & HF_TCP_ACK, late, liberal;
	bool handshake = t->state == HF_TCP_SYN_SENT || t->state == HF_TCP_SYN_RECV;
	enum hf_tcp_fate refused = HF_TCP_MOVED;

	if (t->flags[!reply] & END_SACKS && s->n_opts)
		p.sack = highest_ack(s);
	if (snd->max_win == 0 && syn) {
		begin_end(t, s, reply);
		if (!ack)
			return HF_TCP_MOVED; /* both call */
	} else if (snd->max_win == 0) {
		join_end(t, s, reply, p.sack);
	} else if (syn && handshake && after(p.end, snd->end)) {
		begin_end(t, s, reply);
		if (reply && !ack)
			return HF_TCP_MOVED;
	}
	/* Without an acknowledgement, or with none in a reset: as if it were right. */
	if (!ack || (s->flags & HF_TCP_RST && s->ack == 0))
		p.ack = p.sack = rcv->end;
	if (s->flags & HF_TCP_RST && s->seq == 0 && t->state == HF_TCP_SYN_SENT)
		p.seq = p.end = snd->end; /* it answers a SYN (RFC 9293 3.10.7.1) */

	liberal = t->flags[reply] & END_LIBERAL;
	late = !after(p.sack,
		rcv->end - (snd->max_win > MAX_ACK_WINDOW ? snd->max_win : MAX_ACK_WINDOW) - 1);
	if (!before(p.seq, snd->max_end + 1))
		refused = overshoots_a_little(t, reply, &p, late) ? HF_TCP_IGNORED : HF_TCP_REFUSED;
	else if (!before(p.sack, rcv->end + 1)) /* of what was not seen */
		refused = HF_TCP_REFUSED;
	else if (rcv->max_win && !after(p.end, snd->end - rcv->max_win - 1))
		refused = HF_TCP_IGNORED; /* acknowledged long ago, sent again */
	else if (late)
		refused = HF_TCP_IGNORED;
	if (refused != HF_TCP_MOVED)
		return liberal ? HF_TCP_MOVED : refused;
	learn(t, s, reply, p);
	if (event == HF_TCP_EV_ACK)
		count_again(t, s, reply, &p);
	return HF_TCP_MOVED;
}

bool hf_tcp_begin(const struct hf_tcp_seg *seg, struct hf_tcp_track *ret)
{
	enum hf_tcp_state state = hf_tcp_next(HF_TCP_NONE, false, seg->flags);
	enum hf_tcp_event event = event_of(seg->flags);
	struct hf_tcp_end *e = &ret->ends[0];
	unsigned int scale;

	if (state >= HF_TCP_N_STATES)
		return false;
	*ret = (struct hf_tcp_track){.state = HF_TCP_NONE};
	e->end = e->max_end = seg_end(seg);
	e->max_win = at_least_1(seg->win);
	if (state == HF_TCP_SYN_SENT) {
		ret->flags[0] = read_offers(seg, &scale);
		set_scale(ret, false, scale);
	} else {
		e->max_end += e->max_win;
		ret->flags[0] = ret->flags[1] = END_SACKS | END_LIBERAL;
	}
	set_last(ret, LAST_NONE, false);
	(void)check_window(ret, seg, false, event); /* cannot refuse what it was made of */
	set_last(ret, event, false);
	ret->state = (uint8_t)state;
	return true;
}

void hf_tcp_loosen(struct hf_tcp_track *track)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		track->flags[i] =
			(uint8_t)((track->flags[i] & ~(END_ACKS | END_UNACKED)) | END_LIBERAL);
}

/* A segment that the table lets pass without a move: what it was is kept for the answer. */
static void annotate(
	struct hf_tcp_track *t, const struct hf_tcp_seg *s, bool reply, enum hf_tcp_event event)
{
	unsigned int scale;

	set_last(t, event, reply);
	t->last_seq = s->seq;
	t->last_end = seg_end(s);
	t->last_win = s->win;
	if (event == HF_TCP_EV_SYN && !reply) {
		uint8_t offers = read_offers(s, &scale);

		t->last_flags = (uint8_t)((t->last_flags & LAST_AGAIN) | offers);
		t->last = (uint8_t)((t->last & 0x0f) | scale << 4);
		if (t->state == HF_TCP_LAST_ACK)
			t->last_flags |= LAST_CHALLENGE;
	}
	if (t->state == HF_TCP_SYN_SENT && event == HF_TCP_EV_ACK && reply)
		t->last_ack = s->ack;
}

/* A SYN-ACK to a SYN that was let pass in a connection thought alive: both ends know better. */
static bool resyncs(
	struct hf_tcp_track *t, const struct hf_tcp_seg *s, bool reply, enum hf_tcp_event event)
{
	bool caller = last_reply(t);

	if (event != HF_TCP_EV_SYNACK || last_event(t) != HF_TCP_EV_SYN || caller == reply ||
		s->ack != t->last_end)
		return false;
	t->state = HF_TCP_SYN_SENT;
	t->ends[caller].end = t->ends[caller].max_end = t->last_end;
	t->ends[caller].max_win = at_least_1(t->last_win);
	t->last_flags = (uint8_t)(t->last_flags & ~LAST_CHALLENGE);
	t->flags[caller] = t->last_flags & (END_SCALES | END_SACKS);
	t->ends[reply] = (struct hf_tcp_end){0};
	t->flags[reply] &= END_LIBERAL;
	t->scales = 0;
	set_scale(t, caller, t->last >> 4);
	return true;
}

struct reset {
	bool refused;
	bool skip_window; /* it answers what was let pass unchecked */
	bool keep;	  /* in the window but not exact: a challenge will tell (RFC 5961 3.2) */
};

static bool is_closing(enum hf_tcp_state state)
{
	return state >= HF_TCP_FIN_WAIT && state <= HF_TCP_CLOSE;
}

static struct reset check_reset(const struct hf_tcp_track *t, const struct hf_tcp_seg *s,
	bool reply, bool replied, bool assured)
{
	bool open = t->state == HF_TCP_ESTABLISHED && assured; /* not only picked up */
	const struct hf_tcp_end *rcv = &t->ends[!reply];
	unsigned int last = last_event(t);
	struct reset r = {false};

	/* It is over anyway, and perhaps the ports are in use again. */
	if (is_closing((enum hf_tcp_state)t->state))
		return (struct reset){.skip_window = true};
	/* What is known may be old when a SYN was let pass. */
	if (t->flags[!reply] & END_ACKS && last != HF_TCP_EV_SYN) {
		if (s->seq == 0 && !open)
			return r; /* an answer to such a SYN */
		if (before(s->seq, rcv->max_ack))
			return (struct reset){.refused = true};
		if (!open || s->seq == rcv->max_ack)
			return r;
		/* Right behind data. */
		if (last == HF_TCP_EV_ACK && last_reply(t) == reply && s->seq == t->last_end)
			return r;
		r.keep = true;
	}
	if (((replied && last == HF_TCP_EV_SYN) || (!assured && last == HF_TCP_EV_ACK)) &&
		last_reply(t) != reply && s->ack == t->last_end)
		r.skip_window = true;
	if (t->state == HF_TCP_SYN_SENT && last == HF_TCP_EV_ACK && last_reply(t) &&
		s->seq == t->last_ack)
		r.skip_window = true;
	return r;
}

static enum hf_tcp_patience patience_of(const struct hf_tcp_track *t, enum hf_tcp_event event)
{
	if (t->last_flags >> LAST_AGAIN_SHIFT >= LAST_AGAIN_MAX)
		return HF_TCP_BY_RETRANS;
	if (event == HF_TCP_EV_RST)
		return HF_TCP_BY_RESET;
	if ((t->flags[0] | t->flags[1]) & END_UNACKED)
		return HF_TCP_BY_UNACKED;
	return t->last_win == 0 ? HF_TCP_BY_RETRANS : HF_TCP_BY_STATE;
}

/* Is the ACK of LAST_ACK an answer to the SYN before it and not to the FIN? */
static bool is_challenge(const struct hf_tcp_track *t, bool reply, enum hf_tcp_event event)
{
	return t->state == HF_TCP_LAST_ACK && event == HF_TCP_EV_ACK && last_reply(t) != reply &&
	       last_event(t) == HF_TCP_EV_SYN && t->last_flags & LAST_CHALLENGE;
}

enum hf_tcp_fate hf_tcp_follow(struct hf_tcp_track *track, const struct hf_tcp_seg *seg, bool reply,
	bool replied, bool assured, enum hf_tcp_patience *ret_patience)
{
	enum hf_tcp_state old = (enum hf_tcp_state)track->state;
	enum hf_tcp_state next = hf_tcp_next(old, reply, seg->flags);
	enum hf_tcp_event event = event_of(seg->flags);
	struct hf_tcp_track t = *track;
	struct reset reset = {false};
	enum hf_tcp_fate fate;

	if (next == HF_TCP_INVALID)
		return HF_TCP_REFUSED;
	if (next == HF_TCP_SYN_SENT && old >= HF_TCP_TIME_WAIT && old != HF_TCP_SYN_SENT2) {
		if ((t.flags[0] | t.flags[1]) & END_CLOSES ||
			(last_reply(&t) == reply && last_event(&t) == HF_TCP_EV_RST))
			return HF_TCP_REOPENS;
		next = HF_TCP_IGNORE;
	}
	if (next == HF_TCP_IGNORE && resyncs(&t, seg, reply, event)) {
		old = HF_TCP_SYN_SENT;
		next = HF_TCP_SYN_RECV;
	} else if (next == HF_TCP_IGNORE) {
		annotate(track, seg, reply, event);
		return HF_TCP_IGNORED;
	}
	if (next == HF_TCP_TIME_WAIT && is_challenge(&t, reply, event)) {
		track->last_flags = (uint8_t)(track->last_flags & ~LAST_CHALLENGE);
		return HF_TCP_IGNORED;
	}
	if (next == HF_TCP_SYN_SENT2)
		t.last_flags |= LAST_BOTH_CALL;
	if (next == HF_TCP_SYN_RECV && reply && event == HF_TCP_EV_ACK &&
		t.last_flags & LAST_BOTH_CALL)
		next = HF_TCP_ESTABLISHED;
	if (event == HF_TCP_EV_RST)
		reset = check_reset(&t, seg, reply, replied, assured);
	if (reset.refused)
		return HF_TCP_REFUSED;
	if (reset.keep)
		next = old;
	if (!reset.skip_window) {
		fate = check_window(&t, seg, reply, event);
		if (fate == HF_TCP_REFUSED)
			return fate;
		if (fate == HF_TCP_IGNORED) {
			*track = t;
			return fate;
		}
	}
	set_last(&t, event, reply);
	t.state = (uint8_t)next;
	if (old != next && next == HF_TCP_FIN_WAIT)
		t.flags[reply] |= END_CLOSES;
	*track = t;
	*ret_patience = patience_of(&t, event);
	return HF_TCP_MOVED;
}
