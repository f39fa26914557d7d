/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Check: the proof that a plan never changes a verdict, over all packets of an uplink.
 *
 * Policy is walked with all packets at once, straight from the model; the entries are taken as the
 * profile says that NIC interprets them. Whatever the NIC may decide must then be the verdict of
 * policy in every state of a connection the packet can be in. docs/plan.md, "Proof", says what is
 * claimed and what is outside.
 *
 * Not thread-safe: the library for decision diagrams has one table for the whole process.
 */

#pragma once

#include <hepflow/net.h>
#include <hepflow/plan.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_check_memory;
struct hf_err;
struct hf_model;
struct hf_nic;
struct hf_rules;

/* Nodes of the table unless told otherwise: 20 bytes each and as much again for caches. */
#define HF_CHECK_NODES 20000000

/* What is in a NIC: entries in any order, as a plan has them. Table 0 is where packets start. */
struct hf_check_view {
	const struct hf_nic *nic;
	const char *iface;
	size_t n_tables;
	size_t n_entries;
	const struct hf_entry *entries;
	bool drops_only; /* what is allowed is punted as well: fallback kernel */
	struct hf_eswitch eswitch;
};

/* What packets there can be for the rules of one origin. */
enum hf_check_meet {
	HF_CHECK_ABSENT, /* nobody comes by */
	HF_CHECK_UNMET,	 /* rules in front of it, perhaps several together, take all there can be */
	HF_CHECK_MET,
};

/* Time and stop are looked at between steps of a proof, which last a second at most. */
struct hf_check_opts {
	size_t max_nodes;	 /* 0: HF_CHECK_NODES */
	uint32_t max_ms;	 /* from the call on; 0: no limit */
	bool (*stop)(void *arg); /* NULL, or asked often: true ends the proof */
	void *stop_arg;
	/*
	 * hf_check_rules(): NULL, or for each origin of the rules enum hf_check_meet, zeroed by
	 * the caller; of use when the answer is proven. Packets that arrive by the interface; a
	 * rule that is not met may be all the same where another interface leads to it.
	 */
	uint8_t *meets;
	/*
	 * NULL, or what earlier proofs have found out, so that one of nearly the same is quick; it
	 * then has its own limit of nodes. hf_check_plan() gives no more than answer, limit and
	 * wrong. hf_check_steps() does not use it, and must not be called while one has been used.
	 */
	struct hf_check_memory *memory;
};

/*
 * As long as it is used it has libbdd's table, so there is one for a process. It holds what the
 * proofs of the last few turns have asked for, up to max_nodes sets and as many nodes; when that is
 * not enough the proof begins afresh without it, and so do those of the next turns. What is in it
 * can only save time: a proof that is undecided is what it would be without.
 */
int hf_check_memory_new(size_t max_nodes, struct hf_check_memory **ret, struct hf_err *err);
/* NULL is fine. */
void hf_check_memory_free(struct hf_check_memory *memory);
/* Between the proofs of one generation and those of the next: lets go of what has got old. */
void hf_check_memory_turn(struct hf_check_memory *memory);

/* Why a proof is undecided. */
enum hf_check_limit {
	HF_CHECK_LIMIT_NODES,
	HF_CHECK_LIMIT_TIME,
	HF_CHECK_LIMIT_STOP,
};
const char *hf_check_limit_name(enum hf_check_limit limit); /* "node limit" and so on */

enum hf_check_answer {
	HF_CHECK_UNDECIDED, /* no proof within the limit of nodes, in either order of variables */
	HF_CHECK_PROVEN,
	HF_CHECK_REFUTED,
};

/* A packet that the NIC would judge wrongly, confirmed by the reference. */
struct hf_check_wrong {
	struct hf_packet pkt; /* in the state, and with the backend, that contradicts */
	uint8_t extension;    /* number of an IPv6 extension header in front; with has_ext */
	bool has_ext;
	bool foreign_tag;	 /* its tag makes it another interface's */
	enum hf_fate fate;	 /* of the NIC; of more than one possible if order is not defined */
	enum hf_verdict verdict; /* of policy, the host's own default put in */
	/* pkt is a new packet that the host sends: the answer to one that the NIC delivers by
	 * itself, which software would not know for one. */
	bool answer;
	size_t entry; /* SIZE_MAX: none, and it is dropped because its table has none for it */
};

