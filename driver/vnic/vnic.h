/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The virtual SmartNIC, inside: parsing, the rule table, and the walk through it.
 *
 * A table holds the rules that one port has taken, by direction and group and in the order in which
 * they are tried. One thread at a time changes it (ethdev serialises flow operations); any number
 * of queues read it while it changes, without locks and without writing to it but for counters.
 *
 * How that is safe. A reader announces itself by making the number of its queue odd, and ends by
 * making it even. A writer changes one pointer that readers follow (to a rule, a group's tuples, or
 * the root), and does not return before every queue whose number was odd has moved on:
 * - whoever starts to read after the change sees it, so nobody can still see what is freed then;
 * - a packet meets at most one change half-way, and that change is one store: it sees the rules of
 *   before or of after, never neither.
 * Readers never wait. A writer waits for the bursts that are under way, at most one per queue.
 */

#pragma once

#include <hepflow/nic.h>

#include <rte_common.h>
#include <rte_flow.h>

#include <stdatomic.h>
#include <uthash.h>

struct rte_mbuf;

#define HF_VNIC_QUEUES_MAX 64  /* queues of a direction, and of one RSS action */
#define HF_VNIC_RETA	   128 /* entries, as with igb and ixgbe */
#define HF_VNIC_PORTS_MAX  16  /* of an e-switch */
#define HF_VNIC_BLOCKS_MAX (2 * HF_VNIC_PORTS_MAX)
#define HF_VNIC_JUMPS_MAX  64 /* groups one packet may visit: a bound for the packet path */
#define HF_VNIC_NO_FLOWQ   UINT32_MAX
#define HF_VNIC_WORDS	   (sizeof(struct hf_hdr) / sizeof(uint64_t))
static_assert(sizeof(struct hf_hdr) % sizeof(uint64_t) == 0, "headers are compared as words");

enum hf_vnic_dir {
	HF_VNIC_RX,
	HF_VNIC_TX,
	HF_VNIC_FDB, /* transfer rules: between the ports of an e-switch */
	HF_VNIC_DIRS,
};

/* What Intel's parsers sort packets into; a rule of an engine with type_scope matches one type. */
enum hf_vnic_type {
	HF_VNIC_ANY,
	HF_VNIC_L2, /* neither IPv4 nor IPv6 */
	HF_VNIC_V4_OTHER,
	HF_VNIC_V4_TCP,
	HF_VNIC_V4_UDP,
	HF_VNIC_V4_SCTP,
	HF_VNIC_V4_FRAG,
	HF_VNIC_V6_OTHER,
	HF_VNIC_V6_TCP,
	HF_VNIC_V6_UDP,
	HF_VNIC_V6_SCTP,
	HF_VNIC_V6_FRAG,
	HF_VNIC_TYPE_MAX_,
};

/* A packet as this NIC's parser sees it. */
struct hf_vnic_pkt {
	struct hf_hdr hdr;
	uint32_t layers; /* HF_LAYER_BIT of what a pattern may name */
	enum hf_vnic_type type;
};

struct hf_vnic_group;
struct hf_vnic_root;
struct hf_vnic_table;
struct hf_vnic_swport;

struct hf_vnic_counter {
	atomic_ullong hits;
	atomic_ullong bytes;
};

/* Times are of the TSC. */
struct hf_vnic_age {
	atomic_ullong last_hit; /* or when it was made */
	uint64_t timeout;	/* 0: it does not age */
	void *context;
	uint64_t reported; /* the last_hit that rte_flow_get_aged_flows() has told of */
	uint32_t flow_queue;
};

/* An indirect action; rte_flow.h leaves the name to drivers. */
struct rte_flow_action_handle {
	struct rte_flow_action_handle *next;
	enum hf_act act;     /* COUNT or AGE */
	uint32_t n_users;    /* rules */
	uint32_t flow_queue; /* that made it, or HF_VNIC_NO_FLOWQ */
	bool dying;	     /* its destruction is on a queue */
	struct hf_vnic_counter counter;
	struct hf_vnic_age age;
	struct rte_flow_action_age age_conf;
};

