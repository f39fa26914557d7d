/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The inside of struct hf_soft, shared by the files of this folder.
 *
 * A generation is everything a burst looks up: the rules, and what was worked out from them and
 * the wires when they were published. It is complete before workers see it; only counts move.
 */

#pragma once

#include "classify.h"
#include "ct.h"
#include "flat.h"
#include "frag.h"
#include "key.h"
#include "nat.h"
#include "soft.h"
#include "tap.h"
#include "xlat.h"

#include <hepflow/rules.h>

#include <rte_common.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include <pthread.h>

#define HF_NO_ORIGIN UINT32_MAX
#define HF_NO_IFACE  HF_IF_ANY

/* struct hf_soft.capture: a bit for each reason, above them the wire and 1, or 0 for any. */
#define HF_CAPTURE_WIRE_SHIFT 40
#define HF_CAPTURE_REASONS    ((UINT64_C(1) << HF_CAPTURE_WIRE_SHIFT) - 1)

#define HF_SET(field, value)  __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define HF_GET(field)	      __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* One writer; readers of other threads may be a packet behind. */
static inline void hf_count(struct hf_soft_count *c, uint64_t packets, uint64_t bytes)
{
	HF_SET(c->packets, c->packets + packets);
	HF_SET(c->bytes, c->bytes + bytes);
}

/* An interface on top of a wire by its tags: NAME.VID or NAME.VID.VID. */
struct hf_tagged {
	uint16_t vlan[HF_VLAN_TAGS_MAX]; /* outermost first; 0: no such tag */
	uint16_t iface;
};

/* A wire as one generation sees it. */
struct hf_gen_wire {
	bool used;
	enum hf_soft_role role;
	uint32_t zone;
	uint16_t iface;	      /* HF_NO_IFACE: the host has none of this name */
	uint32_t offer_after; /* packets; 0: connections are not offered to the NIC */
	bool pairs;	      /* hf_soft_set_pairs() */
	bool delivers;	      /* hf_soft_set_delivers() */
	uint32_t n_tagged;
	const struct hf_tagged *tagged; /* few: looked through in order */
};

/* Protocols apart by what rules usually tell apart. */
enum hf_calm_group {
	HF_CALM_TCP,
	HF_CALM_UDP,
	HF_CALM_ICMP, /* of both families */
	HF_CALM_OTHER,
	HF_CALM_N_GROUPS,
};

struct hf_gen_iface {
	bool wired; /* what it takes in was judged on a wire of ours */
	enum hf_from from;
	/*
	 * HF_CT_BITs of the states in which no rule refuses a packet of the group that comes in
	 * (goes out) by this interface, or takes it from conntrack: it need not be judged.
	 */
	uint8_t calm[HF_SOFT_N_DIRS][HF_CALM_N_GROUPS];
};

static inline enum hf_calm_group hf_calm_group(uint8_t proto)
{
	if (proto == HF_PROTO_TCP)
		return HF_CALM_TCP;
	if (proto == HF_PROTO_UDP)
		return HF_CALM_UDP;
	return proto == HF_PROTO_ICMP || proto == HF_PROTO_ICMPV6 ? HF_CALM_ICMP : HF_CALM_OTHER;
}

/* A backend of a rewritten destination. */
struct hf_backend {
	uint8_t proto; /* 0: any, whatever the port */
	struct hf_addr addr;
	uint16_t port;
	const struct hf_dnat *dnat;
};

/*
 * What rules are looked up in: a classifier of their own, or one of older rules with a delta until
 * theirs is built. Constant, but replaced during the life of its generation.
 */
struct hf_tables {
	struct hf_classifier *classifier; /* NULL: too large, the rules are walked */
	struct hf_delta *delta;		  /* NULL: the classifier is of the rules themselves */
	struct hf_flat *flat;		  /* NULL: there is none, or not yet, or a delta */
	bool flat_tried;
	/* The control thread's, once replaced: */
	struct hf_tables *older;
	uint64_t token;
};

/* Rules that are to be given back, once nothing looks at them any more. */
struct hf_held {
	const struct hf_rules *rules;
	struct hf_held *next;
};

