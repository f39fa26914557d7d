/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The template API: rules made from templates by flow queues, for profiles with async.
 *
 * Who holds the port's lock may touch what is here. Several threads may use several flow queues.
 */

#pragma once

#include "flow.h"

#define HF_VNIC_FLOWQS_MAX     64
#define HF_VNIC_FLOWQ_SIZE_MAX 65536	/* operations; memory for them is taken at configure */
#define HF_VNIC_POOL_MAX       0x800000 /* counters and ages, as mlx5 (mlx5_hws_cnt.c) */
/* Of one table, as mlx5 has it (drivers/net/mlx5/mlx5_flow.h, MLX5_HW_TBL_MAX_*). */
#define HF_VNIC_PATTERNS_MAX  2
#define HF_VNIC_PATTERNS_ROOT 1
#define HF_VNIC_ACTIONS_MAX   32

/* Templates and tables are copies: what the application gave is its own again. */
struct rte_flow_pattern_template {
	struct rte_flow_pattern_template *next;
	uint32_t n_users; /* tables */
	struct rte_flow_pattern_template_attr attr;
	struct rte_flow_item *items;
};

struct rte_flow_actions_template {
	struct rte_flow_actions_template *next;
	uint32_t n_users;
	struct rte_flow_actions_template_attr attr;
	struct rte_flow_action *actions;
	struct rte_flow_action *masks;
};

struct rte_flow_template_table {
	struct rte_flow_template_table *next;
	struct rte_flow_template_table_attr attr;
	uint32_t n_rules;
	uint8_t n_patterns;
	uint8_t n_actions;
	struct rte_flow_pattern_template *patterns[HF_VNIC_PATTERNS_MAX];
	struct rte_flow_actions_template *actions[HF_VNIC_ACTIONS_MAX];
};

/* One operation of a flow queue. */
struct hf_vnic_flow_op {
	void *user_data;
	struct rte_flow *rule;		       /* until it is executed */
	struct rte_flow_action_handle *handle; /* to be destroyed, until then */
	bool destroys;
	bool failed;
	uint64_t ready; /* the pull that may see it */
};

/* A ring: pulled .. pushed-1 are executed, pushed .. end-1 wait for a push. Numbers only grow. */
struct hf_vnic_flowq {
	uint32_t size;
	uint64_t end;
	uint64_t pushed;
	uint64_t pulled;
	uint64_t n_pulls;
	uint64_t n_completions;
	struct hf_vnic_flow_op *ops;
};

struct hf_vnic_async {
	uint16_t n_queues; /* 0: not configured */
	struct hf_vnic_flowq queue[HF_VNIC_FLOWQS_MAX];
	bool strict;	     /* what ages is each queue's own business */
	uint32_t n_counters; /* reserved */
	uint32_t n_counted;  /* in use, by rules and shared actions */
	uint32_t n_ages;     /* reserved for AGE */
	uint32_t n_aging;    /* so too */
	struct rte_flow_pattern_template *patterns;
	struct rte_flow_actions_template *actions;
	struct rte_flow_template_table *tables;
};

/* template.c */
struct rte_flow_pattern_template *hf_vnic_pattern_template_create(struct rte_eth_dev *dev,
	const struct rte_flow_pattern_template_attr *attr, const struct rte_flow_item items[],
	struct rte_flow_error *error);
int hf_vnic_pattern_template_destroy(
	struct rte_eth_dev *dev, struct rte_flow_pattern_template *t, struct rte_flow_error *error);
struct rte_flow_actions_template *hf_vnic_actions_template_create(struct rte_eth_dev *dev,
	const struct rte_flow_actions_template_attr *attr, const struct rte_flow_action actions[],
	const struct rte_flow_action masks[], struct rte_flow_error *error);
int hf_vnic_actions_template_destroy(
	struct rte_eth_dev *dev, struct rte_flow_actions_template *t, struct rte_flow_error *error);
struct rte_flow_template_table *hf_vnic_template_table_create(struct rte_eth_dev *dev,
	const struct rte_flow_template_table_attr *attr,
	struct rte_flow_pattern_template *patterns[], uint8_t n_patterns,
	struct rte_flow_actions_template *actions[], uint8_t n_actions,
	struct rte_flow_error *error);
int hf_vnic_template_table_destroy(
	struct rte_eth_dev *dev, struct rte_flow_template_table *t, struct rte_flow_error *error);
