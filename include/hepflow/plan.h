/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Plan: the rules of one uplink split between one NIC and software.
 *
 * Principle (docs/architecture.md, "What hardware may decide"): for packets that the NIC can tell
 * apart, hardware allows or denies only when the verdict is the same whatever it cannot see
 * (connection state, backend of a service, ports of a later fragment, fields it does not match).
 * Everything else is punted: software sees all of it and judges by the full rules. So a plan never
 * changes a verdict; at worst it is slow.
 *
 * A plan has tables (rte_flow groups; one flat table where the NIC has none) with entries in order,
 * and an account of every rule: wholly, partly or not in hardware, and why not.
 *
 * Lifetime: complete when hf_plan_build() returns it and never changed again. It may outlive rules
 * and NIC; texts that it has in common with the rules are freed with the last of them.
 */

#pragma once

#include <hepflow/nic.h>
#include <hepflow/rules.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct hf_err;
struct hf_plan;

/* Values of MARK on packets that hardware allowed; unmarked packets are punted ones. */
#define HF_MARK_ALLOW		1
#define HF_MARK_ALLOW_UNTRACKED 2
/* No NIC writes it: what came by the queue that is reserved for denied packets. */
#define HF_MARK_DENY 3
/* Between these: packets of one connection that software has handed to the NIC (docs/operations.md,
 * "Connections in the NIC"). */
#define HF_MARK_CONN_MIN 0x10000
#define HF_MARK_CONN_MAX 0x1ffff

/*
 * Receive queues behind those that packets are spread over: where a NIC can neither drop nor mark,
 * each verdict has one, and what is received there need not be classified (a denied packet is
 * software's to drop). Only software fallback knows them.
 */
#define HF_RESERVED_QUEUES 3

/* Where a punted packet goes; docs/architecture.md, "Fallback". */
enum hf_fallback {
	HF_FALLBACK_SOFTWARE, /* to hepflowd's own packet path */
	HF_FALLBACK_KERNEL,   /* it stays with the Linux stack: only drops are programmed */
};

enum hf_fate {
	HF_FATE_PUNT, /* zero: never wrong */
	HF_FATE_ALLOW,
	HF_FATE_ALLOW_UNTRACKED,
	HF_FATE_DENY,
	HF_FATE_JUMP,
};

/*
 * Rules between what the ports of an e-switch stand for (transfer) instead of rules of one port.
 * Packets of the uplink come from what wire stands for; that must be the port which speaks for the
 * switch, because what no rule of a later group decides is received there. What the NIC delivers
 * by itself goes to what host stands for: the host's own end of the uplink. Numbers of ethdev
 * ports.
 */
struct hf_eswitch {
	bool on;
	uint16_t wire;
	uint16_t host;
};

/* Why something is not in hardware. The names are stable; docs/reasons.md has them all. */
enum hf_reason {
	HF_REASON_NONE,
	HF_REASON_NO_ENGINE,	    /* no-engine: the profile takes no rules */
	HF_REASON_DIRECTION,	    /* direction-egress: the NIC filters arriving packets only */
	HF_REASON_ITEM_UNSUPPORTED, /* item-unsupported:FIELD */
	HF_REASON_MASK_PARTIAL,	    /* mask-partial:FIELD */
	HF_REASON_STATEFUL,	    /* stateful-required: established packets are allowed first */
	HF_REASON_DNAT,		    /* dnat-ambiguous: services may rewrite the destination */
	HF_REASON_FRAGMENT,	    /* fragment: a fragment has no ports */
	HF_REASON_EXTENSION,   /* ipv6-extension: what stands behind the extension is not seen */
	HF_REASON_VLAN,	       /* vlan: tagged packets belong to another interface */
	HF_REASON_OVERLAP,     /* priority-none: overlaps a rule of another verdict */
	HF_REASON_SHAPE,       /* input-set: the engine holds another set of fields */
	HF_REASON_CAPACITY,    /* capacity */
	HF_REASON_PRIORITY,    /* priority-exhausted */
	HF_REASON_SHADOWED,    /* shadowed: never reached */
	HF_REASON_SET_EMPTY,   /* set-empty: can never match */
	HF_REASON_NO_FAMILY,   /* no-family: neither IPv4 nor IPv6 can have it */
	HF_REASON_NO_PROTOCOL, /* no-protocol: its conditions exclude each other */
	HF_REASON_OPERATOR,    /* disabled-by-operator: offload wish "forbid" */
	HF_REASON_KERNEL,      /* left-to-kernel: fallback kernel programs drops only */
	HF_REASON_LOG,	       /* log-action: hardware does not log */
	HF_REASON_PROTOCOL,    /* protocol-any: a protocol the NIC cannot tell apart */
	HF_REASON_NEGATION,    /* negation: would need an entry per thing that is not meant */
	HF_REASON_EXPANSION,   /* expansion: more entries than one rule may take */
	HF_REASON_PMD_REJECT,  /* pmd-reject: the driver would refuse the entry */
	HF_REASON_CARRIER,     /* no-carrier: the NIC cannot tell software that it has allowed */
	HF_REASON_MAX_,
};

