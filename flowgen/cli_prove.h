/* SPDX-License-Identifier: BSD-3-Clause */

/* The states of a NIC between two plans; docs/diff.md, "--prove". */

#pragma once

#include <hepflow/check.h>

struct hf_diff;
struct hf_err;

struct cli_prove {
	const struct hf_model *before, *after;
	const struct hf_plan *old, *new; /* NULL: no entries */
	const struct hf_diff *diff;
	const struct hf_nic *nic;
	const char *iface;
};

/* Errors as hf_check_steps(). */
int cli_prove_steps(const struct cli_prove *p, struct hf_check_steps *ret, struct hf_err *err);
