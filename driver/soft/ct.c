/* SPDX-License-Identifier: BSD-3-Clause */

#include "ct.h"

#include "tcp.h"

#include <hepflow/err.h>

#include <rte_common.h>
#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

/* Smallest and largest table: a hash bucket, and what rte_hash indexes. */
#define ENTRIES_MIN 8
#define ENTRIES_MAX (1u << 28)
#define REFRESH_S   1  /* an entry changes its place in the timer list at most once in so long */
#define MAKE_ROOM   16 /* expired entries removed at once when the table is full */

/* One for each time that entries may live. The TCP states come first, by their own numbers. */
enum timer {
	TIMER_UNACKED = HF_TCP_N_STATES,
	TIMER_UDP_NEW,
	TIMER_UDP,
	TIMER_ICMP,
	TIMER_GENERIC,
	N_TIMERS,
};

/* Seconds; the defaults of Linux (Documentation/networking/nf_conntrack-sysctl). */
static const uint32_t timer_seconds[N_TIMERS] = {
	[HF_TCP_NONE] = 10, /* of no connection */
	[HF_TCP_SYN_SENT] = 120,
	[HF_TCP_SYN_RECV] = 60,
	[HF_TCP_ESTABLISHED] = 5 * 24 * 3600,
	[HF_TCP_FIN_WAIT] = 120,
	[HF_TCP_CLOSE_WAIT] = 60,
	[HF_TCP_LAST_ACK] = 30,
	[HF_TCP_TIME_WAIT] = 120,
	[HF_TCP_CLOSE] = 10,
	[HF_TCP_SYN_SENT2] = 120,
	[TIMER_UNACKED] = 300, /* picked up in the middle, and no answer yet */
	[TIMER_UDP_NEW] = 30,
	[TIMER_UDP] = 120,
	[TIMER_ICMP] = 30,
	[TIMER_GENERIC] = 600,
};

/*
 * version is odd while the entry is in use and changes before and after its other members are
 * filled or given up, so that a reader of another thread can tell that it has read one entry. What
 * moves during its life is written and read as single words.
 */
struct hf_ct_entry {
	struct hf_ct_key key;
	uint64_t seen;	/* last packet */
	uint64_t moved; /* last change of place in the timer list; seen - moved < REFRESH_S */
	uint64_t packets[2];
	uint64_t bytes[2];
	uint32_t version;
	uint8_t caller; /* which endpoint of the key */
	uint8_t tcp;	/* enum hf_tcp_state */
	uint8_t timer;
	bool replied;
	bool assured;
	bool forwarded;
	TAILQ_ENTRY(hf_ct_entry) by_time;
	TAILQ_ENTRY(hf_ct_entry) by_age; /* only while not assured */
};

TAILQ_HEAD(entry_list, hf_ct_entry);

struct hf_ct_table {
	struct rte_hash *hash; /* its key positions are the indexes of entries */
	struct hf_ct_entry *entries;
	uint64_t hz;
	uint32_t max;
	uint32_t n;
	struct hf_ct_stats stats;
	struct entry_list timers[N_TIMERS]; /* by moved, so that the head is the first to expire */
	struct entry_list open;		    /* not assured, the oldest first */
};

#define SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define GET(field)	  __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define ADD(field, n)	  SET(field, (field) + (n))

/* ICMP messages (RFC 792, RFC 950; RFC 4443, RFC 4620), as nf_conntrack_proto_icmp.c and
 * nf_conntrack_proto_icmpv6.c sort them. */
enum icmp_kind {
	ICMP_OTHER, /* makes no connection and belongs to none */
	ICMP_QUERY,
	ICMP_ANSWER,
	ICMP_ERROR,
	ICMP_UNTRACKED,
};

struct icmp_type {
	uint8_t kind;
	uint8_t query; /* ICMP_ANSWER: to what */
};

