/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Felix: what Calico's agent tells an external dataplane driver; docs/felix.md.
 *
 * The stream is a sequence of protobuf messages (ToDataplane): updates carry an object's full
 * state, removals its name, and only the members of address sets come as differences. This object
 * holds what the stream has said so far. Selectors, named ports and the order of policies are
 * resolved by Felix already; hf_felix_read() hands all of it over as policy objects, from which the
 * model is built as from files.
 *
 * Both wire forms of TierInfo and PolicyID are understood (names up to Calico v3.31, messages from
 * v3.32 on), and so is the absence of fields that are newer than v3.25. Unknown messages and fields
 * are skipped. Sources of numbers and meanings: docs/semantics.md 16, Calico's
 * felix/proto/felixbackend.proto.
 *
 * Byte order: a frame is an 8-byte little-endian length and that many bytes of one message.
 *
 * Threads: one at a time.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_err;
struct hf_felix;
struct hf_policy;

#define HF_FELIX_HEAD_SIZE   8
#define HF_FELIX_MESSAGE_MAX (64u << 20) /* bytes: a set of two million addresses */
#define HF_FELIX_OBJECTS_MAX 200000u	 /* as HF_POLICY_OBJECTS_MAX */

enum hf_felix_event {
	HF_FELIX_NOTHING, /* not of our concern, or of something never announced */
	HF_FELIX_CHANGED,
	HF_FELIX_IN_SYNC, /* from now on the state is whole; never program a NIC before */
};

int hf_felix_new(struct hf_felix **ret, struct hf_err *err);
void hf_felix_free(struct hf_felix *felix);

/*
 * Takes one message. Errors: -EINVAL for what is no message or contradicts itself, -E2BIG beyond a
 * limit, -ENOMEM. The state is as it was then; what comes after cannot be trusted to fit, so close
 * the connection and begin anew.
 */
int hf_felix_take(struct hf_felix *felix, const void *message, size_t size,
	enum hf_felix_event *ret, struct hf_err *err);
bool hf_felix_in_sync(const struct hf_felix *felix);

/*
 * Adds the objects to policy, those of this host for the node of that name. The state stays as it
 * is, and policy does not point into it. Errors: -EINVAL for an object that cannot be right
 * ("felix: policy NAME: ..."), -ENOMEM; policy is as it was then.
 */
int hf_felix_read(const struct hf_felix *felix, const char *node, struct hf_policy *policy,
	struct hf_err *err);

/*
 * Hands the state to put as frames, in an order in which another hf_felix can take them; InSync
 * comes last if it has come. put gets each frame once, head included, lent for the call; what it
 * returns below 0 ends the printing and is returned. -ENOMEM.
 */
typedef int (*hf_felix_put_fn)(void *arg, const uint8_t *frame, size_t size);
int hf_felix_print(const struct hf_felix *felix, hf_felix_put_fn put, void *arg);

/*
 * Length of the frame, head included, that a stream of which n bytes are known begins with; 0 if
 * more are needed to tell; -E2BIG when it is too long to be one.
 */
long hf_felix_frame_size(const uint8_t *buf, size_t n);

/* What the driver tells Felix; docs/semantics.md 16.5. */
enum hf_felix_status {
	HF_FELIX_STATUS_ERROR,
	HF_FELIX_STATUS_DOWN,
	HF_FELIX_STATUS_UP,
	HF_FELIX_STATUS_REMOVE, /* the endpoint is no more */
};

/*
 * One frame, head included, that reports a host endpoint (by its resource name) or, every ten
 * seconds, that the driver is alive. *ret is of malloc(). -ENOMEM.
 */
int hf_felix_print_status(
	const char *endpoint, enum hf_felix_status status, uint8_t **ret, size_t *ret_size);
int hf_felix_print_alive(double uptime_s, uint8_t **ret, size_t *ret_size);
