/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the files of this folder share while one model is made. Nothing of it outlives
 * hf_model_build(): what stays is in the model's arena, the rest in tmp.
 *
 * Order of work: special (configuration), scope (who has which labels), host (interfaces and who
 * governs them), order (tiers of every endpoint, which builds rules and through them sets), dest,
 * dnat, and last the checks of warn.
 */

#pragma once

#include <hepflow/base/arena.h>
#include <hepflow/base/vec.h>
#include <hepflow/err.h>

#include "model/model.h"
#include "policy/objects.h"
#include "policy/selector.h"

/* Out of memory leaves hh.tbl NULL instead of ending the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Limits of what one model may hold; docs/limits.md. */
#define HF_MODEL_IFACES_MAX   16384u	/* indexes are 16 bits wide and 0xffff is taken */
#define HF_MODEL_MEMBERS_MAX  4000000u	/* nets and members of one set: memory, about 100 MB */
#define HF_MODEL_TOTAL_MAX    16000000u /* nets and members of all sets: memory, about 400 MB */
#define HF_MODEL_LABELS_MAX   5000000u	/* of all endpoints and sets, inherited ones too: 500 MB */
#define HF_MODEL_WORK_MAX     1000000000u /* labels looked at for selectors: half a minute */
#define HF_MODEL_TIERS_MAX    16000000u	  /* policies of the tiers of all endpoints: 1 GB */
#define HF_MODEL_DNATS_MAX    1000000u
#define HF_MODEL_BACKENDS_MAX 65535u /* n_to of struct hf_dnat is 16 bits wide */

#define HF_LABEL_NS	      "projectcalico.org/namespace"
#define HF_LABEL_SA	      "projectcalico.org/serviceaccount"
#define HF_LABEL_ORCHESTRATOR "projectcalico.org/orchestrator"
#define HF_LABEL_NAME	      "projectcalico.org/name"
#define HF_PREFIX_NS	      "pcns."
#define HF_PREFIX_SA	      "pcsa."
#define HF_PROFILE_ALLOW      "projectcalico-default-allow"

enum hf_subject_kind {
	HF_SUBJECT_HEP,
	HF_SUBJECT_WEP,
	HF_SUBJECT_NETSET,
};

/* What selectors choose from: endpoints of all nodes and network sets; docs/semantics.md 11.6. */
struct hf_subject {
	enum hf_subject_kind kind;
	const struct hf_meta *meta;
	const char *ns;		 /* NULL = none */
	const char *sa;		 /* NULL = none */
	struct hf_labels labels; /* own, inherited and implicit ones, sorted by key */
	struct hf_nets nets;	 /* what it adds to a set */
	struct hf_endpoint_ports ports;
	bool warned; /* that it has no address */
};

/* One condition of a scope; prefix stands before every label the selector asks for. */
struct hf_scope_part {
	const struct hf_selector *sel;
	const char *prefix;
	bool negate;
};

/* A conjunction that says which subjects are meant; docs/semantics.md 11.5. */
struct hf_scope {
	unsigned int n_parts;
	struct hf_scope_part parts[4];
	const char *ns;		  /* only this namespace; NULL = any */
	struct hf_names sa_names; /* only these service accounts; n == 0 = any */
	uint64_t cost;		  /* labels that one hf_scope_has() looks at */
};

/* One label of a subject, sorted by key, value and subject. */
struct hf_label_slot {
	const char *key;
	const char *value;
	uint32_t subject;
};

/* The subjects that a scope may mean: those of n slots, or (v NULL) the first n. */
struct hf_pick {
	const struct hf_label_slot *v;
	size_t n;
};

/* A policy on its way into tiers: rules are built when the first endpoint is selected. */
struct hf_pol {
	const struct hf_policy_obj *obj;
	const char *key; /* breaks ties of order: name/namespace/kind */
	const char *id;
	struct hf_scope scope;
	bool selects;	   /* something on this node */
	UT_hash_handle hh; /* by obj->ref, if it has one */
	bool built;
	struct hf_model_policy in;
	struct hf_model_policy out;
};

