/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules: what policy means for one host once names, selectors and tiers are gone.
 *
 * A path is (arriving interface, class of the destination). Every path has an ordered first-match
 * table that is total: each packet of the path gets exactly one verdict. The table is kept folded
 * into blocks, because tiers, pod chains and set lookups are shared between paths and would
 * multiply if they were written out:
 *
 *   - a path names its first block;
 *   - within a block the first rule that matches decides; a LOG rule never decides;
 *   - a rule gives a verdict, or goes to another block. Jumps only lead forward (to a block with a
 *     higher index), so a walk ends after at most as many blocks as there are;
 *   - the last rule of a block matches everything.
 *
 * "Pass to the next tier" is a jump, and so is "accepted here, now the pod's own chain".
 *
 * Rules speak of packets only. Address sets stay sets (hf_set); a plan flattens them when its NIC
 * needs that. Names of sets and origins are for people.
 *
 * Besides the paths, a table carries the facts that sort a packet into a path: interfaces, who owns
 * which destination (hf_dest), and what services rewrite (hf_dnat).
 *
 * A table that follows another (hf_rules_follow()) has most of it in common with that one. What is
 * the same has the same id: pieces of blocks, sets, facts. An id is never given again in this
 * process to anything else, so it can be kept when what it stood for is gone. To make that
 * possible the numbers of sets and origins stay what they are from one table to the next, and some
 * may be nobody's for a while: such a set has no nets, no members and the name "", such an origin
 * the text "". Later the number may be somebody else's.
 *
 * Lifetime: complete when hf_rules_build() returns it, never changed again, so any number of
 * threads may read it without locks. It may outlive the model: the memory of what they have in
 * common is freed with the last of them. The same holds of a table and the one that it follows.
 */

#pragma once

#include <hepflow/facts.h>
#include <hepflow/net.h>

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct hf_arena;
struct hf_err;
struct hf_model;
struct hf_rules;

/* Address in (or, negated, not in) the nets of a set. */
struct hf_addr_cond {
	bool dst; /* else the source */
	bool negate;
	uint32_t set;
};

/*
 * Port in one of the ranges, or (address, protocol, port) among the members of one of the sets;
 * negated: neither. A packet without ports is in no range.
 */
struct hf_port_cond {
	bool dst;
	bool negate;
	uint16_t n_ranges;
	uint16_t n_sets;
	const struct hf_ports *ranges;
	const uint32_t *sets;
};

/* ICMP (or, in an IPv6 packet, ICMPv6) type and perhaps code; false for every other protocol. */
struct hf_icmp_cond {
	bool negate; /* of the type and code only: the protocol must be ICMP(v6) all the same */
	uint8_t type;
	bool has_code;
	uint8_t code;
};

/* A conjunction. HF_MATCH_ALL is the match that covers every packet. */
struct hf_match {
	uint8_t family;	   /* 4, 6, or 0 for both */
	uint8_t ct;	   /* HF_CT_BIT of every state it covers; HF_CT_ANY for all */
	bool wire;	   /* dst and dport as on the wire, not as DNAT makes them */
	bool dnated_only;  /* only packets whose destination is rewritten */
	uint16_t out;	   /* leaving interface, or HF_IF_ANY */
	uint16_t wire_out; /* the one the packet would leave by without DNAT, or HF_IF_ANY */
	uint16_t n_addr;
	uint16_t n_port;
	uint16_t n_icmp;
	uint64_t proto[4];		 /* bit p of word p / 64: protocol p is covered */
	const struct hf_addr_cond *addr; /* all must hold */
	const struct hf_port_cond *port; /* all must hold */
	const struct hf_icmp_cond *icmp; /* all must hold */
};

#define HF_MATCH_ALL                                                                               \
	((struct hf_match){.ct = HF_CT_ANY,                                                        \
		.out = HF_IF_ANY,                                                                  \
		.wire_out = HF_IF_ANY,                                                             \
		.proto = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}})

enum hf_op {
	HF_OP_VERDICT,
	HF_OP_GOTO,
	HF_OP_LOG, /* counts and logs, and the next rule is tried */
};

struct hf_rule {
	struct hf_match match;
	enum hf_op op;
	enum hf_verdict verdict; /* HF_OP_VERDICT */
	uint32_t target;	 /* HF_OP_GOTO: block index */
	uint32_t origin; /* index for hf_rules_origin(): where in the policy it comes from */
	uint8_t offload; /* enum hf_offload: what the policy, or else the endpoint, asks for */
};

/*
 * Neighbouring rules of a block that have been made together, of one policy mostly. Pieces of the
 * same id, in whichever tables, are the same rules in everything but their place in the block:
 * matches with their numbers of sets, verdicts, numbers of target blocks and origins. The sets of
 * those numbers may have changed; hf_rules_set_id() tells.
 */
struct hf_piece {
	uint64_t id;
	uint32_t first; /* index in the block */
	uint32_t n;	/* at least 1 */
};

struct hf_block {
	const char *name; /* for people: "eth0 ingress default" */
	uint32_t n_rules; /* at least 1 */
	uint32_t n_pieces;
	const struct hf_rule *rules;   /* two tables with the same pointer have the same block */
	const struct hf_piece *pieces; /* in order; every rule is in one of them */
};

struct hf_path {
	uint16_t in; /* interface index; HF_IF_HOST for packets this host makes */
	enum hf_class class;
	uint32_t block; /* where the walk starts */
};