/* One rule; rte_flow.h leaves the name to drivers. */
struct rte_flow {
	/* Read by the packet path, constant but for links and counters. */
	uint64_t spec[HF_VNIC_WORDS];
	uint64_t order; /* lower is tried first; see order_of() in cook.c */
	uint64_t seq;
	uint32_t depth;
	bool lost; /* it is on the books, and no packet sees it */
	struct {
		_Atomic(struct rte_flow *) next;
		struct rte_flow *prev; /* control thread only */
	} link[2];		       /* see index.h */
	uint32_t acts;		       /* HF_ACT_BIT */
	uint32_t mark;
	uint32_t tag;
	uint32_t tag_mask; /* the others stay */
	uint32_t meta;
	struct hf_vnic_group *jump;
	struct hf_vnic_swport *out; /* PORT_ID and REPRESENTED_PORT */
	uint16_t n_queues;
	struct hf_vnic_counter *counter; /* its own or a shared one */
	struct hf_vnic_age *age;	 /* so too; NULL: it does not age */
	struct hf_vnic_counter own_counter;
	struct hf_vnic_age own_age;
	struct rte_flow *age_prev, *age_next; /* of those that use it */

	/* Control thread only. */
	uint32_t layers;
	enum hf_vnic_type type;
	uint8_t first_word; /* the words of the header that have a mask: first .. end-1 */
	uint8_t end_word;
	uint64_t mask[HF_VNIC_WORDS];
	struct hf_vnic_table *table;
	uint16_t owner; /* ethdev port it was made on */
	const struct hf_engine *engine;
	enum hf_vnic_dir dir;
	struct hf_vnic_group *group; /* NULL: not yet placed */
	uint32_t group_id;
	uint32_t jump_id;
	struct rte_flow_template_table *made_by; /* NULL: by a synchronous call */
	uint32_t flow_queue;
	struct rte_flow_action_handle *shared_counter;
	struct rte_flow_action_handle *shared_age;
	bool dying; /* its destruction is on a queue */
	uint32_t asked_group;
	uint32_t asked_priority;
	enum hf_field danger; /* a field that is not matched as asked, or HF_F_MAX_ */
	uint64_t fields;      /* bits of enum hf_field that have a mask */
	uint64_t rss_types;
	enum hf_vnic_type shape_type; /* what the shape rule counts it under */
	const struct rte_flow *self;  /* key of hh */
	UT_hash_handle hh;

	uint16_t queues[]; /* n_queues; constant, and read by the packet path */
};

/* What an engine remembers for its shape rule, and how full it is. */
struct hf_vnic_engine {
	uint32_t n_rules;
	bool latched; /* HF_SHAPE_GLOBAL */
	uint64_t mask[HF_VNIC_WORDS];
	uint32_t n_of_type[HF_VNIC_TYPE_MAX_]; /* HF_SHAPE_PER_TYPE */
	uint64_t fields[HF_VNIC_TYPE_MAX_];
	/* Of an engine whose different masks are limited: those that rules have. */
	uint32_t n_masks;
	struct hf_vnic_mask {
		uint32_t n_rules;
		uint64_t mask[HF_VNIC_WORDS];
	} masks[HF_NIC_MASKS_MAX];
};

struct hf_vnic_epoch {
	_Alignas(RTE_CACHE_LINE_SIZE) atomic_uint n; /* odd: a burst is being worked on */
};

struct hf_vnic_table {
	const struct hf_nic *nic;
	_Atomic(struct hf_vnic_root *) root[HF_VNIC_DIRS];
	struct rte_flow *rules; /* all of them, oldest first */
	struct rte_flow *aging; /* those with an age of their own */
	uint64_t seq;
	struct hf_vnic_engine engine[HF_NIC_ENGINES_MAX];
	/* Readers, in blocks of HF_VNIC_QUEUES_MAX; of each block only the first ones are used. */
	uint16_t n_blocks;
	uint16_t n_readers[HF_VNIC_BLOCKS_MAX];
	struct hf_vnic_epoch *epoch;
};

/* What a rule does, as asked; queues of QUEUE and RSS are given apart. */
struct hf_vnic_ask {
	const struct hf_flow *flow;
	const struct hf_engine *engine; /* the one that takes it */
	uint16_t owner;
	struct hf_vnic_swport *out;
	uint16_t n_queues;
	const uint16_t *queues;
	uint64_t rss_types;
	struct rte_flow_action_handle *shared_counter; /* NULL: one of its own */
	struct rte_flow_action_handle *shared_age;
	const struct rte_flow_action_age *age; /* NULL: it does not age */
	uint32_t flow_queue;		       /* that it is for */
	bool lost;  /* it is on the books, and never where packets come by */
	bool later; /* on the books for now; see hf_vnic_table_place() */
};