struct hf_gen {
	const struct hf_rules *rules;
	struct hf_tables *tables; /* atomic: to be read once a burst */
	struct hf_spans dests;	  /* dest.c */
	uint32_t *dests_refs;	  /* generations that share them */
	unsigned int n_workers;
	size_t n_ifaces;
	struct hf_gen_iface *ifaces;
	struct hf_gen_wire wires[HF_SOFT_WIRES_MAX];
	struct hf_tagged *tagged;
	uint32_t number;    /* from 1, of those with reclassify; else 0 */
	bool *denies;	    /* by origin: a rule; NULL: whatever does not allow counts */
	uint32_t conn_mark; /* what packets of offered connections carry; offer.c */
	bool *logs;	    /* by block: it logs, or leads to one that does; NULL: none does */
	size_t n_backends;
	struct hf_backend *backends; /* sorted by hf_backend_cmp() */
	bool *loose; /* by hf_rules_dnat(): of more than HF_BACKENDS_MAX, not all behind wires */
	size_t n_origins;
	struct hf_soft_count *counts[HF_SOFT_WORKERS_MAX]; /* by origin */
	/* The control thread's: */
	struct hf_held *held;	       /* for when it is gone */
	struct hf_soft_count *carried; /* from generations that are gone */
	struct hf_gen *older;	       /* replaced, and perhaps still in use */
	bool linked;		       /* from_older is right */
	uint32_t *from_older;	       /* index of an origin there, or HF_NO_ORIGIN */
	uint64_t token;		       /* workers that have reported since then do not use it */
};

struct hf_worker {
	struct hf_ct_table *ct;
	struct hf_xlat_table *xlat;
	struct hf_frag_table *frag;
	struct hf_tap *tap;
	struct hf_memo *memo;
	uint64_t listed;	 /* atomic: packets that a list has decided */
	struct rte_ring *offers; /* tickets (ct.h) */
	uint64_t offers_lost;
	struct rte_ring *touches; /* tickets, of connections that live in a NIC */
	struct hf_soft_count reasons[HF_SOFT_N_REASONS];
	struct hf_soft_wire_counts wires[HF_SOFT_WIRES_MAX][HF_SOFT_N_DIRS];
} __rte_cache_aligned;

struct hf_wire {
	bool used;
	char name[HF_IFNAME_SIZE];
	enum hf_soft_role role;
	uint32_t zone;
	uint32_t offer_after;
	bool pairs;
	bool delivers;
	/* Counts of an earlier wire in this place. */
	struct hf_soft_wire_counts base[HF_SOFT_N_DIRS];
};

/* What a thread builds aside: a classifier, or, over one that there is, lists. */
struct hf_behind {
	bool running;
	bool done; /* atomic */
	pthread_t thread;
	const struct hf_rules *rules;
	struct hf_classifier *base; /* of the lists; a reference */
	enum hf_flat_choice lists;
	struct hf_classifier *classifier; /* once done, if rc is 0 */
	struct hf_flat *flat;		  /* the same */
	int rc;
};

struct hf_soft {
	struct hf_gen *gen; /* atomic: workers read it once a burst */
	/* The control thread's: */
	struct hf_tables *retired; /* replaced, and perhaps still in use */
	struct hf_held *held;	   /* the oldest first */
	struct hf_behind behind;
	size_t aside_from; /* hf_soft_opts.aside_from */
	enum hf_flat_choice lists;
	struct rte_rcu_qsbr *qsbr;
	struct hf_worker *workers[HF_SOFT_WORKERS_MAX];
	unsigned int n_workers;
	uint64_t hz;
	struct hf_nat *nat;
	uint32_t last_zone;
	uint32_t conn_mark; /* of the last generation */
	enum hf_soft_reclassify reclassify;
	enum hf_soft_ambiguous ambiguous;
	uint32_t last_number; /* of generations */
	uint64_t capture;     /* atomic: HF_CAPTURE_*; 0: nothing is captured */
	struct hf_wire wires[HF_SOFT_WIRES_MAX];
};

/* gen.c. For the control thread. -ENOMEM. */
int hf_gen_new(const struct hf_soft *soft, const struct hf_rules *rules, struct hf_gen **ret,
	struct hf_err *err);
void hf_gen_free(struct hf_gen *gen);

/*
 * tables.c. For the control thread. Tables that hold at once: those of the current generation with
 * a delta if they take long to build. -ENOMEM.
 */
