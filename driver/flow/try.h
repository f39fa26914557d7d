/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Try: whether a port that is in use would take a rule, without a trace of it afterwards.
 *
 * Threads: the control thread only, as for all operations on flows.
 */

#pragma once

#include <hepflow/nic.h>

#include <stdbool.h>
#include <stdint.h>

struct hf_err;

/*
 * 0: taken; else the driver's errno, negative, with its words in err. create: the rule is made and
 * removed again, so it must stand where no packet comes by; else it is only validated, which many
 * drivers do less strictly. *ret_left: it was made and cannot be removed.
 */
int hf_flow_try(
	uint16_t port, const struct hf_flow *flow, bool create, bool *ret_left, struct hf_err *err);