enum hf_vnic_fate {
	HF_VNIC_DROP,	    /* a rule says so */
	HF_VNIC_MISS,	    /* no rule decides: the port's default, or on its way out */
	HF_VNIC_GROUP_MISS, /* received, and no rule of a later group decides: dropped */
	HF_VNIC_TOO_DEEP,   /* more than HF_VNIC_JUMPS_MAX groups: dropped */
	HF_VNIC_QUEUE,
	HF_VNIC_PORT, /* of the e-switch */
	HF_VNIC_FATE_MAX_,
};

struct hf_vnic_verdict {
	enum hf_vnic_fate fate;
	uint16_t queue;		    /* HF_VNIC_QUEUE */
	struct hf_vnic_swport *out; /* HF_VNIC_PORT */
	bool has_mark;
	bool has_flag;
	bool has_meta;
	uint32_t mark;
	uint32_t meta;
};

/*
 * parse.c. Reads at most the headers, never beyond the packet; what is cut short or contradicts
 * itself is a layer that is not there.
 */
void hf_vnic_parse(const struct hf_nic *nic, const struct rte_mbuf *m, struct hf_vnic_pkt *ret);
/* The same for both directions of a connection. */
uint32_t hf_vnic_hash(const struct hf_vnic_pkt *pkt);

/*
 * table.c. n_blocks is HF_VNIC_BLOCKS_MAX at most: a port has one for each of the directions RX and
 * TX, an e-switch two for each of its ports. 0, or -ENOMEM.
 */
int hf_vnic_table_init(struct hf_vnic_table *table, const struct hf_nic *nic, uint16_t n_blocks);
/* How many queues of a block read; none of them may be reading now. None to begin with. */
void hf_vnic_table_readers(struct hf_vnic_table *table, uint16_t block, uint16_t n);
/* No reader may be left. */
void hf_vnic_table_fini(struct hf_vnic_table *table);
/*
 * Installs a rule that the NIC's profile accepts. 0; -ENOMEM; or -EBUSY with *ret_reject saying
 * what of the rules that are there is in the way.
 */
int hf_vnic_table_add(struct hf_vnic_table *table, const struct hf_vnic_ask *ask,
	struct rte_flow **ret, enum hf_reject *ret_reject);
/* Puts a rule that was added "later" where packets come by. 0, or -ENOMEM: it is still later. */
int hf_vnic_table_place(struct rte_flow *rule);
/* Whether the rule is (still) one of this table. */
bool hf_vnic_table_has(const struct hf_vnic_table *table, const struct rte_flow *rule);
void hf_vnic_table_del(struct rte_flow *rule);
/* One by one, those that a port has made. */
void hf_vnic_table_del_of(struct hf_vnic_table *table, uint16_t owner);
/* All rules at once: no packet sees only some of them gone. 0 or -ENOMEM. */
int hf_vnic_table_flush(struct hf_vnic_table *table);

/* Returns when no burst is under way any more that was when it was called. */
void hf_vnic_wait_for_readers(struct hf_vnic_table *table);

/* age.c: it is hit now. */
void hf_vnic_age_init(
	struct hf_vnic_age *age, const struct rte_flow_action_age *conf, void *default_context);

/* cook.c: fills what the packet path reads, group and jump excepted. */
void hf_vnic_cook(const struct hf_nic *nic, const struct hf_vnic_ask *ask, struct rte_flow *ret);

/*
 * exec.c. enter and leave bracket one burst of a queue; one thread at a time for each. The block of
 * a port's table is its direction.
 */
const struct hf_vnic_root *hf_vnic_enter(
	struct hf_vnic_table *table, enum hf_vnic_dir dir, uint16_t block, uint16_t q);
void hf_vnic_leave(struct hf_vnic_table *table, uint16_t block, uint16_t q);
/* No rule of group 0: no packet can match anything. */
bool hf_vnic_idle(const struct hf_vnic_root *root);
/* Walks the groups; counts. Changes mark, meta and tag of pkt as actions say. */
void hf_vnic_exec(const struct hf_vnic_root *root, struct hf_vnic_pkt *pkt, uint32_t bytes,
	struct hf_vnic_verdict *ret);
