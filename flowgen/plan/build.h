/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the ways of lowering (grouped.c, drops.c, flat.c) share while a plan is built.
 */

#pragma once

#include "addrs.h"
#include "accounts.h"
#include "cube.h"
#include "items.h"
#include "memory.h"
#include "ports.h"
#include "runs.h"
#include "sight.h"

#include <hepflow/nic.h>
#include <hepflow/plan.h>
#include <hepflow/rules.h>

#include <hepflow/base/arena.h>
#include <hepflow/base/vec.h>

struct hf_plan {
	struct hf_arena *arena;
	const char *iface;
	const char *nic;
	enum hf_fallback fallback;
	struct hf_eswitch eswitch;
	size_t n_tables;
	const struct hf_table *tables;
	size_t n_entries;
	HF_VEC(struct entry_run) runs; /* of all of them, in order */
	struct accounts *accounts;
	struct memory *memory; /* NULL: no plan can have entries in common with it */
	size_t n_origins;
	const char *const *origins;
	const char *const *places; /* of the origins */
	enum hf_prio_order order;
	uint32_t first_path; /* index of the first table of a path; 0: there is none */
	struct port_map ports;
	struct addr_map *addrs[2]; /* source, destination; NULL: none */
	uint32_t capacity;	   /* UINT32_MAX: no known limit */
	bool fragments_match_l4;   /* as the profile says, for hf_plan_judge() */
	bool type_scope;
	struct keep_box *keep; /* NULL: nothing is handed on */
};

/* What a plan hands on may be taken although the plan is constant; keep.h. */
struct flat_keep;
struct keep_box {
	_Atomic(struct flat_keep *) v;
};
void hf_keep_box_free(struct keep_box *box);

struct builder {
	const struct hf_rules *rules;
	const struct hf_nic *nic;
	const struct hf_engine *engine;
	uint16_t in;
	struct items_opts items;
	uint32_t capacity; /* UINT32_MAX = no limit */
	uint32_t classify_from;
	struct hf_eswitch eswitch;
	/* With an e-switch: what the host sends by this interface; empty: nothing is known to pass.
	 */
	struct items sent[2];
	size_t looks;			 /* at items of these that may still be taken */
	const struct hf_engine *carrier; /* of reserved entries; NULL: there are none */
	bool reserved;			 /* entries that are made now are */
	uint64_t *weights;		 /* packets by origin, or NULL */
	const struct hf_plan *previous;
	struct hf_plan *plan;
	HF_VEC(struct hf_table) tables;
	HF_VEC(struct hf_entry) entries;
	struct tally *tallies;	      /* per origin */
	struct miss_list *misses;     /* NULL, or where misses are listed instead */
	const struct memory *follows; /* of the plan before, where its entries can be kept */
	struct avoid avoid;	      /* of what it has */
	bool failed;		      /* out of memory */
	bool cut;		      /* something did not fit */
	bool ended;		      /* a table had no more priorities */
	uint64_t fitted;	      /* cubes before that */
	bool short_denies;
	uint32_t denied;	  /* index of that table; 0: there is none */
	struct addr_map *maps[2]; /* that the plan may have: source, destination; NULL: none */
};

/* A table in front costs every packet a look-up: so many entries must be saved by it. */
#define HF_CLASSIFY_FROM 64

/* How a block of the rules is written into the tables of the uplink's paths. */
struct hf_use {
	uint64_t times;
	bool guarded; /* somewhere established packets have been accepted before */
};
/* By block; to be freed. NULL: no memory. */
struct hf_use *hf_build_uses(const struct builder *b);
/* Whether the engine carries a tag from table to table. */
bool hf_build_has_tags(const struct hf_engine *engine);

/* The engine policy goes to: the first that can drop and match addresses, of packets that arrive
 * or, where that is asked for, of the e-switch. NULL: none. */
const struct hf_engine *hf_plan_engine(const struct hf_nic *nic, bool eswitch);
/* That of reserved entries: the first that can match addresses and do nothing but choose a queue,
 * and where any sound entries may stand side by side. NULL: none. */
const struct hf_engine *hf_plan_carrier(const struct hf_nic *nic);
/* Entry i, which must be there: a look-up among the runs. */
const struct hf_entry *hf_plan_at(const struct hf_plan *plan, size_t i);
/* Appends n entries of buf, none for 0, and keeps it. Returns 0 or -ENOMEM. */
int hf_plan_add_run(struct hf_plan *plan, struct entry_buf *buf, const struct hf_entry *v, size_t n,
	bool inner);
/* An entry as the driver is asked for it; see hf_plan_flow(). plan: its tables and e-switch. */
void hf_entry_flow(const struct hf_plan *plan, const struct hf_nic *nic, const struct hf_entry *e,
	uint16_t n_queues, struct hf_flow *ret);
