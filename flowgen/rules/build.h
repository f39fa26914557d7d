/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the parts of the builder share.
 *
 * Blocks are made backwards: a block is finished only when every block it can go to is, so that
 * renumbering from the end makes all jumps lead forward. Where a packet goes on after a chain is
 * said by continuations; a block that was made for the same chain and the same continuations is
 * used again.
 *
 * The first failure sticks in rc, later calls do little, and hf_rules_build() looks at the end.
 */

#pragma once

#include "notes.h"
#include "table.h"

#include "model/model.h"

#include <hepflow/base/vec.h>

/* Rules of one table: beyond this a policy is a mistake or an attack (half a gigabyte of memory).
 */
#define HF_RULES_MAX (3u << 20)

struct hf_arena;
struct memo;
struct twin;

#define NO_ORIGIN  0	      /* of the jumps between chains: the empty text */
#define OWN_ORIGIN UINT32_MAX /* the origin of whatever rule decided */

enum how {
	HOW_VERDICT,
	HOW_GOTO,
	HOW_ENCAP, /* a verdict, unless the encapsulation filter of INPUT knows better */
	HOW_LOOP,  /* a verdict, unless service loop prevention knows better */
	HOW_OUT, /* accepted; the chains of the leaving interface at target decide if there are any
		  */
};

/* Where a chain leads: accepted, nothing matched, and accepted for being part of a connection. */
struct conts {
	struct cont accept;
	struct cont none;
	struct cont known;
};

enum chain_flag {
	CHAIN_EGRESS = 1 << 0,
	CHAIN_WIRE = 1 << 1,	/* untracked and preDNAT lists: sees the packet before DNAT */
	CHAIN_NOTRACK = 1 << 2, /* an untracked policy has accepted: no state to look at */
	CHAIN_AGAIN = 1 << 3,	/* the host talks to itself and this is the way in */
};

typedef HF_VEC(struct hf_rule) rule_vec;

/* A block on its way: a stack, or rules in tmp. */
struct draft {
	const char *name;
	uint32_t n_rules;
	const struct hf_rule *rules;
	struct stack *stack;
};

struct build {
	const struct hf_model *model;
	const struct hf_rules *previous; /* the notes are of, or NULL */
	struct hf_notes *notes;
	struct hf_rules *rules;
	struct hf_arena *tmp;
	struct hf_arena *arena; /* of conditions: tmp, or the pool while a list is made */
	number_vec *named;	/* takes the sets that rules name while a source is rendered */
	int rc;
	size_t n_rules;
	size_t n_compared;    /* by hf_find_covered() */
	const char *too_many; /* place of the policy rule at the limit */
	number_vec loose_sets;
	HF_VEC(struct draft) drafts;
	struct memo *memo;
	struct twin *twins;
};

enum memo_kind {
	MEMO_CHAIN,
	MEMO_BODY,
	MEMO_TIER,
	MEMO_PROFILES,
	MEMO_CARRY,
	MEMO_LATER,
	MEMO_HOST,
	MEMO_FORWARD,
};

struct memo_key {
	const void *endpoint;
	const void *pod;
	uint32_t kind;
	uint32_t chain;
	uint32_t flags;
	uint32_t tier;
	struct conts conts;
};

/* blocks.c: blocks, origins */
void hf_free_memos(struct build *b);
bool hf_find_memo(struct build *b, const struct memo_key *key, uint32_t *ret_block);
uint32_t hf_add_memo(struct build *b, const struct memo_key *key, uint32_t block);
uint32_t hf_add_origin(struct build *b, const char *text);
/* In b->arena. */
void *hf_keep(struct build *b, const void *data, size_t size);
/* Adds a rule that does what cont says; own is the origin of the rule itself. */
void hf_emit(struct build *b, rule_vec *v, const struct hf_match *match, struct cont cont,
	uint32_t own, uint8_t offload);
