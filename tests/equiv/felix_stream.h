/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A Felix of our own: says over the wire what a model holds, as the real one would after resolving
 * the same objects. For comparing the two ways into the model.
 */

#pragma once

#include "model/model.h"
#include "policy/objects.h"

#include <hepflow/base/vec.h>

#include <hf_test_rand.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_felix_msg {
	uint8_t *data; /* of malloc */
	size_t size;
};

struct hf_felix_stream {
	HF_VEC(struct hf_felix_msg) msgs;
};

/* Leaves out what the wire has no words for: ICMP conditions without a type, and (address,
 * protocol, port) of a source. */
void hf_felix_stream_fit(const struct hf_model *model);

/*
 * Everything up to and with InSync. by_id: policies by PolicyID, as from Calico v3.32 on, else by
 * name. Aborts when there is no memory.
 */
void hf_felix_stream_init(struct hf_felix_stream *stream, const struct hf_objects *objs,
	const struct hf_model *model, bool by_id, struct hf_rand *rand);
void hf_felix_stream_fini(struct hf_felix_stream *stream);