struct hf_tier_slot {
	const char *name;
	const char *origin;
	bool exists;
	bool default_pass;
	double order;
	size_t first; /* its policies within hf_build.pols */
	size_t n;
};

struct hf_iface_info {
	bool down;
	bool candidate; /* a specific host endpoint may govern it */
	HF_VEC(struct hf_prefix) addrs;
	HF_VEC(struct hf_prefix) sources;
};

struct hf_iface_slot {
	char name[HF_IFNAME_SIZE];
	int index;
	UT_hash_handle hh;
};

struct hf_profile_slot {
	const char *name;
	struct hf_model_profile *profile;
	UT_hash_handle hh;
};

/* What a set is asked for with. */
enum hf_ask_kind {
	HF_ASK_NETS, /* of those whom scope means */
	HF_ASK_PORT, /* the same: addresses with their port of a name */
	HF_ASK_SERVICE,
	HF_ASK_IPSETS, /* that Felix has resolved */
};

struct hf_ask {
	enum hf_ask_kind kind;
	const char *name; /* the set's */
	const char *key;  /* says all of it: sets of the same key are one */
	const struct hf_scope *scope;
	const char *port;
	int proto; /* < 0: any */
	const char *ns;
	const char *service;
	bool ports; /* of a service: addresses with ports */
	struct hf_names ids;
	bool all; /* what is in all of ids, else in any */
};

/* A set that models can have in common, and what it takes to make it again. */
struct hf_set_note {
	struct hf_arena *arena;	    /* of this, and keeps the other */
	struct hf_arena *set_arena; /* of the set */
	uint64_t id;
	struct hf_set set;
	struct hf_ask ask;
	bool loud; /* whoever asks for it is to be told something, so it is made each time */
	size_t n_from;
	const uint64_t *from; /* ids of the objects that it was collected from, sorted */
};

/* A set on its way, by number. */
struct hf_set_entry {
	const struct hf_set_note *note; /* NULL: nobody's */
	uint64_t hole_id;		/* of the model before, for nobody's */
	bool used;
	bool fresh; /* else it is of the model before and has to be made again */
};

#define HF_NEWS_MAX 16u /* objects: beyond it all sets are made again */

/* Objects that sets are made of and only this model, or the one before, has. */
struct hf_news {
	bool all;    /* too many, or labels that others inherit: matters to scopes */
	bool ipsets; /* too many of Felix' sets */
	bool slices; /* some slices among them */
	size_t n_gone, n_came;
	uint64_t gone[HF_NEWS_MAX], came[HF_NEWS_MAX]; /* ids */
};

struct hf_set_slot {
	const char *key;
	uint32_t index;
	UT_hash_handle hh;
};

/* Rules of a policy that depend on its object alone: part.c. */
struct hf_model_part {
	uint64_t id; /* hf_meta.id */
	struct hf_arena *arena;
	struct hf_model_rules in;
	struct hf_model_rules out;
	const char *where; /* of the last rule, for warnings; NULL: no rules */
	size_t n_sets;
	const uint32_t *sets; /* numbers of the sets that the rules name */
	UT_hash_handle hh;
};

struct hf_build {
	const struct hf_objects *objs;
	const struct hf_model *previous;  /* or NULL */
	const struct hf_facts_obj *facts; /* of this node, or NULL */
	struct hf_felix_obj felix;	  /* "default" and "node.NAME" laid over each other */
	struct hf_model *m;
	struct hf_arena *arena; /* the model's own, or that of a part */
	struct hf_arena *tmp;
	struct hf_err *err;
	const char *where; /* place of the rule or object at hand, for warnings */

	size_t n_subjects;
	struct hf_subject *subjects; /* hosts, pods, sets: each in the order of objs */

	size_t n_labels;	      /* of all subjects */
	struct hf_label_slot *labels; /* NULL until a set asks for it */
	uint64_t work;
	uint64_t n_tier_pols; /* of all endpoints */
	uint64_t n_set_items; /* nets and members of all sets */

