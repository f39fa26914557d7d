/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The software path: what a NIC leaves over is judged here; docs/software-path.md.
 *
 * hepflow is a bump in the wire. A wire is one interface of the host cut open: the outer side is
 * what the interface is plugged into (an uplink's network, a pod), the inner side is the kernel's
 * end of the same interface. Routing, ARP and address translation stay with the kernel; this
 * library lets packets of a wire pass or drops them, and changes none but those of services that it
 * has to choose a backend for (enum hf_soft_ambiguous). Bursts come per wire and
 * direction: IN is from the outer side towards the kernel, OUT from the kernel to the outer side.
 *
 * Verdicts are those of hf_rules_lookup() on the published rules, with connections tracked as
 * Linux does (driver/soft/ct.h). Where a packet crosses two wires it is judged on the first; on the
 * second only what the first could not know is judged. The path fails closed: without rules, and on
 * a wire the rules know no interface for, no IP packet passes.
 *
 * Workers: a worker is a packet thread with its own connection and fragment tables. All packets of
 * a wire, in both directions, go to the same worker. Moving a wire to another worker makes its
 * connections unknown.
 *
 * Generations: hf_soft_publish() makes rules valid for every burst that begins later.
 * hf_soft_reclaim() gives rules back once no worker can be using them. Connections survive: Calico
 * lets established ones go on whatever the new policy says (docs/semantics.md 7), unless asked for
 * otherwise (enum hf_soft_reclassify). Of many rules
 * only the difference to those before is worked out at once (delta.h); a thread of the library's
 * own builds the whole table meanwhile: hf_soft_reclaim(), or a later hf_soft_publish(), starts it
 * and puts in force what it has built. Packets are judged by the newest rules all the time.
 *
 * Threads: hf_soft_burst(), hf_soft_poll() and the worker functions are for the worker's own
 * thread; they neither allocate, lock, log nor call the system (start and stop aside). Everything
 * else is for one control thread, at any time. Counters are read without stopping anybody and may
 * be a few packets behind.
 *
 * Time is a cycle counter that the caller gives (rte_rdtsc()), the same for all workers.
 */

#pragma once

#include "tap.h"

#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_err;
struct hf_rules;
struct hf_soft;
struct rte_mbuf;

#define HF_SOFT_WIRES_MAX   1024  /* uplinks, and more pods than Kubernetes runs on a node */
#define HF_SOFT_WORKERS_MAX 64	  /* more cores than anybody gives to this */
#define HF_SOFT_CONNS	    65536 /* default; nf_conntrack_max of a host with 4 GiB */
#define HF_SOFT_FRAGS	    1024  /* default; datagrams in the making */
#define HF_SOFT_N_TIMERS    25
#define HF_SOFT_ASIDE_FROM  1000 /* default; fewer take about a millisecond to build */
#define HF_SOFT_FRAGS_HELD  256	 /* fragments that wait for their first */

enum hf_soft_role {
	HF_SOFT_UPLINK, /* a NIC's marks count on what comes in by it */
	HF_SOFT_WORKLOAD,
};

enum hf_soft_dir {
	HF_SOFT_IN,
	HF_SOFT_OUT,
	HF_SOFT_N_DIRS,
};

/*
 * What became of a packet and why; every packet is counted under exactly one. The names are stable;
 * docs/software-path.md has them all.
 */
enum hf_soft_reason {
	/* passed */
	HF_SOFT_NOT_IP,		  /* not-ip: Calico polices IP only (docs/semantics.md 10) */
	HF_SOFT_MARKED,		  /* marked: the NIC has allowed it */
	HF_SOFT_MARKED_UNTRACKED, /* marked-untracked: the same, and it makes no connection */
	HF_SOFT_OFFLOADED,	  /* offloaded: the NIC knows the connection, and so do we */
	HF_SOFT_ESTABLISHED,	  /* established */
	HF_SOFT_RELATED,	  /* related */
	HF_SOFT_ALLOW,		  /* allow: by the rules */
	HF_SOFT_ALLOW_UNTRACKED,  /* allow-untracked */
	HF_SOFT_KERNEL_ALLOW, /* kernel-allow: no decision, and the host's own default is accept */
	HF_SOFT_TRANSIT,      /* transit: judged on the wire it came by */
	HF_SOFT_DNAT_AMBIGUOUS,	 /* dnat-ambiguous: allowed for some backends of a service */
	HF_SOFT_DNAT_TRANSLATED, /* dnat-translated: the same, and sent to one of these */
	HF_SOFT_FRAGMENT,	 /* fragment: as its first fragment */
	/* dropped: from here on */
	HF_SOFT_MARKED_DENY,   /* marked-deny: the NIC has said that it is denied */
	HF_SOFT_DENY,	       /* deny: by the rules */
	HF_SOFT_KERNEL_DENY,   /* kernel-deny: no decision, and the host's own default is drop */
	HF_SOFT_DNAT_REFUSED,  /* dnat-refused: allowed for some, and may not go to one of these */
	HF_SOFT_NO_RULES,      /* no-rules: nothing published yet */
	HF_SOFT_NO_INTERFACE,  /* no-interface: the host has none for this wire and these tags */
	HF_SOFT_MALFORMED,     /* malformed */
	HF_SOFT_FRAGMENT_DENY, /* fragment-deny: as its first fragment */
	HF_SOFT_FRAGMENT_UNKNOWN,   /* fragment-unknown: its first has not come in time */
	HF_SOFT_FRAGMENT_OVERLAP,   /* fragment-overlap: of a datagram with bytes that came twice */
	HF_SOFT_FRAGMENT_DUPLICATE, /* fragment-duplicate */
	HF_SOFT_TABLE_FULL,  /* table-full: allowed, but no room to remember the connection */
	HF_SOFT_SOURCE_FULL, /* source-full: the same, as its source has more than its share */
	HF_SOFT_N_REASONS,
};

/*
 * What becomes of connections that are established when the rules change. By the next packet of
 * one, of either end, what opened it is judged once more by the new rules; if it is refused, so is
 * every packet until the rules change again.
 */
enum hf_soft_reclassify {
	HF_SOFT_RECLASSIFY_OFF,	      /* nothing, as with Felix (docs/semantics.md 7) */
	HF_SOFT_RECLASSIFY_DENY_ONLY, /* it ends if a rule denies it */
	HF_SOFT_RECLASSIFY_ALL,	      /* it ends if it is not allowed, for want of a rule as well */
};

/*
 * What becomes of calls to a service that policy allows to some of its backends and not to others,
 * as the kernel behind us would choose one that we do not know yet.
 */
enum hf_soft_ambiguous {
	/*
	 * They are the kernel's, and judged again where they leave for the backend. If one that is
	 * denied could be reached without leaving by a wire: as HF_SOFT_AMBIGUOUS_TRANSLATE.
	 */
	HF_SOFT_AMBIGUOUS_RECHECK,
	/* They are sent to an allowed backend here, and the kernel finds them rewritten. */
	HF_SOFT_AMBIGUOUS_TRANSLATE,
	HF_SOFT_AMBIGUOUS_DROP,
};

struct hf_soft_opts {
	unsigned int n_workers;		     /* 1 .. HF_SOFT_WORKERS_MAX */
	uint32_t max_conns;		     /* of each worker and family; 0: HF_SOFT_CONNS */
	uint32_t max_frags;		     /* of each worker; 0: HF_SOFT_FRAGS */
	uint32_t max_held;		     /* of each worker; 0: HF_SOFT_FRAGS_HELD */
	uint32_t timeouts[HF_SOFT_N_TIMERS]; /* seconds, by hf_soft_set_timeout(); 0: the default */
	enum hf_soft_reclassify reclassify;
	enum hf_soft_ambiguous ambiguous;
	uint64_t hz;	   /* cycles a second; 0: those of the TSC */
	int socket;	   /* NUMA node for the tables, or SOCKET_ID_ANY */
	size_t aside_from; /* rules and nets; 0: HF_SOFT_ASIDE_FROM */
	bool any_list;	   /* for tests: use lists though they be slower (flat.h) */
};

/*
 * How long connections live without a packet, by the name that docs/software-path.md has. 0: the
 * default. False: there is no such timer.
 */
bool hf_soft_set_timeout(struct hf_soft_opts *opts, const char *name, uint32_t seconds);

/* Errors: -EINVAL, -ENOMEM. */
int hf_soft_new(const struct hf_soft_opts *opts, struct hf_soft **ret, struct hf_err *err);
/* All workers must have stopped. Rules that were published stay the caller's. */
void hf_soft_free(struct hf_soft *soft);

/*
 * Cuts an interface open. It takes part from the next hf_soft_publish() on; until then its IP
 * packets are dropped. Errors: -EEXIST, -EINVAL for a bad name, -ENOSPC.
 */
int hf_soft_add_wire(struct hf_soft *soft, const char *name, enum hf_soft_role role,
	unsigned int *ret_wire, struct hf_err *err);
/*
 * Connections of the wire are offered to its NIC: each time that so many of its packets have come
 * in by the wire unmarked, under the next rules to be published. 0, the default: never.
 */
void hf_soft_set_offers(struct hf_soft *soft, unsigned int wire, uint32_t after);
/*
 * What the NIC of the wire takes does not come here any more, in neither direction: an e-switch
 * delivers it. Offered is then what any rule lets pass as established both ways, marked or not. The
 * daemon tells by hf_soft_touch() that such a connection lives.
 */
void hf_soft_set_pairs(struct hf_soft *soft, unsigned int wire, bool pairs);
/*
 * The NIC of the wire hands packets for this host to it by itself where policy allows them, and
 * their answers, as new ones (docs/plan.md, "E-switches"). Software then sees one half of a
 * connection or none: what is invalid to it passes if both directions would as new.
 */
void hf_soft_set_delivers(struct hf_soft *soft, unsigned int wire, bool delivers);
/* No worker may use the wire any more. Its number may be given out again. */
void hf_soft_del_wire(struct hf_soft *soft, unsigned int wire);

/*
 * Makes rules the current ones. They must stay as they are until hf_soft_reclaim() has given them
 * back. The same rules may be published again after a change of wires. Errors: -ENOMEM; the old
 * rules stay in force then.
 */
int hf_soft_publish(struct hf_soft *soft, const struct hf_rules *rules, struct hf_err *err);
/*
 * Rules that were replaced and that nothing uses any more, for the caller to free; NULL if there
 * are none for now. Does not wait. To be called soon after hf_soft_publish(), which leaves to it
 * what packets need not wait for, and now and then until hf_soft_is_settled(), also when there is
 * nothing to give back.
 */
const struct hf_rules *hf_soft_reclaim(struct hf_soft *soft);
/* The current rules have a table of their own. Lists, which are only faster, may come later. */
bool hf_soft_is_settled(const struct hf_soft *soft);
/* Nothing is built aside any more, nor left to build, lists included. */
bool hf_soft_is_idle(const struct hf_soft *soft);

/* A thread becomes, and ceases to be, worker number worker. */
int hf_soft_worker_start(struct hf_soft *soft, unsigned int worker);
void hf_soft_worker_stop(struct hf_soft *soft, unsigned int worker);

/*
 * Judges n packets of a wire. The allowed ones are moved to the front in their order, the others
 * freed. Returns how many go on. now must not run backwards.
 */
uint16_t hf_soft_burst(struct hf_soft *soft, unsigned int worker, unsigned int wire,
	enum hf_soft_dir dir, struct rte_mbuf **pkts, uint16_t n, uint64_t now);

/*
 * Fragments that waited for their first, which has come by the last hf_soft_burst() of this wire
 * and direction and goes on: so do they, at most n of them at a time. To be called after each burst
 * until it gives 0.
 */
uint16_t hf_soft_more(struct hf_soft *soft, unsigned int worker, unsigned int wire,
	enum hf_soft_dir dir, struct rte_mbuf **pkts, uint16_t n);

/*
 * To be called in every round of the worker's loop, also when no packet came: lets go of rules that
 * were replaced, and removes what has expired, a bounded number at a time.
 */
void hf_soft_poll(struct hf_soft *soft, unsigned int worker, uint64_t now);

/* Some of the connections: those that all that is set agrees with. */
struct hf_soft_filter {
	bool any_wire;
	unsigned int wire;
	uint8_t proto;	      /* 0: any */
	struct hf_prefix src; /* of the end that called; family 0: any */
	struct hf_prefix dst;
	uint16_t sport; /* 0: any */
	uint16_t dport;
};

struct hf_soft_conn;
bool hf_soft_filter_fits(const struct hf_soft_filter *filter, const struct hf_soft_conn *conn);

/*
 * Forgets connections of the worker, whatever their time: looks at a bounded number of places from
 * *at on, which is 0 to begin with. False once it has been through. For the worker's own thread,
 * between bursts.
 */
bool hf_soft_forget(struct hf_soft *soft, unsigned int worker, const struct hf_soft_filter *filter,
	uint32_t *at);

/*
 * From now on packets that end with one of the reasons (1 << enum hf_soft_reason) are written to
 * the taps, on one wire or on all. 0 reasons: none any more.
 */
void hf_soft_capture(struct hf_soft *soft, uint64_t reasons, bool any_wire, unsigned int wire);
/* The next packet that was captured or logged, of any worker, or false (tap.h). */
bool hf_soft_next_record(struct hf_soft *soft, struct hf_tap_record *ret);
/* How many found no room. */
uint64_t hf_soft_count_lost(const struct hf_soft *soft, enum hf_tap_kind kind);

/*
 * One direction of an established TCP or UDP connection, as its packets arrive, untagged. With the
 * mark on exactly these packets the NIC says that rules need not be asked; the mark counts only
 * while the connection is established and the same rules are in force, so that an entry that is
 * still, or wrongly, in the NIC lets nothing pass.
 */
struct hf_soft_offer {
	unsigned int wire;
	unsigned int worker;
	uint64_t ticket;
	uint32_t mark; /* HF_MARK_CONN_MIN .. HF_MARK_CONN_MAX */
	uint8_t proto;
	struct hf_addr src;
	struct hf_addr dst;
	uint16_t sport;
	uint16_t dport;
};

/* The next one, of any worker, or false. */
bool hf_soft_next_offer(struct hf_soft *soft, struct hf_soft_offer *ret);
/*
 * Is the connection still established, and the mark that of the rules in force? *ret_packets: what
 * has come of it in that direction, marked or not.
 */
bool hf_soft_offer_holds(
	const struct hf_soft *soft, const struct hf_soft_offer *offer, uint64_t *ret_packets);
/* What offers must carry to hold: those of other marks were made under rules that are gone. */
uint32_t hf_soft_offers_mark(const struct hf_soft *soft);
/* Packets of it have passed in the NIC. What finds no room is told again with the next ones. */
void hf_soft_touch(struct hf_soft *soft, const struct hf_soft_offer *offer);
/* How many found no room. */
uint64_t hf_soft_count_offers_lost(const struct hf_soft *soft);

struct hf_soft_count {
	uint64_t packets;
	uint64_t bytes;
};

struct hf_soft_wire_counts {
	struct hf_soft_count rx;
	struct hf_soft_count tx; /* went on */
	struct hf_soft_count drop;
};

struct hf_soft_table_counts {
	uint64_t conns;	    /* in use, over all workers */
	uint64_t conns_max; /* half of it for each family */
	uint64_t conns_made;
	uint64_t conns_expired;
	uint64_t conns_flushed;
	uint64_t conns_evicted;	      /* half open, to make room */
	uint64_t conns_refused;	      /* no room */
	uint64_t conns_refused_share; /* the source had more than its share of the half-open ones */
	uint64_t conns_half_open;
	uint64_t conns_translated; /* in use, sent to a backend here */
	uint64_t frags;		   /* datagrams in the making */
	uint64_t frags_held;	   /* fragments that wait for their first */
	uint64_t frags_completed;
	uint64_t frags_expired;
	uint64_t frags_evicted;
	uint64_t listed;     /* packets that a list has decided; docs/software-path.md */
	uint64_t memo_asked; /* packets judged without their connection's state;
				docs/software-path.md */
	uint64_t memo_known; /* of these: others of their classes had been judged before */
};

struct hf_soft_count hf_soft_count_reason(const struct hf_soft *soft, enum hf_soft_reason reason);
struct hf_soft_wire_counts hf_soft_count_wire(
	const struct hf_soft *soft, unsigned int wire, enum hf_soft_dir dir);
void hf_soft_count_tables(const struct hf_soft *soft, struct hf_soft_table_counts *ret);
/*
 * Packets that origin i of the current rules has decided here. Counts go on over a change of rules
 * for origins whose text stays the same. Zero if nothing is published.
 */
struct hf_soft_count hf_soft_count_origin(const struct hf_soft *soft, size_t i);

const char *hf_soft_reason_name(enum hf_soft_reason reason);
static inline bool hf_soft_reason_passes(enum hf_soft_reason reason)
{
	return reason < HF_SOFT_MARKED_DENY;
}

struct hf_soft_conn {
	unsigned int worker;
	unsigned int wire; /* UINT_MAX if it is no more */
	uint8_t proto;
	const char *state; /* TCP and SCTP: as Linux prints it; others: "" */
	bool replied;
	bool assured;
	bool translated;
	struct hf_addr backend; /* of a translated one: who answers */
	uint16_t backend_port;
	struct hf_addr src; /* the end that called */
	struct hf_addr dst;
	uint16_t sport; /* ICMP: identifier */
	uint16_t dport; /* ICMP: type of the query << 8 | code */
	uint64_t expires;
	uint64_t packets[2]; /* by the end that called, by the other */
	uint64_t bytes[2];
};

/* Place in a dump; starts as {0}. */
struct hf_soft_iter {
	unsigned int worker;
	uint32_t entry;
};

/*
 * The next connection, or false at the end. The dump is not one moment's: connections that come or
 * go meanwhile may be in it or not, and none is in it twice unless it was made anew.
 */
bool hf_soft_next_conn(
	const struct hf_soft *soft, struct hf_soft_iter *iter, struct hf_soft_conn *ret);
