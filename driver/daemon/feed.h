/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Feed: what Felix says, over a unix socket that hepflow-felix connects to (docs/felix.md).
 *
 * Every connection begins with everything Felix has said so far and goes on with changes. Until a
 * connection is in sync, and after it has ended, the state of the one before stays what counts: a
 * cut in the middle of a message, of a resync or for an hour changes nothing. The same state again
 * is no change of policy, so an apply of it costs the NIC nothing.
 *
 * Changes come in bursts; the owner is told once things have settled for a moment, and at the
 * latest after HF_FEED_LATE_MS.
 *
 * Threads: the thread of the event base.
 */

#pragma once

#include <hepflow/felix.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct hf_err;
struct hf_feed;

#define HF_FEED_SETTLE_MS 5   /* messages of one change of Felix are written at once */
#define HF_FEED_LATE_MS	  100 /* under a stream that does not settle */

/* changed(arg): hf_feed_state() is not what it was. path is where the socket goes, mode 0600. */
int hf_feed_open(struct event_base *base, const char *path, void (*changed)(void *arg), void *arg,
	struct hf_feed **ret, struct hf_err *err);
void hf_feed_close(struct hf_feed *feed);

/* The newest whole state, or NULL: nobody has been in sync yet. Lent until changed() is called. */
const struct hf_felix *hf_feed_state(const struct hf_feed *feed);
/* A state to begin with, as saved by an earlier process. */
void hf_feed_adopt(struct hf_feed *feed, struct hf_felix *take_state);

struct hf_feed_status {
	bool connected;
	bool in_sync;	   /* of this connection */
	bool adopted;	   /* the state is one of an earlier process */
	uint64_t messages; /* of all connections */
	uint64_t connections;
	const char *error; /* why the last connection was ended by us; "" */
};
struct hf_feed_status hf_feed_status(const struct hf_feed *feed);

/* Reports the state of a host endpoint to Felix; nothing happens when nobody is connected. */
void hf_feed_report(struct hf_feed *feed, const char *endpoint, enum hf_felix_status status);
