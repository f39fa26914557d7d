/* SPDX-License-Identifier: BSD-3-Clause */

#include "tcp.h"

#include <hepflow/net.h>

/* The flags that make a segment what it is, the strongest first. */
enum event {
	EV_SYN,
	EV_SYNACK,
	EV_FIN,
	EV_ACK,
	EV_RST,
	N_EVENTS,
};

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
static const uint8_t moves[2][N_EVENTS][HF_TCP_N_STATES] = {
	{ /* from the end that called */
		/*               NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
		[EV_SYN] =    { SS, SS, ig, ig, ig, ig, ig, SS, SS, S2 },
		[EV_SYNACK] = { iv, iv, SR, iv, iv, iv, iv, iv, iv, SR },
		[EV_FIN] =    { iv, iv, FW, FW, LA, LA, LA, TW, CL, iv },
		[EV_ACK] =    { ES, iv, ES, ES, CW, CW, TW, TW, CL, iv },
		[EV_RST] =    { iv, CL, CL, CL, CL, CL, CL, CL, CL, CL },
	},
	{ /* from the end that was called */
		/*               NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
		[EV_SYN] =    { iv, S2, iv, iv, iv, iv, iv, SS, iv, S2 },
		[EV_SYNACK] = { iv, SR, ig, ig, ig, ig, ig, ig, ig, SR },
		[EV_FIN] =    { iv, iv, FW, FW, LA, LA, LA, TW, CL, iv },
		[EV_ACK] =    { iv, ig, SR, ES, CW, CW, TW, TW, CL, ig },
		[EV_RST] =    { iv, CL, CL, CL, CL, CL, CL, CL, CL, CL },
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

static enum event event_of(uint8_t flags)
{
	if (flags & HF_TCP_RST)
		return EV_RST;
	if (flags & HF_TCP_SYN)
		return flags & HF_TCP_ACK ? EV_SYNACK : EV_SYN;
	return flags & HF_TCP_FIN ? EV_FIN : EV_ACK;
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