struct hf_table {
	uint32_t group;
	const char *name; /* "root", "class", "eth0 -> host", ... */
};

struct hf_entry {
	uint32_t table;	   /* index of its table */
	uint32_t priority; /* as the NIC counts them */
	struct hf_pattern match;
	enum hf_fate fate;
	uint32_t jump;	   /* HF_FATE_JUMP: table index */
	bool sets_tag;	   /* HF_FATE_JUMP: and gives the packet this tag, */
	uint32_t tag;	   /* which entries of later tables match, */
	uint32_t tag_keep; /* save these bits, which stay as they are */
	/* Of what is allowed: the e-switch delivers it; software does not see it. */
	bool forward;
	/* The verdict is told by the receive queue, hf_reserved_queue(); an engine of its own. */
	bool reserved;
	/* Index for hf_plan_origin(). A jump that has one leads to where only a part is decided. */
	uint32_t origin;
	enum hf_reason reason; /* HF_FATE_PUNT: why */
	uint32_t detail;       /* enum hf_field, or HF_F_MAX_ */
};

enum hf_share {
	HF_SHARE_NONE,
	HF_SHARE_PART,
	HF_SHARE_WHOLE,
};

/* The account of one origin on this uplink. */
struct hf_account {
	uint32_t origin;
	enum hf_share share;
	enum hf_reason reason; /* of what is not in hardware */
	uint32_t detail;
	uint32_t entries; /* that carry it */
	uint64_t packets; /* hf_plan_opts.weights: that it decided; 0 without */
};

/* What an origin decided by the last counters. */
struct hf_weight {
	const char *origin;
	uint64_t packets;
};

struct hf_plan_opts {
	const char *iface; /* the uplink the NIC serves; NULL: the only one, or the first */
	enum hf_fallback fallback;
	struct hf_eswitch eswitch; /* only with fallback software */
	/* There are HF_RESERVED_QUEUES behind the others, and nothing is spread over them. */
	bool reserve;
	/* Use at most so many entries. 0 = as the profile says, HF_CAPACITY_NONE = none at all. */
	uint32_t capacity;
	/*
	 * n of them, or NULL: where not everything fits, what decided most packets comes first.
	 * Read only while the plan is built.
	 */
	const struct hf_weight *weights;
	size_t n_weights;
	/*
	 * INVALID is one of the states that a packet may secretly be in: nothing is allowed by
	 * hardware then that policy denies to an invalid packet (docs/plan.md).
	 */
	bool strict_invalid;
	/*
	 * On NICs with tags: look at port ranges in a table of their own once that saves so many
	 * entries. 0 = a default.
	 */
	uint32_t classify_from;
	/*
	 * On NICs with groups: one entry instead of two for what a rule behind connection tracking
	 * denies, of which the NIC cannot count what it has denied, if the plan has fewer entries
	 * then. Else only where not everything fits otherwise (docs/plan.md).
	 */
	bool short_denies;
	/*
	 * NULL, or the plan that this one follows: entries that both have keep their group and
	 * priority where the order allows, so that few operations lead from one to the other
	 * (hepflow/diff.h). A plan of another NIC or uplink is not looked at. Read only while the
	 * new one is built. On NICs without order what has been found out about keys goes from it
	 * to the new plan, or is lost in a failure: whoever follows it once more is made anew.
	 */
	const struct hf_plan *previous;
};

#define HF_CAPACITY_NONE UINT32_MAX

/*
 * Errors: -ENOENT for an interface that the host does not have, -ENOTSUP for an e-switch that the
 * NIC does not have, -ENOMEM. "Cannot offload" is none.
 */
int hf_plan_build(const struct hf_rules *rules, const struct hf_nic *nic,
	const struct hf_plan_opts *opts, struct hf_plan **ret, struct hf_err *err);
void hf_plan_free(struct hf_plan *plan);