/* Returns 0 or -ENOMEM. */
int hf_build_entry(struct builder *b, const struct hf_entry *entry);
/* Tallies something that is not in hardware. */
void hf_build_miss(struct builder *b, uint32_t origin, enum hf_reason reason, uint32_t detail);
/* Whether the host has a VLAN interface on top of the uplink, so that tags matter. */
bool hf_build_has_vlan(const struct builder *b);
/* Tallies what the items had no room for. */
void hf_build_miss_lost(struct builder *b, const struct items *items, enum hf_reason reason);
/* Tallies all items of a path as missed. */
void hf_build_miss_items(struct builder *b, const struct items *items, enum hf_reason reason);

/* Tallies all items of all paths of the uplink. Returns 0 or -ENOMEM. */
int hf_build_miss_all(struct builder *b, enum hf_reason reason);

/* For engines with groups and priorities; the same where only drops are asked for, in one group;
 * and for those without. Return 0 or -ENOMEM. */
int hf_lower_grouped(struct builder *b);
int hf_lower_drops(struct builder *b);
int hf_lower_flat(struct builder *b);

/*
 * The tables in front of those of the paths (front.c): root, sources, destinations and ports where
 * there are maps of them, and class. hf_front_add() adds the tables, hf_front_lower() their
 * entries, of which there are at most hf_front_size().
 */
struct path_table {
	enum hf_class class;
	uint16_t out;
	uint32_t table;
};
/* What the rules of a path's table decided by the last counters; there are weights. */
uint64_t hf_build_path_weight(const struct builder *b, const struct path_table *pt);
int hf_front_add(struct builder *b);
/*
 * All tables of a grouped plan, in the form that the builder has; pts has room for one a
 * destination. Of the form that is taken hf_lower_rest() makes what is in front, and numbers.
 */
int hf_lower_tables(struct builder *b, struct path_table *pts);
int hf_lower_rest(struct builder *b, struct path_table *pts);
size_t hf_front_size(const struct builder *b);
int hf_front_lower(struct builder *b, const struct path_table *pts, size_t n_pts);
/* Adds a table; its group is its index. Returns 0 or -ENOMEM. */
int hf_build_table(struct builder *b, const char *name);
/* The last entry of a table, or the last of one layer. */
int hf_build_punt_rest(struct builder *b, uint32_t table, uint32_t priority, enum hf_layer layer,
	enum hf_reason reason);

/* Fields of the ports of a protocol that has some, else NULL. */
struct port_fields {
	uint8_t proto;
	enum hf_field sport, dport;
};
const struct port_fields *hf_port_fields(unsigned int proto);

/*
 * Gives the tables of paths their groups and the levels of their entries, as lowered, their
 * priorities: label.c. previous: NULL, or the plan whose numbers are kept where it can be. The two
 * last priorities are left as they are, 0 is given to none. Returns 0 or -ENOMEM.
 */
int hf_label_plan(struct builder *b, const struct hf_plan *previous);
/* The same where the spans of the builder's plan are partly kept; -EAGAIN when there is no room
 * between these. */
int hf_label_spans(struct builder *b, const struct hf_plan *previous);

/* A packet as the NIC's parser hands it to the tables: layers and header. Whether an entry takes
 * it. */
uint32_t hf_judge_parse(
	const struct hf_plan *plan, const struct hf_packet *pkt, struct hf_hdr *ret);
bool hf_judge_match(const struct hf_plan *plan, const struct hf_entry *e, uint32_t layers,
	const struct hf_hdr *h);

/* What a jump writes on the packet. */
void hf_judge_tag(const struct hf_entry *e, struct hf_hdr *h);

/* The reason of that name. */
enum hf_reason hf_reason_find(const char *name);

/* Pattern making. A field whose value is any is not put in. */
struct shape {
	const struct hf_engine *engine;
	struct hf_pattern pattern;
	enum hf_reason reason; /* HF_REASON_NONE, or why the pattern is wider than asked */
	uint32_t detail;       /* enum hf_field */
};
void hf_shape_init(struct shape *s, const struct hf_engine *engine, uint8_t family);
/* Puts value under mask into field f, or notes that the engine cannot. Both are network order. */
void hf_shape_put(struct shape *s, enum hf_field f, const void *value, const void *mask);
void hf_shape_put_port(struct shape *s, enum hf_field f, uint16_t value, uint16_t mask);
/* Asks for value in these bits of the tag, in addition to those already asked for. */
void hf_shape_put_tag(struct shape *s, uint32_t value, uint32_t bits);
void hf_shape_put_prefix(struct shape *s, enum hf_field f, const struct hf_prefix *p);
void hf_shape_put_proto(struct shape *s, uint8_t family, unsigned int proto);
/* Whether the pattern is as asked and the driver would take an entry with it; *entry has its fate
 * and gets the pattern. */
bool hf_build_takes(const struct builder *b, const struct shape *s, struct hf_entry *entry);
