/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Shape: the template tables that rules of one shape go to; for async.c.
 *
 * Threads: the control thread only.
 */

#pragma once

#include <hepflow/rteflow.h>

#include <stdint.h>

struct hf_err;
struct hf_shape;

struct hf_shape_table {
	struct hf_shape_table *next;
	struct hf_shape *shape;
	struct rte_flow_template_table *table;
	uint32_t size;	  /* rules */
	uint32_t n_rules; /* the caller's */
};

/* Of one port. All zero: none. */
struct hf_shapes {
	uint16_t port;
	unsigned int n_empty; /* tables */
	struct hf_shape *all;
};

/*
 * A table with room for one more rule, which is counted as its own already; built is what
 * hf_rte_flow_build() made of flow. Errors as in ops.h.
 */
int hf_shape_take(struct hf_shapes *shapes, const struct hf_flow *flow,
	const struct hf_rte_flow *built, struct hf_shape_table **ret, struct hf_err *err);
/* The rule is gone. */
void hf_shape_give(struct hf_shapes *shapes, struct hf_shape_table *table);
/* Removes the tables without rules, and templates without tables. */
void hf_shape_trim(struct hf_shapes *shapes);
/* All have gone with the port's configuration. */
void hf_shape_forget(struct hf_shapes *shapes);

/* "ERRNO: type N: MESSAGE", in the driver's own words: they are all the operator has to search for.
 */
int hf_flow_refuse(const struct rte_flow_error *error, int code, struct hf_err *err);
