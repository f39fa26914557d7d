/* SPDX-License-Identifier: BSD-3-Clause */

#include "sctp.h"

/* struct hf_sctp_track.flags */
enum {
	INIT_SEEN = 0x01,	 /* of the caller; << 1: of the other end */
	HEARTBEAT_ASTRAY = 0x04, /* one with a tag that is not the known one */
	ASTRAY_REPLY = 0x08,	 /* and it was the other end's */
};

/* Types in the order of the table below. */
enum {
	ROW_INIT,
	ROW_INIT_ACK,
	ROW_ABORT,
	ROW_SHUTDOWN,
	ROW_SHUTDOWN_ACK,
	ROW_ERROR,
	ROW_ECHO,
	ROW_COOKIE_ACK,
	ROW_COMPLETE,
	ROW_HEARTBEAT,
	ROW_HEARTBEAT_ACK,
	N_ROWS
};

static const int8_t rows[] = {
	[HF_SCTP_DATA] = -1,
	[HF_SCTP_INIT] = ROW_INIT,
	[HF_SCTP_INIT_ACK] = ROW_INIT_ACK,
	[3] = -1, /* SACK */
	[HF_SCTP_HEARTBEAT] = ROW_HEARTBEAT,
	[HF_SCTP_HEARTBEAT_ACK] = ROW_HEARTBEAT_ACK,
	[HF_SCTP_ABORT] = ROW_ABORT,
	[HF_SCTP_SHUTDOWN] = ROW_SHUTDOWN,
	[HF_SCTP_SHUTDOWN_ACK] = ROW_SHUTDOWN_ACK,
	[HF_SCTP_ERROR] = ROW_ERROR,
	[HF_SCTP_COOKIE_ECHO] = ROW_ECHO,
	[HF_SCTP_COOKIE_ACK] = ROW_COOKIE_ACK,
	[12] = -1,
	[13] = -1,
	[HF_SCTP_SHUTDOWN_COMPLETE] = ROW_COMPLETE,
};

static int row_of(uint8_t type)
{
	return type < sizeof(rows) ? rows[type] : -1;
}

#define NO HF_SCTP_NONE
#define CL HF_SCTP_CLOSED
#define CW HF_SCTP_COOKIE_WAIT
#define CE HF_SCTP_COOKIE_ECHOED
#define ES HF_SCTP_ESTABLISHED
#define SS HF_SCTP_SHUTDOWN_SENT
#define SR HF_SCTP_SHUTDOWN_RECD
#define SA HF_SCTP_SHUTDOWN_ACK_SENT
#define HS HF_SCTP_HEARTBEAT_SENT
#define IV HF_SCTP_INVALID

