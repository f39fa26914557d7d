/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Faults: what a card does on a bad day, asked for by the port's arguments (docs/vnic.md).
 *
 * Operations are counted from 1, for each port, since it was made. Safe to call from several
 * threads where nothing else is said.
 */

#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_eth_dev;

#define HF_VNIC_FAILS_MAX    16		 /* of one port: a test has a handful */
#define HF_VNIC_DELAY_MAX_US 10000000u	 /* 10 s: longer looks like a hang */
#define HF_VNIC_NTH_MAX	     1000000000u /* operations counted by 32 bits */

enum hf_vnic_op {
	HF_VNIC_OP_CREATE,
	HF_VNIC_OP_DESTROY,
	HF_VNIC_OP_QUERY,
	HF_VNIC_OP_FLUSH,
	HF_VNIC_OP_START,
	HF_VNIC_OPS,
};

struct hf_vnic_fail {
	enum hf_vnic_op op;
	uint32_t nth;
	int err; /* positive */
};

/* As asked; 0: not asked for. */
struct hf_vnic_faults {
	size_t n_fails;
	struct hf_vnic_fail fails[HF_VNIC_FAILS_MAX];
	uint32_t delay_us[HF_VNIC_OPS];
	uint32_t lose;	    /* every so many rules that are taken */
	uint32_t capacity;  /* rules that each engine holds at most */
	uint32_t remove;    /* the device is gone after so many operations */
	uint32_t reset;	    /* likewise: it has reset itself, and waits for rte_eth_dev_reset() */
	uint32_t pull_late; /* a completion is there so many pulls later */
	uint32_t pull_lost; /* every so many completions */
	bool link_down;
};

/* What has happened so far. */
struct hf_vnic_fault_state {
	atomic_uint calls[HF_VNIC_OPS];
	atomic_uint n_ops;
	uint32_t n_taken;
	atomic_bool removed;
	atomic_bool reset; /* until rte_eth_dev_reset() */
	atomic_bool cut;   /* nothing comes or goes: one of these, or no link */
};

/* Comes first in an operation: waits, then 0 or the negative errno to fail with. */
int hf_vnic_fault(struct rte_eth_dev *dev, enum hf_vnic_op op);
/* Whether the next rule gets lost; and that it has been taken. One thread at a time. */
bool hf_vnic_fault_loses(struct rte_eth_dev *dev);
void hf_vnic_fault_taken(struct rte_eth_dev *dev);
/* What it went down for is over. */
void hf_vnic_fault_reset(struct rte_eth_dev *dev);
/* Nothing happens behind the port's back after this. */
void hf_vnic_fault_fini(struct rte_eth_dev *dev);