const char *hf_plan_iface(const struct hf_plan *plan);
const char *hf_plan_nic(const struct hf_plan *plan);
enum hf_fallback hf_plan_fallback(const struct hf_plan *plan);
const struct hf_eswitch *hf_plan_eswitch(const struct hf_plan *plan); /* lent; on or not */
/* Entries that it may have; 0: no known limit. */
uint32_t hf_plan_capacity(const struct hf_plan *plan);
size_t hf_plan_n_tables(const struct hf_plan *plan);
const struct hf_table *hf_plan_table(const struct hf_plan *plan, size_t i);
/*
 * In an order that is safe to insert in: tables that are jumped to before the jumps to them, and
 * within a table the strongest first.
 */
size_t hf_plan_n_entries(const struct hf_plan *plan);
const struct hf_entry *hf_plan_entry(const struct hf_plan *plan, size_t i);
/* All of them in one piece, to be freed; NULL: out of memory. */
struct hf_entry *hf_plan_copy_entries(const struct hf_plan *plan);
size_t hf_plan_n_accounts(const struct hf_plan *plan);
const struct hf_account *hf_plan_account(const struct hf_plan *plan, size_t i);
/* Text of an origin, as in the rules; indexes are those of the rules the plan was built from. */
const char *hf_plan_origin(const struct hf_plan *plan, size_t i);
/* Where its policy rule was read, "file:line:column", or "". */
const char *hf_plan_place(const struct hf_plan *plan, size_t i);

/* The plan in numbers. Rules: origins that arriving packets of this uplink can meet. */
struct hf_plan_sum {
	size_t rules;
	size_t whole; /* of them wholly in hardware */
	size_t part;
	bool weighed; /* there are weights, and they are not all 0 */
	uint64_t packets;
	uint64_t packets_whole; /* of rules that are wholly in hardware */
	size_t masks; /* different sets of fields and masks, each in its table: templates */
};
/* Returns 0 or -ENOMEM. */
int hf_plan_sum(const struct hf_plan *plan, struct hf_plan_sum *ret);

/*
 * Entry i as the driver is asked for it: verdict carrier, counter where the engine has counters,
 * spread over the receive queues 0 .. n_queues-1 by RSS where the engine can, else queue 0. nic
 * must be the one the plan was built for. In an e-switch what goes to software jumps to a group
 * that has no rules (the last of the engine), and is to be received by the wire's port. Reserved
 * entries lead to queue n_queues + hf_reserved_queue().
 */
void hf_plan_flow(const struct hf_plan *plan, const struct hf_nic *nic, size_t i, uint16_t n_queues,
	struct hf_flow *ret);

uint16_t hf_reserved_queue(enum hf_fate fate); /* 0 .. HF_RESERVED_QUEUES - 1; of a verdict */
/* The same backwards: HF_MARK_*. */
uint32_t hf_reserved_mark(uint16_t queue);
/* Whether the NIC has an engine that chooses queues and can neither drop nor mark. */
bool hf_plan_can_reserve(const struct hf_nic *nic);

/*
 * What the NIC would do with a packet by this plan. *ret_entry is the deciding entry's index, or
 * SIZE_MAX when none matched (then the fate is PUNT). By linear walk, for explain and tests.
 */
enum hf_fate hf_plan_judge(
	const struct hf_plan *plan, const struct hf_packet *pkt, size_t *ret_entry);

/*
 * One line on who decides about a packet, for explain; origin is what decides by the full rules:
 *   hardware: entry 8 of eth0, table 2 "eth0 to host" priority 7: ipv4 tcp dst 3000 ... -> deny
 *   software: stateful-required; entry 9 of eth0, table 2 "eth0 to host" priority 8: ... -> punt
 *   software: input-set; no entry of eth0 matches
 *   software: direction-egress; it does not arrive by eth0
 */
void hf_plan_explain(
	const struct hf_plan *plan, const struct hf_packet *pkt, const char *origin, FILE *out);

/* The stable text of a reason: "item-unsupported:sctp.dst". Returns buf. */
const char *hf_reason_print(enum hf_reason reason, uint32_t detail, char buf[static 64]);
const char *hf_fate_name(enum hf_fate fate); /* punt, allow, allow-untracked, deny, jump */
/* One pattern as text: "ipv4 dst 192.0.2.10/32 tcp dst 3000 flags 0x02/0x12". Returns the length.
 */
int hf_pattern_print(const struct hf_pattern *pattern, char *buf, size_t size);

/* For people: what is offloaded and why the rest is not, then the tables. The text is stable. */
void hf_plan_print(const struct hf_plan *plan, FILE *out);
/* The same as JSON ("schema": 1; docs/flowgen-json.md). Returns 0 or -EIO. */
int hf_plan_print_json(const struct hf_plan *plan, FILE *out);
/* Tables and jumps for graphviz. */
void hf_plan_print_dot(const struct hf_plan *plan, FILE *out);