static const struct icmp_type icmp4_types[256] = {
	[8] = {ICMP_QUERY},
	[0] = {ICMP_ANSWER, 8},
	[13] = {ICMP_QUERY},
	[14] = {ICMP_ANSWER, 13},
	[15] = {ICMP_QUERY},
	[16] = {ICMP_ANSWER, 15},
	[17] = {ICMP_QUERY},
	[18] = {ICMP_ANSWER, 17},
	[3] = {ICMP_ERROR},
	[4] = {ICMP_ERROR},
	[5] = {ICMP_ERROR},
	[11] = {ICMP_ERROR},
	[12] = {ICMP_ERROR},
};

static const struct icmp_type icmp6_types[256] = {
	[0 ... 127] = {ICMP_ERROR},
	[128] = {ICMP_QUERY},
	[129] = {ICMP_ANSWER, 128},
	[130 ... 136] = {ICMP_UNTRACKED},
	[139] = {ICMP_QUERY},
	[140] = {ICMP_ANSWER, 139},
	[143] = {ICMP_UNTRACKED},
};

static struct icmp_type icmp_type(const struct hf_pkt *pkt)
{
	return pkt->src.family == 4 ? icmp4_types[pkt->icmp_type] : icmp6_types[pkt->icmp_type];
}

static void name_hash(const struct hf_ct_table *ct, char name[static RTE_HASH_NAMESIZE])
{
	(void)snprintf(name, RTE_HASH_NAMESIZE, "hf_ct_%" PRIxPTR, (uintptr_t)ct);
}