	size_t n_pols;
	struct hf_pol **picked;		 /* room for all of pols */
	struct hf_model_tier *tier_room; /* room for all tiers */
	struct hf_pol *pols;		 /* by tier, then in order of evaluation */
	struct hf_pol *pols_by_ref;
	size_t n_tiers;
	struct hf_tier_slot *tiers;

	HF_VEC(struct hf_model_iface) ifaces;
	HF_VEC(struct hf_iface_info) infos; /* same indexes */
	struct hf_iface_slot *iface_slots;
	struct hf_model_endpoint **heps; /* per objs->hep; NULL = of another node */
	struct hf_model_endpoint **weps;

	struct hf_profile_slot *profiles;
	struct hf_set_slot *set_slots; /* of all sets, once somebody asks */
	HF_VEC(struct hf_set_entry) sets;
	bool indexed;		/* they are in set_slots */
	uint32_t n_special;	/* sets that every model has, the first ones */
	HF_VEC(uint32_t) asked; /* numbers of sets, in the order in which they were asked for */
	bool quiet;		/* nobody asks: not to be warned of */
	struct hf_news news;
	HF_VEC(const char *) warnings;
};

/* build.c */
int hf_build_objects(const struct hf_objects *objs, const struct hf_model_opts *opts,
	struct hf_model **ret, struct hf_err *err);
int hf_build_oom(struct hf_build *b);
/* "file:line:col", or "" without a line; in the model's arena. NULL: out of memory. */
const char *hf_build_place(struct hf_build *b, const struct hf_place *place);
/* Writes v as text of at most HF_DIGITS_MAX, without a NUL; returns where it ends. By hand: every
 * rule has a few. */
#define HF_DIGITS_MAX 10
char *hf_build_digits(char *at, uint32_t v);
/* An object of a list that is sorted by namespace and name, or NULL. */
const void *hf_build_find(const void *v, size_t n, size_t size, const char *ns, const char *name);
#define HF_BUILD_FIND(list, ns, name) hf_build_find((list).v, (list).n, sizeof(*(list).v), ns, name)

/* warn.c */
int hf_warn(struct hf_build *b, const char *code, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int hf_warn_meta(struct hf_build *b, const char *code, const struct hf_meta *meta, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));
int hf_warn_checks(struct hf_build *b);

/* special.c */
int hf_special_init(struct hf_build *b, unsigned int calico);
/* Peers and service nets, which are sets. */
int hf_special_sets(struct hf_build *b);

/* scope.c, index.c */
int hf_scope_init(struct hf_build *b);
/* Which endpoints a policy is for. */
int hf_scope_policy(struct hf_build *b, const struct hf_policy_obj *obj, struct hf_scope *ret);
/* The peers of one side of a rule; ret_not holds a notSelector that stands alone. */
int hf_scope_entity(struct hf_build *b, const struct hf_entity *e, const char *ns,
	struct hf_scope *ret, struct hf_scope *ret_not);
bool hf_scope_given(const struct hf_scope *scope);
bool hf_scope_has(const struct hf_scope *scope, const struct hf_subject *subject);
/* Counts n comparisons of labels made for what stands at place; -E2BIG when it is enough. */
int hf_build_work(struct hf_build *b, uint64_t n, const char *place);
/* Whom to ask with hf_scope_has(); the work is counted. */
int hf_index_pick(struct hf_build *b, const struct hf_scope *scope, struct hf_pick *ret);
struct hf_subject *hf_index_at(struct hf_build *b, const struct hf_pick *pick, size_t i);
/* Canonical text in tmp, or NULL: out of memory. */
const char *hf_scope_text(struct hf_build *b, const struct hf_scope *scope);

/* sets.c */
int hf_sets_scope(struct hf_build *b, const struct hf_scope *scope, bool positive, uint32_t *ret);
/* proto < 0: any protocol */
int hf_sets_port(struct hf_build *b, const struct hf_scope *scope, const char *name, int proto,
	bool positive, uint32_t *ret);