/* A packet sorted: the numbers a table walk needs. Fill with hf_rules_sort(), or by hand. */
struct hf_key {
	uint16_t in;
	uint16_t out;	   /* after DNAT */
	uint16_t wire_out; /* before; differs from out only when the host makes the packet */
	enum hf_class class;
	uint8_t proto;
	uint8_t icmp_type;
	uint8_t icmp_code;
	enum hf_ct ct;
	bool dnated;
	struct hf_addr src;
	struct hf_addr dst;	 /* after DNAT */
	struct hf_addr wire_dst; /* before */
	uint16_t sport;
	uint16_t dport;	     /* after DNAT */
	uint16_t wire_dport; /* before */
};

struct hf_decision {
	enum hf_verdict verdict;
	uint32_t origin;
	uint32_t block; /* where it was decided */
	uint32_t rule;	/* its place in the block */
};

/* Flattens a model. On failure *ret is untouched and err names the policy rule at fault. */
int hf_rules_build(const struct hf_model *model, struct hf_rules **ret, struct hf_err *err);
/*
 * The same as a table that follows previous (NULL: none), which makes no difference but in time, in
 * numbers and in ids. What it takes to follow goes from previous to the new one, or is lost in a
 * failure: whoever follows previous once more is made anew. Nothing that readers see of previous
 * changes.
 */
int hf_rules_follow(const struct hf_model *model, struct hf_rules *previous, struct hf_rules **ret,
	struct hf_err *err);
void hf_rules_free(struct hf_rules *rules);

size_t hf_rules_n_ifaces(const struct hf_rules *rules);
const struct hf_iface *hf_rules_iface(const struct hf_rules *rules, size_t i);
size_t hf_rules_n_dests(const struct hf_rules *rules); /* longest prefixes first */
const struct hf_dest *hf_rules_dest(const struct hf_rules *rules, size_t i);
size_t hf_rules_n_dnats(const struct hf_rules *rules);
const struct hf_dnat *hf_rules_dnat(const struct hf_rules *rules, size_t i);
size_t hf_rules_n_sets(const struct hf_rules *rules);
const struct hf_set *hf_rules_set(const struct hf_rules *rules, size_t i);
/* Sets of the same id have the same nets and members. */
uint64_t hf_rules_set_id(const struct hf_rules *rules, size_t i);
/*
 * Tables of the same id have the same interfaces, destinations, dnats, paths with the numbers of
 * their blocks, and the same kernel policy.
 */
uint64_t hf_rules_facts_id(const struct hf_rules *rules);
size_t hf_rules_n_blocks(const struct hf_rules *rules);
const struct hf_block *hf_rules_block(const struct hf_rules *rules, size_t i);
size_t hf_rules_n_paths(const struct hf_rules *rules);
const struct hf_path *hf_rules_path(const struct hf_rules *rules, size_t i);
size_t hf_rules_n_origins(const struct hf_rules *rules);
const char *hf_rules_origin(const struct hf_rules *rules, size_t i);
/* Where the origin's policy rule was read, "file:line:column"; "" when it is none or nobody knows.
 */
const char *hf_rules_place(const struct hf_rules *rules, size_t i);
/* Lets texts of origins and places live as long as arena does. 0 or -ENOMEM. */
int hf_rules_keep(const struct hf_rules *rules, struct hf_arena *arena);

/*
 * Policy rules that no packet can reach, for reports; sorted by origin. A rule that lives
 * on somewhere (another endpoint, another list) is not among them.
 */
struct hf_dead {
	const char *origin;
	const char *place; /* "file:line:column", "" when unknown */
	/*
	 * "set-empty"; "shadowed" by what stands before it; "no-family": docs/semantics.md 11.2
	 * leaves it out of both families; "no-protocol": its conditions exclude each other.
	 */
	const char *reason;
};
size_t hf_rules_n_dead(const struct hf_rules *rules);
const struct hf_dead *hf_rules_dead(const struct hf_rules *rules, size_t i);

/* What NO_DECISION becomes for a path: HF_VERDICT_ALLOW or HF_VERDICT_DENY (HostFacts
 * kernelPolicy). */
enum hf_verdict hf_rules_kernel_policy(
	const struct hf_rules *rules, enum hf_from from, enum hf_class class);

/* Index of a named interface, or -ENOENT. "" gives HF_IF_HOST. */
int hf_rules_find_iface(const struct hf_rules *rules, const char *name);
/* The path, or NULL when no interface has that index. */
const struct hf_path *hf_rules_find_path(
	const struct hf_rules *rules, uint16_t in, enum hf_class class);
/* Longest prefix match; never NULL (the table ends with a default for each family). */
const struct hf_dest *hf_rules_find_dest(const struct hf_rules *rules, const struct hf_addr *dst);
const struct hf_dnat *hf_rules_find_dnat(
	const struct hf_rules *rules, uint8_t proto, const struct hf_addr *dst, uint16_t dport);

bool hf_match_has(
	const struct hf_rules *rules, const struct hf_match *match, const struct hf_key *key);

/*
 * Turns a packet into a key: DNAT by the packet's own word or by the facts (first backend when
 * there are several; port 0 leaves the port as it is), class and leaving interface by the
 * destination. What the host sends to an address of its own leaves by lo; what it sends to
 * broadcast or multicast leaves by the default route, although its class is host. Errors: -ENOENT
 * for an interface that the host does not have, -EINVAL for addresses of different families.
 */
int hf_rules_sort(const struct hf_rules *rules, const struct hf_packet *pkt, struct hf_key *ret,
	struct hf_err *err);

/* First match by linear walk. Does not allocate, lock or call the system: fit for the packet path.
 */
struct hf_decision hf_rules_lookup(const struct hf_rules *rules, const struct hf_key *key);

/* One rule a line, in order. The text is stable; golden tests rely on it. */
void hf_rules_print(const struct hf_rules *rules, FILE *out);
/* The same as JSON; docs/flowgen-json.md. Returns 0 or -EIO. */
int hf_rules_print_json(const struct hf_rules *rules, FILE *out);