/*
 * Shares of a destination class' packets that are whole, untagged and without extension headers.
 * What nothing in policy and plan tells apart counts as one, whether it is a port or a wide net.
 */
struct hf_check_share {
	bool any;	  /* there are such packets: the host has destinations of the class */
	double punted;	  /* left to software */
	double decidable; /* of all: punted although policy has one verdict in every state */
};

/* Packets that are left to software although this NIC could have decided about them. */
struct hf_check_left {
	enum hf_class class;
	enum hf_reason reason; /* of the entry that punts; HF_REASON_NONE: no entry matches */
	double share;	       /* of the class' packets */
	struct hf_packet pkt;  /* one of them, new */
};
#define HF_CHECK_LEFT_MAX 64

struct hf_check_family {
	enum hf_check_answer answer;
	struct hf_check_share share[3]; /* by enum hf_class */
	/* Every reason of every class; none: the plan is maximal. */
	size_t n_left;
	struct hf_check_left left[HF_CHECK_LEFT_MAX];
	size_t nodes; /* of the table */
};

struct hf_check {
	enum hf_check_answer answer;
	enum hf_check_limit limit;	  /* HF_CHECK_UNDECIDED */
	struct hf_check_family family[2]; /* IPv4, IPv6 */
	struct hf_check_wrong wrong;	  /* HF_CHECK_REFUTED */
	size_t n_entries;
	bool *reached; /* per entry: some packet meets it; not filled unless proven */
};

/*
 * Checks both families; stops at the first that is refuted. *ret is freed with hf_check_fini().
 * Errors: -ENOENT for an interface that the host does not have, -ENOTSUP for one that is no uplink,
 * -EINVAL for entries that jump backwards, -ENOMEM, -EPROTO when proof and reference contradict
 * each other (a mistake in hepflow).
 */
int hf_check_plan(const struct hf_model *model, const struct hf_check_view *view,
	const struct hf_check_opts *opts, struct hf_check *ret, struct hf_err *err);
void hf_check_fini(struct hf_check *check);

/* A packet on which rules and policy differ, confirmed by the reference and by a walk of the
 * tables. */
struct hf_check_rules {
	enum hf_check_answer answer;
	enum hf_check_limit limit; /* HF_CHECK_UNDECIDED */
	struct hf_packet pkt;	   /* HF_CHECK_REFUTED */
	enum hf_verdict policy;
	enum hf_verdict rules;
};

/*
 * Whether the rules say of every packet that arrives by an interface what policy says, in the
 * states new, established and related and with every backend of a service. Errors as
 * hf_check_plan().
 */
int hf_check_rules(const struct hf_model *model, const struct hf_rules *rules, const char *iface,
	const struct hf_check_opts *opts, struct hf_check_rules *ret, struct hf_err *err);

/* One operation on a NIC: an entry comes or goes. Tables are those of the view it is part of. */
struct hf_check_step {
	bool add;
	struct hf_entry entry;
};

struct hf_check_plan_steps {
	struct hf_check_view from; /* its tables are those of both plans, jumps lead forward */
	size_t n_steps;
	const struct hf_check_step *steps;
};

struct hf_check_steps {
	enum hf_check_answer answer;
	enum hf_check_limit limit;   /* HF_CHECK_UNDECIDED */
	size_t step;		     /* HF_CHECK_REFUTED: after so many operations */
	struct hf_check_wrong wrong; /* wrong by both policies; its entry says nothing */
	struct hf_entry entry;	     /* the one that decides wrongly */
};

/*
 * Whether after each of the operations, and before the first, every packet that the NIC decides
 * about is judged as the old policy or as the new one judges it; what it punts is judged by
 * software. Either model may be NULL, or not have the interface. Errors as hf_check_plan(), and
 * -EINVAL for an operation that removes what is not there.
 */
int hf_check_steps(const struct hf_model *before, const struct hf_model *after,
	const struct hf_check_plan_steps *plan, const struct hf_check_opts *opts,
	struct hf_check_steps *ret, struct hf_err *err);