static const uint8_t moves[2][N_ROWS][HF_SCTP_N_STATES] = {
	{
		/* By the end that called, from:  NO  CL  CW  CE  ES  SS  SR  SA  HS */
		[ROW_INIT] = {CL, CL, CW, CE, ES, CL, CL, SA, CW},
		[ROW_INIT_ACK] = {CL, CL, CW, CE, ES, SS, SR, SA, CL},
		[ROW_ABORT] = {CL, CL, CL, CL, CL, CL, CL, CL, CL},
		[ROW_SHUTDOWN] = {CL, CL, CW, CE, SS, SS, SR, SA, CL},
		[ROW_SHUTDOWN_ACK] = {SA, CL, CW, CE, ES, SA, SA, SA, SA},
		[ROW_ERROR] = {CL, CL, CW, CE, ES, SS, SR, SA, CL},
		[ROW_ECHO] = {CL, CL, CE, CE, ES, SS, SR, SA, CL},
		[ROW_COOKIE_ACK] = {CL, CL, CW, ES, ES, SS, SR, SA, CL},
		[ROW_COMPLETE] = {CL, CL, CW, CE, ES, SS, SR, CL, CL},
		[ROW_HEARTBEAT] = {HS, CL, CW, CE, ES, SS, SR, SA, HS},
		[ROW_HEARTBEAT_ACK] = {CL, CL, CW, CE, ES, SS, SR, SA, HS},
	},
	{
		/* By the other end, from:        NO  CL  CW  CE  ES  SS  SR  SA  HS */
		[ROW_INIT] = {IV, CL, CW, CE, ES, SS, SR, SA, IV},
		[ROW_INIT_ACK] = {IV, CW, CW, CE, ES, SS, SR, SA, IV},
		[ROW_ABORT] = {IV, CL, CL, CL, CL, CL, CL, CL, IV},
		[ROW_SHUTDOWN] = {IV, CL, CW, CE, SR, SS, SR, SA, IV},
		[ROW_SHUTDOWN_ACK] = {IV, CL, CW, CE, ES, SA, SA, SA, IV},
		[ROW_ERROR] = {IV, CL, CW, CL, ES, SS, SR, SA, IV},
		[ROW_ECHO] = {IV, CL, CE, CE, ES, SS, SR, SA, IV},
		[ROW_COOKIE_ACK] = {IV, CL, CW, ES, ES, SS, SR, SA, IV},
		[ROW_COMPLETE] = {IV, CL, CW, CE, ES, SS, SR, CL, IV},
		[ROW_HEARTBEAT] = {IV, CL, CW, CE, ES, SS, SR, SA, HS},
		[ROW_HEARTBEAT_ACK] = {IV, CL, CW, CE, ES, SS, SR, SA, ES},
	},
};

enum hf_sctp_state hf_sctp_next(enum hf_sctp_state state, bool reply, uint8_t type)
{
	int row = row_of(type);

	return row < 0 ? state : (enum hf_sctp_state)moves[reply][row][state];
}

const char *hf_sctp_state_name(enum hf_sctp_state state)
{
	static const char *const names[HF_SCTP_N_STATES] = {
		[HF_SCTP_NONE] = "NONE",
		[HF_SCTP_CLOSED] = "CLOSED",
		[HF_SCTP_COOKIE_WAIT] = "COOKIE_WAIT",
		[HF_SCTP_COOKIE_ECHOED] = "COOKIE_ECHOED",
		[HF_SCTP_ESTABLISHED] = "ESTABLISHED",
		[HF_SCTP_SHUTDOWN_SENT] = "SHUTDOWN_SENT",
		[HF_SCTP_SHUTDOWN_RECD] = "SHUTDOWN_RECD",
		[HF_SCTP_SHUTDOWN_ACK_SENT] = "SHUTDOWN_ACK_SENT",
		[HF_SCTP_HEARTBEAT_SENT] = "HEARTBEAT_SENT",
	};

	return state < HF_SCTP_N_STATES ? names[state] : "";
}

/* Chunks that stand alone in a packet (RFC 9260 6.10), and such as stand first. */
static bool stands_alone(uint8_t type)
{
	return type == HF_SCTP_INIT || type == HF_SCTP_INIT_ACK ||
	       type == HF_SCTP_SHUTDOWN_COMPLETE;
}

static bool stands_first(uint8_t type)
{
	return stands_alone(type) || type == HF_SCTP_COOKIE_ECHO || type == HF_SCTP_COOKIE_ACK;
}

bool hf_sctp_add_chunk(struct hf_sctp_packet *pkt, const uint8_t head[static 4], unsigned int at,
	const uint8_t *tag)
{
	struct hf_sctp_chunk *c = &pkt->v[pkt->n];

	if ((head[2] | head[3]) == 0 || (at > 0 && stands_first(head[0])) ||
		(pkt->n > 0 && stands_alone(pkt->v[0].type)))
		return false;
	if (row_of(head[0]) < 0) {
		pkt->data = true;
		pkt->user_data = pkt->user_data || head[0] == HF_SCTP_DATA;
		return true;
	}
	if (pkt->n == HF_SCTP_CHUNKS_MAX)
		return false;
	*c = (struct hf_sctp_chunk){.type = head[0], .reflected = head[1] & 1, .whole = tag};
	if (tag)
		c->init_tag = (uint32_t)tag[0] << 24 | (uint32_t)tag[1] << 16 |
			      (uint32_t)tag[2] << 8 | tag[3];
	pkt->n++;
	return true;
}