int hf_tables_new(const struct hf_soft *soft, const struct hf_rules *rules, struct hf_tables **ret);
void hf_tables_free(struct hf_tables *tables);
/* Begins to build aside what the current generation lacks. */
void hf_tables_build(struct hf_soft *soft);
/* Puts in force what has been built aside, and frees what that has replaced. */
void hf_tables_take(struct hf_soft *soft);
/* Do tables, or the thread that builds them, look at the rules? */
bool hf_tables_use(const struct hf_soft *soft, const struct hf_rules *rules);
/* Ends the thread and frees what it has made. */
void hf_tables_end(struct hf_soft *soft);
int hf_backend_cmp(const struct hf_backend *a, const struct hf_backend *b);

/*
 * dest.c. Who owns a destination, and whether services may rewrite it, as one table. 0 or -ENOMEM.
 */
int hf_dests_build(struct hf_spans *ret, const struct hf_rules *rules);
/* Would both have the same? */
bool hf_dests_same(const struct hf_rules *a, const struct hf_rules *b);
#define HF_DEST_REWRITTEN (UINT32_C(1) << 31)

/* As hf_rules_find_dest(). *ret_rewritten (may be NULL): hf_rules_find_dnat() may find something.
 */
static inline const struct hf_dest *hf_find_dest(
	const struct hf_gen *gen, const struct hf_addr *addr, bool *ret_rewritten)
{
	static const struct hf_dest nowhere = {.class = HF_CLASS_REMOTE};
	uint32_t value = hf_spans_find(&gen->dests, addr);
	uint32_t i = value & ~HF_DEST_REWRITTEN;

	if (ret_rewritten)
		*ret_rewritten = value & HF_DEST_REWRITTEN;
	return i ? hf_rules_dest(gen->rules, i - 1) : &nowhere;
}

/*
 * soft.c. Finds the origins of all generations in those before them, whose counts go on. False: out
 * of memory.
 */
bool hf_gens_link(struct hf_gen *gen);

/* count.c. Origin i of the generation, with what older ones have counted for it. */
struct hf_soft_count hf_gen_count(const struct hf_gen *gen, size_t i);

/* logs.c. *ret is NULL if no rule logs. 0 or -ENOMEM. */
int hf_logs_build(const struct hf_rules *rules, const struct hf_gen *older, bool **ret);
/* judge.c */

/*
 * Backends of a service that are judged for one packet once one is known to be allowed. A bound on
 * what a single packet may cost; services with more are rare, and taken for ambiguous.
 */
#define HF_BACKENDS_MAX 64

/* One that is allowed. */
struct hf_allowed {
	uint16_t to; /* in hf_dnat.to */
	bool forwarded;
	uint32_t origin;
};

/* What is known of the backends of an ambiguous service. */
struct hf_choice {
	const struct hf_dnat *dnat;
	/* One that is not allowed could be reached where nobody judges again. */
	bool slips;
	uint16_t n_denied;
	uint16_t n_allowed;
	uint16_t denied[HF_BACKENDS_MAX];
	struct hf_allowed allowed[HF_BACKENDS_MAX];
};

/* A packet on its way through the rules. */
struct hf_case {
	const struct hf_soft *soft;
	const struct hf_gen *gen;
	const struct hf_tables *tables; /* of the generation */
	enum hf_soft_dir dir;
	uint16_t iface;		  /* of the wire and the packet's tags */
	const struct rte_mbuf *m; /* NULL: not for the sake of a packet that is here */
	const struct hf_pkt *pkt;
	enum hf_ct ct;
	bool forwarded; /* of a connection that the kernel is known to forward */
	uint64_t now;
	uint16_t wire;
	struct hf_tap *tap;	       /* NULL: nothing is logged */
	struct hf_soft_count *origins; /* this worker's; NULL: rules that log are not counted */
	struct hf_choice *choice;      /* filled for HF_SOFT_DNAT_AMBIGUOUS, unless it is NULL */
};

struct hf_judged {
	enum hf_soft_reason reason;
	uint32_t origin; /* that decided, or HF_NO_ORIGIN */
	bool forwarded;	 /* not to, or from, this host itself */
};

struct hf_judged hf_judge(const struct hf_case *c);
/* Coming in for a service, and sent to this backend of it. */
struct hf_judged hf_judge_backend(const struct hf_case *c, const struct hf_xlat *x);
/* logs.c. The packet is judged by this key: what logs of it. For gen->logs that is not NULL. */
void hf_logs_walk(const struct hf_case *c, const struct hf_key *key);

/*
 * Judging without knowing the connection's state what comes in by an interface that is not calm:
 * untracked policy decides some of it, and then the connection table need not be asked. In
 * steps, as hf_classify_aim() has them; c->ct does not count.
 */
