/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The inside of building a classifier, shared by classify_*.c.
 */

#pragma once

#include "classify.h"

struct hf_build {
	uint32_t lanes_from;
	struct hf_classifier *c;
	const struct hf_match **match; /* by bit; NULL: a LOG rule, which never decides */
	struct hf_pen pen;
};

/* Puts the pen where all rules hold but LOG ones, for fields that ask only some. */
void hf_build_all_hold(struct hf_build *b);
/* Tables of one field, if some rule asks for it. 0 or -ENOMEM. */
int hf_build_addrs(struct hf_build *b, enum hf_dim dim);
int hf_build_ports(struct hf_build *b, enum hf_dim dim);
/* From then on the tables lead to classes, and these to rows. 0 or -ENOMEM. */
int hf_build_classes(struct hf_build *b);