static bool has(const struct hf_sctp_packet *pkt, uint8_t type)
{
	uint16_t i;

	for (i = 0; i < pkt->n; i++) {
		if (pkt->v[i].type == type)
			return true;
	}
	return false;
}

/* Has it a chunk whose tag is looked at by rules of its own? */
static bool has_own_rule(const struct hf_sctp_packet *pkt)
{
	static const uint8_t types[] = {HF_SCTP_INIT, HF_SCTP_SHUTDOWN_COMPLETE,
		HF_SCTP_COOKIE_ECHO, HF_SCTP_ABORT, HF_SCTP_SHUTDOWN_ACK, HF_SCTP_HEARTBEAT,
		HF_SCTP_HEARTBEAT_ACK};
	unsigned int i;

	for (i = 0; i < sizeof(types); i++) {
		if (has(pkt, types[i]))
			return true;
	}
	return false;
}

/* What is known of the tags before the first chunk moves anything (RFC 9260 8.4). */
static bool open_track(const struct hf_sctp_packet *pkt, struct hf_sctp_track *t)
{
	uint16_t i;

	*t = (struct hf_sctp_track){0};
	if (pkt->data || pkt->n == 0 || has(pkt, HF_SCTP_ABORT) ||
		has(pkt, HF_SCTP_SHUTDOWN_COMPLETE) || has(pkt, HF_SCTP_COOKIE_ACK))
		return false;
	for (i = 0; i < pkt->n; i++) {
		const struct hf_sctp_chunk *c = &pkt->v[i];

		if (c->type == HF_SCTP_INIT) {
			if (pkt->vtag || !c->whole)
				return false;
			t->vtags[1] = c->init_tag;
		} else if (c->type == HF_SCTP_HEARTBEAT) {
			t->vtags[0] = pkt->vtag;
		} else if (c->type == HF_SCTP_SHUTDOWN_ACK) {
			t->vtags[1] = pkt->vtag; /* of the SHUTDOWN COMPLETE that answers */
		}
	}
	return true;
}

/* What a heartbeat with its tag does. False: refused. *ret_skip: nothing moves. */
static bool follow_heartbeat(struct hf_sctp_track *t, const struct hf_sctp_packet *pkt,
	uint8_t type, bool reply, bool *ret_skip)
{
	uint8_t astray = (uint8_t)(HEARTBEAT_ASTRAY | (reply ? ASTRAY_REPLY : 0));

	if (t->vtags[reply] == 0) {
		t->vtags[reply] = pkt->vtag;
		return true;
	}
	if (pkt->vtag == t->vtags[reply]) {
		t->flags &= (uint8_t)~HEARTBEAT_ASTRAY;
		return true;
	}
	if (pkt->user_data || *ret_skip)
		return false;
	if (type == HF_SCTP_HEARTBEAT) {
		t->flags = (uint8_t)((t->flags & ~ASTRAY_REPLY) | astray);
		*ret_skip = true;
		return true;
	}
	/* The answer to one from the other side makes both tags good: an end has restarted. */
	if (!(t->flags & HEARTBEAT_ASTRAY) || !!(t->flags & ASTRAY_REPLY) == reply)
		return false;
	t->flags &= (uint8_t)~HEARTBEAT_ASTRAY;
	t->vtags[reply] = pkt->vtag;
	t->vtags[!reply] = 0;
	return true;
}