struct hf_blind {
	struct hf_key key;
	unsigned int list; /* to be asked first: walk.said; or HF_FLAT_NO_LIST */
	struct hf_walk walk;
};

/* What hf_judge_aim() will read, in two steps. */
void hf_judge_fetch_roots(
	const struct hf_gen *gen, const struct hf_classifier *classifier, const struct hf_pkt *pkt);
void hf_judge_fetch_spans(
	const struct hf_gen *gen, const struct hf_classifier *classifier, const struct hf_pkt *pkt);
/* False: not possible for this packet. */
bool hf_judge_aim(const struct hf_case *c, struct hf_memo *memo, struct hf_blind *blind);
/* True if it is known, by a list or by the memo. */
bool hf_judge_recall(const struct hf_case *c, struct hf_memo *memo, struct hf_blind *blind);
/* True: denied or allowed untracked, and *ret says by what. */
bool hf_judge_blind(const struct hf_case *c, struct hf_blind *blind, struct hf_judged *ret);

/*
 * rejudge.c. -ENOMEM. And: may the established connection of the view, to which the packet belongs,
 * go on by these rules? If not, *ret says by what.
 */
int hf_rejudge_build(const struct hf_soft *soft, struct hf_gen *gen);
bool hf_rejudge(const struct hf_case *c, const struct hf_ct_view *view, const struct hf_xlat *x,
	struct hf_judged *ret);
/*
 * The same for the control thread, by what the table says of a connection of the wire; out: it was
 * opened by the inner side.
 */
bool hf_rejudge_conn(const struct hf_soft *soft, unsigned int worker, const struct hf_ct_info *info,
	unsigned int wire, bool out);

/*
 * translate.c. Calls to services that are allowed for some backends only. The worker's.
 *
 * What becomes of a packet that is HF_SOFT_DNAT_AMBIGUOUS by c->choice: *j says it. If it is
 * HF_SOFT_DNAT_TRANSLATED now, it goes to the backend of *ret. x: to which its connection goes so
 * far, or NULL.
 */
void hf_translate_settle(const struct hf_case *c, struct hf_worker *worker,
	const struct hf_ct_view *view, const struct hf_xlat *x, struct hf_judged *j,
	struct hf_xlat *ret);
/* Is the tuple of this new packet in use behind a translation? */
bool hf_translate_is_taken(
	const struct hf_case *c, struct hf_worker *worker, const struct hf_ct_view *view);
/* The connection of the view, which has been committed, goes that way from now on. */
void hf_translate_begin(const struct hf_case *c, struct hf_worker *worker,
	const struct hf_ct_view *view, const struct hf_xlat *x);
/* On the way in: a packet of the connection, or an ICMP error about one of its answers. */
void hf_translate_call(struct rte_mbuf *m, const struct hf_pkt *pkt, const struct hf_xlat *x);
void hf_translate_error(struct rte_mbuf *m, const struct hf_pkt *pkt, struct hf_worker *worker,
	uint32_t zone, uint64_t now);
/*
 * On the way out: what a backend answers gets the service's address again, *pkt as well. NULL: it
 * is no such answer.
 */
const struct hf_xlat *hf_translate_answer(
	struct rte_mbuf *m, struct hf_pkt *pkt, struct hf_worker *worker, uint32_t zone);
/* Do packets of the same connection pass that go the other way, as established and tracked ones? */
bool hf_answers_pass(const struct hf_case *c, const struct hf_ct_view *view);
/* An invalid packet of a wire that delivers: may it belong to what has been delivered? Then *ret
 * says how it would be judged as a new one. */
bool hf_unseen_passes(const struct hf_case *c, struct hf_judged *ret);

/*
 * offer.c. Connections that the NIC is to know. The mark says under which rules: a generation that
 * judges established packets on some uplink has one of its own.
 */
int hf_offers_new(int socket, struct rte_ring **ret);
uint32_t hf_offers_mark(const struct hf_gen *gen, uint32_t before);
/* Connections of which has been told that they live. The worker's. */
void hf_offers_touch(struct hf_worker *worker, uint64_t now);
/* The connection of the view, whose packet has just gone on as established by the rules of that
 * mark. The worker's. */
void hf_offers_add(struct hf_worker *worker, const struct hf_ct_view *view, uint32_t mark);

/* Will the kernel forward what comes in for this destination, which nothing rewrites? */
bool hf_is_forwarded(const struct hf_gen *gen, const struct hf_addr *dst);