void hf_emit_rule(struct build *b, rule_vec *v, const struct hf_rule *rule);
/* Takes the rules. A block that would only send everything on is not made: its target is given. */
uint32_t hf_finish_block(struct build *b, rule_vec *take_v, const char *name);
struct cont hf_go_to(uint32_t block);
struct cont hf_decide(enum hf_verdict verdict, uint32_t origin);
/* ALLOW of the filter table, as IptablesFilterAllowAction has it (docs/semantics.md 1.1). */
enum hf_verdict hf_filter_allow(const struct build *b, bool untracked);
/* Puts an address or port condition on a match that has none of that kind yet. */
void hf_match_addr(struct build *b, struct hf_match *m, bool dst, uint32_t set);
void hf_match_addr2(struct build *b, struct hf_match *m, uint32_t src_set, uint32_t dst_set);
void hf_match_port(
	struct build *b, struct hf_match *m, bool dst, const struct hf_ports *ranges, size_t n);
void hf_match_proto(struct hf_match *m, uint8_t proto);

/* netsets.c: sets of nets that rules have written out. The set's number. */
uint32_t hf_add_net_set(
	struct build *b, const char *name, const struct hf_prefix *nets, size_t n_nets);
/* The number here of a set of the model. */
uint32_t hf_set_number(const struct build *b, uint32_t model_set);

/*
 * cover.c: rules that one rule in front of them covers. ret has room for a mark for each; the last
 * rule never is.
 */
void hf_find_covered(struct build *b, const struct hf_rule *const *v, size_t n, bool *ret_covered);
bool hf_match_covers(
	const struct hf_set *sets, const struct hf_match *outer, const struct hf_match *inner);

/* match.c: the rules of a policy or profile as matches, made once a turn for all that have them */
struct rendered {
	const char *dead; /* why no packet matches, or NULL */
	struct hf_match match;
};
/* In the pool, or else anywhere. On failure sets b->rc, and NULL. */
const struct rendered *hf_render(struct build *b, struct source *source, bool wire, bool pool);

/* twin.c: hf_find_twins() once; hf_first_twin() is the endpoint that stands for ep, itself for NULL
 */
void hf_find_twins(struct build *b);
const struct hf_model_endpoint *hf_first_twin(struct build *b, const struct hf_model_endpoint *ep);
size_t hf_n_other_twins(struct build *b, const struct hf_model_endpoint *ep);
void hf_free_twins(struct build *b);

/* chain.c */
bool hf_chain_has(const struct hf_model_endpoint *ep, enum hf_chain chain);
uint32_t hf_build_chain(struct build *b, const struct hf_model_endpoint *ep, enum hf_chain chain,
	uint32_t flags, const struct conts *conts);

/* special.c: encapsulation, failsafes, service loops (docs/semantics.md 6 and 10) */
void hf_emit_failsafes(
	struct build *b, rule_vec *v, enum hf_chain chain, uint32_t flags, struct cont cont);
void hf_emit_encap_in(struct build *b, rule_vec *v);
void hf_emit_encap_out(struct build *b, rule_vec *v, struct cont cont);
void hf_emit_encap_pod(struct build *b, rule_vec *v);
void hf_emit_loop(struct build *b, rule_vec *v, struct cont cont, uint32_t own);
void hf_emit_neighbour(struct build *b, rule_vec *v);
void hf_match_vxlan(struct build *b, struct hf_match *m, bool wire);
/* The same of the families in which VXLAN is on; false: in none. */
bool hf_match_vxlan_on(struct build *b, struct hf_match *m, bool wire);

/* path.c */
void hf_build_paths(struct build *b);
/* The block for a continuation that first looks at more (HOW_ENCAP and the like). */
uint32_t hf_build_carry(struct build *b, struct cont cont, uint32_t origin);

/* host_facts.c: into the table; the id is given when the paths have their blocks. 0 or -ENOMEM */
int hf_copy_facts(struct build *b);
void hf_number_facts(struct build *b);

/* stack.c */
bool hf_same_match(const struct hf_match *a, const struct hf_match *b);

/* place.c: the arrays of one block; those of the former table when they say the same */
int hf_place_draft(struct build *b, const struct draft *draft, const uint32_t *number, size_t at);

/*
 * finish.c: leaves out what no path leads to, puts blocks in order. 0, -ENOMEM, or -EAGAIN when
 * blocks have other numbers than lists of the former table were made for.
 */
int hf_finish_table(struct build *b);
/* texts.c: origins, places, dead rules */
int hf_place_texts(struct build *b);
