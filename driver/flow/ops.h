/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the programmer of a NIC asks of it, in our own terms: the one seam between the order of
 * operations (sync.c) and rte_flow (ops.c). Tests put a table of their own behind it.
 *
 * Threads: the control thread only; rte_flow wants the operations of a port one at a time.
 */

#pragma once

#include <hepflow/nic.h>
#include <hepflow/plan.h>

#include <stddef.h>
#include <stdint.h>

struct hf_err;

/*
 * Numbers of an e-switch's ports: as plans have them, which must not change when a device comes
 * back under another number, and as ethdev counts them now.
 */
struct hf_flow_ports {
	struct hf_eswitch plan; /* on: there is one */
	uint16_t wire;
	uint16_t host;
};
/* The flow as the driver is to be asked for it. */
void hf_flow_ports_put(
	const struct hf_flow_ports *ports, const struct hf_flow *flow, struct hf_flow *ret);

struct hf_flow_hits {
	uint64_t packets;
	uint64_t bytes;
};

struct hf_flow_ops {
	/*
	 * Errors: a negative errno, and err says "ERRNO: type N: MESSAGE". *ret is left alone then,
	 * unless nobody knows whether the NIC has the rule: a handle that is to be destroyed.
	 */
	int (*create)(void *arg, const struct hf_flow *flow, void **ret, struct hf_err *err);
	/*
	 * Optional: the same for many, in any order. ret has room for n NULLs; those that are not
	 * NULL afterwards are, or may be, in the NIC, whatever is returned. Ends with a failure, of
	 * number *ret_bad.
	 */
	int (*create_many)(void *arg, const struct hf_flow *const flows[], size_t n, void *ret[],
		size_t *ret_bad, struct hf_err *err);
	int (*destroy)(void *arg, void *handle, struct hf_err *err);
	/* Optional: the same for many, in any order; ret_rc has room for n. err: of the first. */
	void (*destroy_many)(
		void *arg, void *const handles[], size_t n, int ret_rc[], struct hf_err *err);
	/* All flows of the port at once. */
	int (*flush)(void *arg, struct hf_err *err);
	/* Counts since the flow was made; only for flows with HF_ACT_COUNT. */
	int (*query)(void *arg, void *handle, struct hf_flow_hits *ret);
	/* Whether the card itself has the rule: 1, 0, or a negative errno when it cannot tell. */
	int (*present)(void *arg, void *handle);
};

/* rte_flow; arg points to the port id (uint16_t). */
extern const struct hf_flow_ops hf_flow_ops_rte;