/* RFC 9260 8.5.1: chunks whose tag is not simply that of the receiver. */
static bool tag_fits(const struct hf_sctp_track *t, const struct hf_sctp_packet *pkt,
	const struct hf_sctp_chunk *c, bool reply)
{
	switch (c->type) {
	case HF_SCTP_INIT:
		return pkt->vtag == 0;
	case HF_SCTP_ABORT:
	case HF_SCTP_SHUTDOWN_COMPLETE:
		return pkt->vtag == t->vtags[c->reflected ? !reply : reply];
	case HF_SCTP_COOKIE_ECHO:
		return pkt->vtag == t->vtags[reply];
	default:
		return true;
	}
}

/* INIT and INIT ACK say what the other end's packets will carry. */
static bool note_tag(struct hf_sctp_track *t, const struct hf_sctp_chunk *c, bool reply)
{
	uint8_t mine = (uint8_t)(INIT_SEEN << reply), other = (uint8_t)(INIT_SEEN << !reply);
	uint32_t known = t->vtags[!reply];

	if (!c->whole)
		return false;
	if (c->type == HF_SCTP_INIT && t->state != HF_SCTP_NONE && known == c->init_tag) {
		/* Sent again, or late: it begins nothing. */
	} else if (c->type == HF_SCTP_INIT) {
		if (t->flags & mine && t->flags & other)
			t->flags &= (uint8_t)~other;
		t->flags |= mine;
	} else {
		if (!(t->flags & other) && known && known != c->init_tag)
			return false;
		if (t->flags & mine && t->flags & other && known != c->init_tag)
			return false;
	}
	t->vtags[!reply] = c->init_tag;
	return true;
}

static bool follow_chunk(struct hf_sctp_track *t, const struct hf_sctp_packet *pkt,
	const struct hf_sctp_chunk *c, bool reply, bool *skip)
{
	bool beat = c->type == HF_SCTP_HEARTBEAT || c->type == HF_SCTP_HEARTBEAT_ACK;
	bool skipped = *skip;
	enum hf_sctp_state next;

	if (!tag_fits(t, pkt, c, reply))
		return false;
	if (c->type == HF_SCTP_COOKIE_ACK)
		t->flags &= (uint8_t) ~(INIT_SEEN | INIT_SEEN << 1);
	if (beat && !follow_heartbeat(t, pkt, c->type, reply, skip))
		return false;
	if (*skip && !skipped)
		return true;
	next = hf_sctp_next((enum hf_sctp_state)t->state, reply, c->type);
	if (next == HF_SCTP_INVALID)
		return false;
	if ((c->type == HF_SCTP_INIT || c->type == HF_SCTP_INIT_ACK) && !note_tag(t, c, reply))
		return false;
	/* Who only calls again does not live longer by that. */
	if (c->type == HF_SCTP_INIT && next == HF_SCTP_CLOSED && t->state == HF_SCTP_CLOSED)
		*skip = true;
	t->state = (uint8_t)next;
	t->established = t->established || next == HF_SCTP_ESTABLISHED;
	return true;
}

bool hf_sctp_follow(struct hf_sctp_track *track, const struct hf_sctp_packet *pkt, bool reply,
	bool *ret_prolong)
{
	struct hf_sctp_track t = *track;
	bool skip = false;
	uint16_t i;

	if ((pkt->n == 0 && !pkt->data) || (!has_own_rule(pkt) && pkt->vtag != t.vtags[reply]))
		return false;
	for (i = 0; i < pkt->n; i++) {
		if (!follow_chunk(&t, pkt, &pkt->v[i], reply, &skip))
			return false;
	}
	*ret_prolong = !skip;
	*track = t;
	return true;
}

bool hf_sctp_begin(const struct hf_sctp_packet *pkt, struct hf_sctp_track *ret)
{
	struct hf_sctp_track t;
	bool prolong;

	if (!open_track(pkt, &t) || !hf_sctp_follow(&t, pkt, false, &prolong))
		return false;
	*ret = t;
	return true;
}