/* Whether it is (still) one of the port's. */
bool hf_vnic_has_table(const struct hf_vnic_async *async, const struct rte_flow_template_table *t);
/* No rule may be left. */
void hf_vnic_templates_free(struct hf_vnic_async *async);
/*
 * A rule of a table: masks are the template's, values those given, and actions the template's where
 * its masks fix them. items and actions must have room for HF_FLOW_ITEMS_MAX + 1 and
 * HF_FLOW_ACTIONS_MAX + 1. NULL for given: all values are zero. 0, or -EINVAL and *error.
 */
int hf_vnic_template_items(const struct rte_flow_pattern_template *t,
	const struct rte_flow_item given[], struct rte_flow_item *ret,
	struct rte_flow_error *error);
int hf_vnic_template_actions(const struct rte_flow_actions_template *t,
	const struct rte_flow_action given[], struct rte_flow_action *ret,
	struct rte_flow_error *error);
/* Whether its indirect actions are what the template says. */
bool hf_vnic_template_fits(const struct rte_flow_actions_template *t, const struct hf_flow *flow);

/* async.c: what rte_flow calls. */
int hf_vnic_info_get(struct rte_eth_dev *dev, struct rte_flow_port_info *port,
	struct rte_flow_queue_info *queue, struct rte_flow_error *error);
int hf_vnic_configure(struct rte_eth_dev *dev, const struct rte_flow_port_attr *port, uint16_t n,
	const struct rte_flow_queue_attr *attr[], struct rte_flow_error *error);
struct rte_flow *hf_vnic_async_create(struct rte_eth_dev *dev, uint32_t q,
	const struct rte_flow_op_attr *attr, struct rte_flow_template_table *table,
	const struct rte_flow_item items[], uint8_t pattern, const struct rte_flow_action actions[],
	uint8_t action, void *user_data, struct rte_flow_error *error);
int hf_vnic_async_destroy(struct rte_eth_dev *dev, uint32_t q, const struct rte_flow_op_attr *attr,
	struct rte_flow *rule, void *user_data, struct rte_flow_error *error);
int hf_vnic_push(struct rte_eth_dev *dev, uint32_t q, struct rte_flow_error *error);
int hf_vnic_pull(struct rte_eth_dev *dev, uint32_t q, struct rte_flow_op_result res[],
	uint16_t n_res, struct rte_flow_error *error);

/*
 * The queue, with room for one more operation, or NULL and *error, with this text when it is full.
 * Then the operation goes in and, unless it is postponed, is executed with all before it. Lock
 * held.
 */
struct hf_vnic_flowq *hf_vnic_flowq_of(
	struct rte_eth_dev *dev, uint32_t q, const char *full, struct rte_flow_error *error);
void hf_vnic_flowq_add(struct hf_vnic *vnic, struct hf_vnic_flowq *queue,
	const struct rte_flow_op_attr *attr, const struct hf_vnic_flow_op *op);

/* async_handle.c: indirect actions by flow queues. */
struct rte_flow_action_handle *hf_vnic_async_handle_create(struct rte_eth_dev *dev, uint32_t q,
	const struct rte_flow_op_attr *attr, const struct rte_flow_indir_action_conf *conf,
	const struct rte_flow_action *action, void *user_data, struct rte_flow_error *error);
int hf_vnic_async_handle_destroy(struct rte_eth_dev *dev, uint32_t q,
	const struct rte_flow_op_attr *attr, struct rte_flow_action_handle *handle, void *user_data,
	struct rte_flow_error *error);
int hf_vnic_async_handle_update(struct rte_eth_dev *dev, uint32_t q,
	const struct rte_flow_op_attr *attr, struct rte_flow_action_handle *handle,
	const void *update, void *user_data, struct rte_flow_error *error);
int hf_vnic_async_handle_query(struct rte_eth_dev *dev, uint32_t q,
	const struct rte_flow_op_attr *attr, const struct rte_flow_action_handle *handle,
	void *data, void *user_data, struct rte_flow_error *error);

/* Also async.c, for ports with and without; all with the lock held but fini. */
/* All rules are about to go at once: what waits is executed first. */
void hf_vnic_async_settle(struct hf_vnic *vnic);
/* All rules are gone. */
void hf_vnic_async_forget(struct hf_vnic *vnic);
/* After hf_vnic_flush(): it waits for a new configuration. */
void hf_vnic_async_reset(struct hf_vnic *vnic);
void hf_vnic_async_fini(struct hf_vnic *vnic);