int hf_ct_new(const struct hf_ct_opts *opts, struct hf_ct_table **ret, struct hf_err *err)
{
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters params = {
		.name = name,
		.entries = opts->max_entries,
		.key_len = sizeof(struct hf_ct_key),
		.hash_func = rte_jhash,
		/* Unknown to those who would like all their connections in one bucket. */
		.hash_func_init_val = (uint32_t)rte_rand(),
		.socket_id = opts->socket,
		/* Without it an entry may find no place though there is room. */
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct hf_ct_table *ct;
	int i;

	if (opts->max_entries < ENTRIES_MIN || opts->max_entries > ENTRIES_MAX || opts->hz == 0)
		return hf_fail(err, -EINVAL, "connection table: %u entries: must be %d to %u",
			opts->max_entries, ENTRIES_MIN, ENTRIES_MAX);
	ct = rte_zmalloc_socket("hf_ct", sizeof(*ct), RTE_CACHE_LINE_SIZE, opts->socket);
	if (!ct)
		return hf_fail(err, -ENOMEM, "connection table: out of memory");
	ct->hz = opts->hz;
	ct->max = opts->max_entries;
	for (i = 0; i < N_TIMERS; i++)
		TAILQ_INIT(&ct->timers[i]);
	TAILQ_INIT(&ct->open);
	ct->entries = rte_calloc_socket(
		"hf_ct_entries", ct->max, sizeof(*ct->entries), RTE_CACHE_LINE_SIZE, opts->socket);
	name_hash(ct, name);
	ct->hash = rte_hash_create(&params);
	if (!ct->entries || !ct->hash) {
		hf_ct_free(ct);
		return hf_fail(err, -ENOMEM, "connection table: no memory for %u entries",
			opts->max_entries);
	}
	*ret = ct;
	return 0;
}

void hf_ct_free(struct hf_ct_table *ct)
{
	if (!ct)
		return;
	rte_hash_free(ct->hash);
	rte_free(ct->entries);
	rte_free(ct);
}

/* Sets *ret_from to the endpoint that sent the packet. */
static void make_key(
	const struct hf_pkt *pkt, uint32_t zone, struct hf_ct_key *ret, uint8_t *ret_from)
{
	bool icmp = hf_pkt_is_icmp(pkt);
	int c = memcmp(pkt->src.b, pkt->dst.b, sizeof(pkt->src.b));
	uint8_t low;

	if (c == 0 && !icmp)
		c = (int)pkt->sport - (int)pkt->dport;
	low = c > 0; /* 0: the source is the lower endpoint */
	*ret_from = low;
	*ret = (struct hf_ct_key){
		.zone = zone,
		.proto = pkt->proto,
		.family = pkt->src.family,
	};
	memcpy(ret->addr[low], pkt->src.b, sizeof(ret->addr[0]));
	memcpy(ret->addr[!low], pkt->dst.b, sizeof(ret->addr[0]));
	if (icmp) {
		struct icmp_type t = icmp_type(pkt);
		bool answer = t.kind == ICMP_ANSWER;

		/* Who talks to himself is told apart by what he says. */
		if (c == 0)
			*ret_from = answer;
		ret->side = *ret_from ^ answer;
		ret->port[0] = pkt->icmp_id;
		ret->port[1] =
			(uint16_t)((answer ? t.query : pkt->icmp_type) << 8 | pkt->icmp_code);
	} else {
		ret->port[low] = pkt->sport;
		ret->port[!low] = pkt->dport;
	}
}

static uint64_t expires(const struct hf_ct_table *ct, const struct hf_ct_entry *e)
{
	return e->seen + timer_seconds[e->timer] * ct->hz;
}

static void assure(struct hf_ct_table *ct, struct hf_ct_entry *e)
{
	SET(e->assured, true);
	TAILQ_REMOVE(&ct->open, e, by_age);
}

static void entry_remove(struct hf_ct_table *ct, struct hf_ct_entry *e)
{
	TAILQ_REMOVE(&ct->timers[e->timer], e, by_time);
	if (!e->assured)
		TAILQ_REMOVE(&ct->open, e, by_age);
	__atomic_store_n(&e->version, e->version + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);   /* before the next user's members */
	(void)rte_hash_del_key(ct->hash, &e->key); /* it is there */
	SET(ct->n, ct->n - 1);
}

unsigned int hf_ct_expire(struct hf_ct_table *ct, uint64_t now, unsigned int max)
{
	unsigned int n = 0;
	int i;

	for (i = 0; i < N_TIMERS; i++) {
		struct hf_ct_entry *e;

		while (n < max && (e = TAILQ_FIRST(&ct->timers[i])) && expires(ct, e) <= now) {
			entry_remove(ct, e);
			n++;
		}
	}
	if (n)
		ADD(ct->stats.expired, n);
	return n;
}

static struct hf_ct_entry *find_entry(
	struct hf_ct_table *ct, const struct hf_ct_key *key, uint32_t hash, uint64_t now)
{
	int pos = rte_hash_lookup_with_hash(ct->hash, key, hash);
	struct hf_ct_entry *e;

	if (pos < 0)
		return NULL;
	e = &ct->entries[pos];
	if (expires(ct, e) > now)
		return e;
	entry_remove(ct, e);
	ADD(ct->stats.expired, 1);
	return NULL;
}

/*
 * Is the packet quoted by an ICMP error one of ours? The error must go to the sender of that
 * packet (nf_conntrack_inet_error).
 */
static bool is_related(struct hf_ct_table *ct, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	uint32_t zone, uint64_t now)
{
	struct hf_ct_key key;
	struct hf_pkt quoted;
	uint8_t from, kind;

	if (!hf_pkt_parse_quoted(m, pkt, &quoted) || !hf_addr_equal(&pkt->dst, &quoted.src))
		return false;
	if (hf_pkt_is_icmp(&quoted)) {
		kind = icmp_type(&quoted).kind;
		if (kind != ICMP_QUERY && kind != ICMP_ANSWER)
			return false;
	}
	make_key(&quoted, zone, &key, &from);
	return find_entry(ct, &key, rte_hash_hash(ct->hash, &key), now);
}

static void judge_first(const struct hf_pkt *pkt, struct hf_ct_view *v)
{
	bool valid = true;

	if (pkt->proto == HF_PROTO_TCP) {
		v->tcp = hf_tcp_next(HF_TCP_NONE, false, pkt->tcp_flags);
		valid = v->tcp < HF_TCP_N_STATES;
	} else if (hf_pkt_is_icmp(pkt)) {
		valid = icmp_type(pkt).kind == ICMP_QUERY;
	}
	v->ct = valid ? HF_CT_NEW : HF_CT_INVALID;
	v->make = valid;
}

static void judge_known(const struct hf_pkt *pkt, struct hf_ct_view *v)
{
	const struct hf_ct_entry *e = v->entry;
	bool reply = v->from != e->caller;

	v->forwarded = e->forwarded;
	v->ct = reply || e->replied ? HF_CT_ESTABLISHED : HF_CT_NEW;
	if (pkt->proto != HF_PROTO_TCP)
		return;
	v->tcp = hf_tcp_next(e->tcp, reply, pkt->tcp_flags);
	if (v->tcp == HF_TCP_INVALID) {
		v->ct = HF_CT_INVALID;
		v->entry = NULL;
	} else if (v->tcp == HF_TCP_SYN_SENT && e->tcp >= HF_TCP_TIME_WAIT) {
		v->ct = HF_CT_NEW;
		v->forwarded = false;
		v->make = v->renew = true;
	}
}

void hf_ct_find(struct hf_ct_table *ct, const struct rte_mbuf *m, const struct hf_pkt *pkt,
	uint32_t zone, uint64_t now, struct hf_ct_view *ret)
{
	uint8_t kind = hf_pkt_is_icmp(pkt) ? icmp_type(pkt).kind : ICMP_QUERY;

	*ret = (struct hf_ct_view){.ct = HF_CT_INVALID};
	if (kind == ICMP_UNTRACKED)
		ret->ct = HF_CT_UNTRACKED;
	else if (kind == ICMP_ERROR && is_related(ct, m, pkt, zone, now))
		ret->ct = HF_CT_RELATED;
	if (kind != ICMP_QUERY && kind != ICMP_ANSWER)
		return;
	make_key(pkt, zone, &ret->key, &ret->from);
	ret->hash = rte_hash_hash(ct->hash, &ret->key);
	ret->entry = find_entry(ct, &ret->key, ret->hash, now);
	if (ret->entry)
		judge_known(pkt, ret);
	else
		judge_first(pkt, ret);
}

static enum timer timer_of(const struct hf_ct_entry *e)
{
	switch (e->key.proto) {
	case HF_PROTO_TCP:
		if (e->tcp == HF_TCP_ESTABLISHED && !e->replied)
			return TIMER_UNACKED;
		return (enum timer)e->tcp;
	case HF_PROTO_UDP:
	case HF_PROTO_UDPLITE:
		return e->replied ? TIMER_UDP : TIMER_UDP_NEW;
	case HF_PROTO_ICMP:
	case HF_PROTO_ICMPV6:
		return TIMER_ICMP;
	default:
		return TIMER_GENERIC;
	}
}

/* Puts the entry where it belongs after a packet that prolongs its life. */
static void refresh(struct hf_ct_table *ct, struct hf_ct_entry *e, uint64_t now)
{
	enum timer timer = timer_of(e);

	SET(e->seen, now);
	if (timer == e->timer && now - e->moved < REFRESH_S * ct->hz)
		return;
	TAILQ_REMOVE(&ct->timers[e->timer], e, by_time);
	SET(e->timer, timer);
	e->moved = now;
	TAILQ_INSERT_TAIL(&ct->timers[timer], e, by_time);
}

static void count(struct hf_ct_entry *e, uint8_t from, uint32_t bytes)
{
	bool reply = from != e->caller;

	ADD(e->packets[reply], 1);
	ADD(e->bytes[reply], bytes);
}

static void move_entry(
	struct hf_ct_table *ct, const struct hf_ct_view *view, uint64_t now, uint32_t bytes)
{
	struct hf_ct_entry *e = view->entry;
	bool tcp = e->key.proto == HF_PROTO_TCP;
	bool reply = view->from != e->caller;

	/* A call that is only ever answered by a reset, or taken back, was no connection. */
	if (tcp && view->tcp == HF_TCP_CLOSE && !e->replied) {
		entry_remove(ct, e);
		return;
	}
	count(e, view->from, bytes);
	if (reply)
		SET(e->replied, true);
	if (tcp && view->tcp == HF_TCP_IGNORE)
		return;
	SET(e->tcp, view->tcp);
	if (!e->assured && e->replied && (!tcp || e->tcp == HF_TCP_ESTABLISHED))
		assure(ct, e);
	refresh(ct, e, now);
}

static bool make_room(struct hf_ct_table *ct, uint64_t now)
{
	struct hf_ct_entry *e;

	if (ct->n < ct->max || hf_ct_expire(ct, now, MAKE_ROOM))
		return true;
	e = TAILQ_FIRST(&ct->open);
	if (!e)
		return false;
	entry_remove(ct, e);
	ADD(ct->stats.evicted, 1);
	return true;
}

static int make_entry(struct hf_ct_table *ct, const struct hf_ct_view *view, uint64_t now,
	uint32_t bytes, bool forwarded)
{
	struct hf_ct_entry *e;
	int pos;

	if (!make_room(ct, now))
		return -ENOSPC;
	pos = rte_hash_add_key_with_hash(ct->hash, &view->key, view->hash);
	if (pos < 0)
		return -ENOSPC;
	e = &ct->entries[pos];
	e->key = view->key;
	e->seen = e->moved = now;
	memset(e->packets, 0, sizeof(e->packets));
	memset(e->bytes, 0, sizeof(e->bytes));
	e->caller = view->from;
	e->tcp = view->tcp;
	e->replied = e->assured = false;
	e->forwarded = forwarded;
	e->timer = timer_of(e);
	count(e, view->from, bytes);
	TAILQ_INSERT_TAIL(&ct->timers[e->timer], e, by_time);
	TAILQ_INSERT_TAIL(&ct->open, e, by_age);
	__atomic_store_n(&e->version, e->version + 1, __ATOMIC_RELEASE);
	SET(ct->n, ct->n + 1);
	ADD(ct->stats.made, 1);
	return 0;
}

int hf_ct_commit(struct hf_ct_table *ct, const struct hf_ct_view *view, uint64_t now,
	uint32_t bytes, bool forwarded)
{
	if (view->renew)
		entry_remove(ct, view->entry);
	else if (view->entry)
		move_entry(ct, view, now, bytes);
	if (!view->make)
		return 0;
	return make_entry(ct, view, now, bytes, forwarded);
}

uint32_t hf_ct_count(const struct hf_ct_table *ct)
{
	return GET(ct->n);
}

uint32_t hf_ct_size(const struct hf_ct_table *ct)
{
	return ct->max;
}

static void describe(
	const struct hf_ct_table *ct, const struct hf_ct_entry *e, struct hf_ct_info *ret)
{
	uint8_t caller = e->caller & 1, timer = GET(e->timer);
	bool icmp = e->key.proto == HF_PROTO_ICMP || e->key.proto == HF_PROTO_ICMPV6;
	int i;

	*ret = (struct hf_ct_info){
		.zone = e->key.zone,
		.proto = e->key.proto,
		.tcp_state = GET(e->tcp),
		.replied = GET(e->replied),
		.assured = GET(e->assured),
		.src.family = e->key.family,
		.dst.family = e->key.family,
		.sport = e->key.port[icmp ? 0 : caller],
		.dport = e->key.port[icmp ? 1 : !caller],
		.expires = GET(e->seen) + timer_seconds[timer < N_TIMERS ? timer : 0] * ct->hz,
	};
	memcpy(ret->src.b, e->key.addr[caller], sizeof(ret->src.b));
	memcpy(ret->dst.b, e->key.addr[!caller], sizeof(ret->dst.b));
	for (i = 0; i < 2; i++) {
		ret->packets[i] = GET(e->packets[i]);
		ret->bytes[i] = GET(e->bytes[i]);
	}
}

bool hf_ct_read(const struct hf_ct_table *ct, uint32_t i, struct hf_ct_info *ret)
{
	const struct hf_ct_entry *e = &ct->entries[i];
	uint32_t version = __atomic_load_n(&e->version, __ATOMIC_ACQUIRE);

	if (version % 2 == 0)
		return false;
	describe(ct, e, ret);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return GET(e->version) == version;
}

void hf_ct_read_stats(const struct hf_ct_table *ct, struct hf_ct_stats *ret)
{
	ret->made = GET(ct->stats.made);
	ret->expired = GET(ct->stats.expired);
	ret->evicted = GET(ct->stats.evicted);
}