int hf_sets_service(
	struct hf_build *b, const char *ns, const char *name, bool ports, uint32_t *ret);
/*
 * Sets that Felix has resolved: what is in all of them, or in any of them. what is for people and
 * part of the name. -EINVAL for an id that nobody has sent.
 */
int hf_sets_all_of(struct hf_build *b, const struct hf_names *ids, uint32_t *ret);
int hf_sets_any_of(struct hf_build *b, const struct hf_names *ids, uint32_t *ret);
/* take_v is sorted and freed here, also on failure. */
int hf_sets_nets(
	struct hf_build *b, const char *name, struct hf_prefix *take_v, size_t n, uint32_t *ret);
/* Makes a set of the model before again. */
int hf_sets_refresh(struct hf_build *b, uint32_t at);
/* Sorts, and drops what another prefix covers; returns how many stay. */
size_t hf_sets_pack(struct hf_prefix *v, size_t n);
void hf_sets_fini(struct hf_build *b);

/* next.c */
int hf_next_init(struct hf_build *b);
int hf_next_sets(struct hf_build *b);
int hf_next_freeze(struct hf_build *b);
bool hf_news_gone(const struct hf_news *news, uint64_t id);
/* The endpoint or network set of that id, or NULL. */
struct hf_subject *hf_scope_find(struct hf_build *b, uint64_t id);
uint32_t hf_set_reserve(struct hf_build *b);
int hf_set_remember(struct hf_build *b, uint32_t at);
int hf_set_lookup(struct hf_build *b, const char *key, uint32_t *ret); /* HF_NO_SET: none */
int hf_set_asked(struct hf_build *b, uint32_t at);
/*
 * Lets the model have the set, made again if need be. Not quiet: whoever names it has to ask for
 * it.
 */
int hf_set_use(struct hf_build *b, uint32_t at, bool *ret_quiet);
int hf_ask_copy(struct hf_build *b, struct hf_set_note *note, const struct hf_ask *ask);

/* rule.c */
int hf_rule_build(struct hf_build *b, const struct hf_policy_rules *rules, const char *origin,
	const char *ns, struct hf_model_rules *ret);
/* What warnings call the rule by. */
const char *hf_rule_where(const struct hf_model_rule *rule);
int hf_rule_profiles(
	struct hf_build *b, const struct hf_names *names, struct hf_model_endpoint *ep);

/* part.c */
struct hf_part_work {
	struct hf_arena *outer;
	struct hf_arena *arena;
	size_t n_asked;
	size_t n_warnings;
};
/* *ret: what the model before has made of the object, now this one's as well; or NULL. */
int hf_part_find(struct hf_build *b, uint64_t id, const struct hf_model_part **ret);
/* Between them b->arena is the part's. hf_part_end() also after a failure. */
int hf_part_begin(struct hf_build *b, struct hf_part_work *w);
int hf_part_end(struct hf_build *b, const struct hf_part_work *w, struct hf_model_part *part);

/* order.c */
int hf_order_init(struct hf_build *b);
int hf_order_endpoint(
	struct hf_build *b, const struct hf_subject *subject, struct hf_model_endpoint *ep);
/* listed.c: the same for an endpoint whose tiers are given. */
int hf_order_listed(
	struct hf_build *b, const struct hf_tier_lists *lists, struct hf_model_endpoint *ep);
/* Makes the rules of a policy if that has not been done. */
int hf_order_build_policy(struct hf_build *b, struct hf_pol *pol);
int hf_order_count(struct hf_build *b, size_t n_policies); /* -E2BIG beyond HF_MODEL_TIERS_MAX */

/* host.c, endpoint.c */
int hf_host_ifaces(struct hf_build *b);
int hf_host_endpoints(struct hf_build *b);
/* Index in b->ifaces, or -ENOENT. */
int hf_host_find(const struct hf_build *b, const char *name);

/* dest.c, dnat.c */
int hf_dest_build(struct hf_build *b);
int hf_dnat_build(struct hf_build *b);
