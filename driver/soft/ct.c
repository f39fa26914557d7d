/* SPDX-License-Identifier: BSD-3-Clause */

#include "ct.h"

#include "ct_state.h"

#include <hepflow/err.h>

#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include <errno.h>
#include <string.h>

#define ENTRIES_MIN   8
#define ENTRIES_MAX   (1u << 28) /* a ticket has 29 bits for both families */
#define HZ_MIN	      1000
#define MAKE_ROOM     16 /* expired entries removed at once when the table is full */
#define ORDER_SHIFT   10 /* ticks: an entry changes its place in a list at most once in so long */
#define SHARE_MIN     16 /* half-open entries that any source may have */
#define SHARE_DIVISOR 8

const struct hf_ct_timer_info hf_ct_timers[HF_CT_N_TIMERS] = {
	[HF_TCP_NONE] = {NULL, 10}, /* of no connection */
	[HF_TCP_SYN_SENT] = {"tcp-syn-sent", 120},
	[HF_TCP_SYN_RECV] = {"tcp-syn-recv", 60},
	[HF_TCP_ESTABLISHED] = {"tcp-established", 5 * 24 * 3600},
	[HF_TCP_FIN_WAIT] = {"tcp-fin-wait", 120, true},
	[HF_TCP_CLOSE_WAIT] = {"tcp-close-wait", 60, true},
	[HF_TCP_LAST_ACK] = {"tcp-last-ack", 30, true},
	[HF_TCP_TIME_WAIT] = {"tcp-time-wait", 120, true},
	[HF_TCP_CLOSE] = {"tcp-close", 10, true},
	[HF_TCP_SYN_SENT2] = {"tcp-syn-sent2", 120},
	[HF_CT_TCP_UNACKED] = {"tcp-unacknowledged", 300},
	[HF_CT_TCP_RETRANS] = {"tcp-max-retrans", 300},
	[HF_CT_UDP_NEW] = {"udp", 30},
	[HF_CT_UDP] = {"udp-stream", 120},
	[HF_CT_ICMP] = {"icmp", 30},
	[HF_CT_GENERIC] = {"generic", 600},
	[HF_CT_SCTP + HF_SCTP_NONE] = {NULL, 10}, /* of no association */
	[HF_CT_SCTP + HF_SCTP_CLOSED] = {"sctp-closed", 10},
	[HF_CT_SCTP + HF_SCTP_COOKIE_WAIT] = {"sctp-cookie-wait", 3},
	[HF_CT_SCTP + HF_SCTP_COOKIE_ECHOED] = {"sctp-cookie-echoed", 3},
	[HF_CT_SCTP + HF_SCTP_ESTABLISHED] = {"sctp-established", 210},
	[HF_CT_SCTP + HF_SCTP_SHUTDOWN_SENT] = {"sctp-shutdown-sent", 3, true},
	[HF_CT_SCTP + HF_SCTP_SHUTDOWN_RECD] = {"sctp-shutdown-recd", 3, true},
	[HF_CT_SCTP + HF_SCTP_SHUTDOWN_ACK_SENT] = {"sctp-shutdown-ack-sent", 3, true},
	[HF_CT_SCTP + HF_SCTP_HEARTBEAT_SENT] = {"sctp-heartbeat-sent", 30},
};

static uint32_t buckets_for(uint32_t n)
{
	return n + n / 2;
}

size_t hf_ct_memory(uint8_t family, uint32_t n)
{
	size_t size = (family == 4 ? (sizeof(struct hf_ct_hot) + HF_CT_KEY4)
				   : (sizeof(struct hf_ct_hot) + HF_CT_KEY6)) +
		      sizeof(struct hf_ct_cold);

	return size * n + sizeof(uint32_t) * buckets_for(n);
}

static void *alloc(size_t n, size_t size, int socket)
{
	return rte_calloc_socket("hf_ct", n, size, RTE_CACHE_LINE_SIZE, socket);
}

static bool pool_init(struct hf_ct_pool *p, uint8_t family, uint32_t max, int socket)
{
	uint32_t i;

	p->family = family;
	p->hot_size = family == 4 ? (sizeof(struct hf_ct_hot) + HF_CT_KEY4)
				  : (sizeof(struct hf_ct_hot) + HF_CT_KEY6);
	p->n_buckets = buckets_for(max);
	p->hot = alloc(max, p->hot_size, socket);
	p->cold = alloc(max, sizeof(*p->cold), socket);
	p->buckets = alloc(p->n_buckets, sizeof(*p->buckets), socket);
	if (!p->hot || !p->cold || !p->buckets)
		return false;
	memset(p->buckets, 0xff, p->n_buckets * sizeof(*p->buckets)); /* HF_CT_NIL */
	memset(p->lists, 0xff, sizeof(p->lists));
	for (i = 0; i < max; i++)
		hf_ct_hot_at(p, i)->next = i + 1 < max ? i + 1 : HF_CT_NIL;
	return true;
}

int hf_ct_new(const struct hf_ct_opts *opts, struct hf_ct_table **ret, struct hf_err *err)
{
	struct hf_ct_table *ct;
	unsigned int i;

	if (opts->max_entries < ENTRIES_MIN || opts->max_entries > ENTRIES_MAX || opts->hz < HZ_MIN)
		return hf_fail(err, -EINVAL, "connection table: %u entries: must be %d to %u",
			opts->max_entries, ENTRIES_MIN, ENTRIES_MAX);
	ct = rte_zmalloc_socket("hf_ct", sizeof(*ct), RTE_CACHE_LINE_SIZE, opts->socket);
	if (!ct)
		return hf_fail(err, -ENOMEM, "connection table: out of memory");
	ct->max = opts->max_entries;
	ct->cycles_per_tick = opts->hz / 1000;
	for (i = 0; i < HF_CT_N_TIMERS; i++) {
		uint64_t s = opts->seconds[i] ? opts->seconds[i] : hf_ct_timers[i].seconds;

		ct->ticks[i] = (uint32_t)(s * opts->hz / ct->cycles_per_tick);
	}
	for (i = 0; i < RTE_DIM(ct->secret.w); i++)
		ct->secret.w[i] = rte_rand() | 1;
	if (!pool_init(&ct->pools[0], 4, ct->max, opts->socket) ||
		!pool_init(&ct->pools[1], 6, ct->max, opts->socket)) {
		hf_ct_free(ct);
		return hf_fail(err, -ENOMEM, "connection table: no memory for %u entries",
			opts->max_entries);
	}
	*ret = ct;
	return 0;
}

void hf_ct_free(struct hf_ct_table *ct)
{
	unsigned int i;

	if (!ct)
		return;
	for (i = 0; i < HF_CT_N_POOLS; i++) {
		rte_free(ct->pools[i].hot);
		rte_free(ct->pools[i].cold);
		rte_free(ct->pools[i].buckets);
	}
	rte_free(ct);
}

static struct hf_ct_list *list_of(struct hf_ct_pool *p, const struct hf_ct_hot *e)
{
	return &p->lists[!!(e->bits & HF_CT_ASSURED)][e->timer];
}

static void list_remove(struct hf_ct_pool *p, struct hf_ct_hot *e)
{
	struct hf_ct_list *l = list_of(p, e);

	if (e->older == HF_CT_NIL)
		l->oldest = e->newer;
	else
		hf_ct_hot_at(p, e->older)->newer = e->newer;
	if (e->newer == HF_CT_NIL)
		l->newest = e->older;
	else
		hf_ct_hot_at(p, e->newer)->older = e->older;
}

static void list_add(struct hf_ct_pool *p, struct hf_ct_hot *e, uint32_t at)
{
	struct hf_ct_list *l = list_of(p, e);

	e->older = l->newest;
	e->newer = HF_CT_NIL;
	if (l->newest == HF_CT_NIL)
		l->oldest = at;
	else
		hf_ct_hot_at(p, l->newest)->newer = at;
	l->newest = at;
}

static uint16_t *source_of(
	struct hf_ct_table *ct, const struct hf_ct_pool *p, const uint64_t *key, bool end)
{
	uint64_t s = hf_tuple_source((const struct hf_ct_key *)key, p->family, end);

	return &ct->sources[((s ^ ct->secret.w[0]) * ct->secret.w[1]) >> 52];
}
static_assert(HF_CT_SOURCES == 1 << (64 - 52), "");

/* No longer, or not yet again, one of the half-open. */
static void count_open(
	struct hf_ct_table *ct, const struct hf_ct_pool *p, const struct hf_ct_hot *e, int n)
{
	uint16_t *source = source_of(ct, p, e->key, e->bits & HF_CT_CALLER);

	/* A counter that has been at its end is never right again, but errs on the free side. */
	if (n < 0 ? *source > 0 : *source < UINT16_MAX)
		*source = (uint16_t)(*source + n);
	HF_CT_SET(ct->half_open, ct->half_open + (uint32_t)n);
}

void hf_ct_remove(struct hf_ct_table *ct, struct hf_ct_pool *p, uint32_t at)
{
	struct hf_ct_hot *e = hf_ct_hot_at(p, at);
	uint32_t *link = &p->buckets[hf_ct_bucket_of(ct, p, e->key)];

	while (*link != at)
		link = &hf_ct_hot_at(p, *link)->next;
	*link = e->next;
	list_remove(p, e);
	if (!(e->bits & HF_CT_ASSURED))
		count_open(ct, p, e, -1);
	__atomic_store_n(&e->version, (uint16_t)(e->version + 1), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* before the next user's members */
	e->next = p->free;
	p->free = at;
	HF_CT_SET(p->n, p->n - 1);
}

/* Stops when n has reached max. */
static unsigned int sweep_pool(struct hf_ct_table *ct, struct hf_ct_pool *p, uint32_t now,
	unsigned int n, unsigned int max)
{
	struct hf_ct_list *l = &p->lists[0][0], *end = l + 2 * HF_CT_N_TIMERS;

	for (; l < end; l++) {
		while (l->oldest != HF_CT_NIL &&
			hf_ct_has_expired(ct, hf_ct_hot_at(p, l->oldest), now)) {
			if (n == max) {
				p->more = true;
				return n;
			}
			hf_ct_remove(ct, p, l->oldest);
			n++;
		}
	}
	p->more = false;
	return n;
}

unsigned int hf_ct_expire(struct hf_ct_table *ct, uint64_t now, unsigned int max)
{
	uint32_t ticks = hf_ct_tick(ct, now);
	unsigned int n = 0, i;

	HF_CT_SET(ct->now, now);
	for (i = 0; i < HF_CT_N_POOLS; i++) {
		struct hf_ct_pool *p = &ct->pools[i];

		/* Nothing can have expired since the last sweep of the same millisecond. */
		if (ticks != ct->swept || p->more)
			n = sweep_pool(ct, p, ticks, n, max);
	}
	ct->swept = ticks;
	if (n)
		HF_CT_ADD(ct->stats.expired, n);
	return n;
}

static void count(struct hf_ct_hot *e, bool reply, uint32_t bytes)
{
	uint32_t n = e->packets[reply] + 1;

	HF_CT_SET(e->packets[reply], n);
	if (n == 0)
		HF_CT_SET(e->packets_high[reply], (uint16_t)(e->packets_high[reply] + 1));
	HF_CT_ADD(e->bytes[reply], bytes);
}

/* What the packet of the view makes of the connection's bits. */
static uint8_t bits_after(const struct hf_ct_hot *e, const struct hf_ct_cold *cold,
	const struct hf_ct_view *v, bool translated)
{
	uint8_t bits = (uint8_t)(e->bits | (translated ? HF_CT_TRANSLATED : 0));

	switch (hf_tuple_proto(&v->key)) {
	case HF_PROTO_TCP:
		if (v->refresh && bits & HF_CT_REPLIED && v->tcp.state == HF_TCP_ESTABLISHED &&
			(cold->tcp.state == HF_TCP_SYN_RECV ||
				cold->tcp.state == HF_TCP_ESTABLISHED))
			bits |= HF_CT_ASSURED;
		break;
	case HF_PROTO_SCTP:
		if (v->sctp.established)
			bits |= HF_CT_ASSURED;
		break;
	default:
		if (v->reply || bits & HF_CT_REPLIED)
			bits |= HF_CT_ASSURED;
	}
	return v->reply ? bits | HF_CT_REPLIED : bits;
}

/* Others read one byte of it alone, the state, and must find a whole one; the rest is the worker's.
 */
static void copy_track(void *to, const void *from, size_t size, size_t state)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	memcpy(t, f, state);
	HF_CT_SET(t[state], f[state]);
	memcpy(t + state + 1, f + state + 1, size - state - 1);
}

static void keep_track(struct hf_ct_cold *cold, const struct hf_ct_view *v)
{
	uint8_t proto = hf_tuple_proto(&v->key);

	if (proto == HF_PROTO_TCP)
		copy_track(&cold->tcp, &v->tcp, sizeof(cold->tcp),
			offsetof(struct hf_tcp_track, state));
	else if (proto == HF_PROTO_SCTP)
		copy_track(&cold->sctp, &v->sctp, sizeof(cold->sctp),
			offsetof(struct hf_sctp_track, state));
}

static void move_entry(struct hf_ct_table *ct, const struct hf_ct_view *v, uint32_t now,
	uint32_t bytes, struct hf_ct_note note)
{
	struct hf_ct_pool *p = hf_ct_pool_of(ct, v->family);
	struct hf_ct_hot *e = hf_ct_hot_at(p, v->at);
	struct hf_ct_cold *cold = &p->cold[v->at];
	uint8_t bits, timer = v->refresh ? v->timer : e->timer;

	if (v->end) {
		hf_ct_remove(ct, p, v->at);
		return;
	}
	count(e, v->reply, bytes);
	bits = bits_after(e, cold, v, note.translated);
	keep_track(cold, v);
	if (note.judged && note.judged != v->judged)
		HF_CT_SET(cold->judged, note.judged);
	if (bits == e->bits && timer == e->timer && (now ^ e->seen) >> ORDER_SHIFT == 0) {
		if (v->refresh)
			HF_CT_SET(e->seen, now);
		return;
	}
	list_remove(p, e);
	if ((bits & ~e->bits) & HF_CT_ASSURED)
		count_open(ct, p, e, -1);
	HF_CT_SET(e->bits, bits);
	HF_CT_SET(e->timer, timer);
	if (v->refresh)
		HF_CT_SET(e->seen, now);
	list_add(p, e, v->at);
}

/* Of half-open connections, or of assured ones that are closing, the one silent for the longest. */
static uint32_t find_silent(const struct hf_ct_pool *p, uint32_t now, bool assured)
{
	uint32_t found = HF_CT_NIL, silent = 0;
	unsigned int i;

	for (i = 0; i < HF_CT_N_TIMERS; i++) {
		uint32_t at = p->lists[assured][i].oldest;

		if (at == HF_CT_NIL || (assured && !hf_ct_timers[i].closing))
			continue;
		if (found == HF_CT_NIL || now - hf_ct_hot_at(p, at)->seen > silent) {
			found = at;
			silent = now - hf_ct_hot_at(p, at)->seen;
		}
	}
	return found;
}

static uint32_t find_victim(const struct hf_ct_pool *p, uint32_t now)
{
	uint32_t found = find_silent(p, now, false);

	return found == HF_CT_NIL ? find_silent(p, now, true) : found;
}

static bool over_share(
	struct hf_ct_table *ct, const struct hf_ct_pool *p, const struct hf_ct_view *v)
{
	uint32_t mine = *source_of(ct, p, v->key.w, v->from);

	return mine >= SHARE_MIN && mine > ct->half_open / SHARE_DIVISOR;
}

static int make_room(
	struct hf_ct_table *ct, struct hf_ct_pool *p, const struct hf_ct_view *v, uint32_t now)
{
	uint32_t victim;
	unsigned int n;

	if (p->free != HF_CT_NIL)
		return 0;
	n = sweep_pool(ct, p, now, 0, MAKE_ROOM);
	HF_CT_ADD(ct->stats.expired, n);
	if (n)
		return 0;
	victim = find_victim(p, now);
	if (victim == HF_CT_NIL) {
		HF_CT_ADD(ct->stats.refused, 1);
		return -ENOSPC;
	}
	if (over_share(ct, p, v)) {
		HF_CT_ADD(ct->stats.refused_share, 1);
		return -EDQUOT;
	}
	hf_ct_remove(ct, p, victim);
	HF_CT_ADD(ct->stats.evicted, 1);
	return 0;
}

/* Word by word: somebody may be reading what was here before, and will find out by the version. */
static void fill_entry(
	struct hf_ct_hot *e, const struct hf_ct_view *v, uint32_t now, struct hf_ct_note note)
{
	unsigned int i, n = (v->family == 4 ? HF_CT_KEY4 : HF_CT_KEY6) / sizeof(e->key[0]);

	for (i = 0; i < n; i++)
		HF_CT_SET(e->key[i], v->key.w[i]);
	HF_CT_SET(e->seen, now);
	for (i = 0; i < 2; i++) {
		HF_CT_SET(e->packets[i], 0);
		HF_CT_SET(e->packets_high[i], 0);
		HF_CT_SET(e->bytes[i], 0);
	}
	HF_CT_SET(e->bits, (uint8_t)(v->from | (note.forwarded ? HF_CT_FORWARDED : 0) |
				     (note.translated ? HF_CT_TRANSLATED : 0)));
	HF_CT_SET(e->timer, v->timer);
}

static int make_entry(struct hf_ct_table *ct, struct hf_ct_view *v, uint32_t now, uint32_t bytes,
	struct hf_ct_note note)
{
	struct hf_ct_pool *p = hf_ct_pool_of(ct, v->family);
	struct hf_ct_hot *e;
	int rc = make_room(ct, p, v, now);
	uint32_t at;

	if (rc < 0)
		return rc;
	v->at = at = p->free;
	e = hf_ct_hot_at(p, at);
	p->free = e->next;
	e->next = p->buckets[v->bucket];
	p->buckets[v->bucket] = at;
	fill_entry(e, v, now, note);
	HF_CT_SET(p->cold[at].judged, note.judged);
	keep_track(&p->cold[at], v);
	count(e, false, bytes);
	list_add(p, e, at);
	count_open(ct, p, e, 1);
	__atomic_store_n(&e->version, (uint16_t)(e->version + 1), __ATOMIC_RELEASE);
	HF_CT_SET(p->n, p->n + 1);
	HF_CT_ADD(ct->stats.made, 1);
	return 0;
}

int hf_ct_commit(struct hf_ct_table *ct, struct hf_ct_view *view, uint64_t now, uint32_t bytes,
	struct hf_ct_note note)
{
	uint32_t ticks = hf_ct_tick(ct, now);

	if (view->renew)
		hf_ct_remove(ct, hf_ct_pool_of(ct, view->family), view->at);
	else if (view->known)
		move_entry(ct, view, ticks, bytes, note);
	if (!view->make)
		return 0;
	return make_entry(ct, view, ticks, bytes, note);
}

void hf_ct_loosen(struct hf_ct_table *ct, const struct hf_ct_view *view)
{
	if (hf_tuple_proto(&view->key) == HF_PROTO_TCP)
		hf_tcp_loosen(&hf_ct_pool_of(ct, view->family)->cold[view->at].tcp);
}

bool hf_ct_touch(struct hf_ct_table *ct, uint64_t ticket, uint64_t now)
{
	uint32_t ticks = hf_ct_tick(ct, now), i = ticket & ((1u << HF_CT_TICKET_SPARE) - 1);
	struct hf_ct_pool *p = &ct->pools[i >= ct->max];
	uint32_t at = i % ct->max;
	struct hf_ct_hot *e = hf_ct_hot_at(p, at);

	if (!hf_ct_has_ticket(ct, ticket) || hf_ct_has_expired(ct, e, ticks))
		return false;
	list_remove(p, e);
	HF_CT_SET(e->seen, ticks);
	list_add(p, e, at);
	return true;
}

void hf_ct_demote(struct hf_ct_table *ct, const struct hf_ct_view *view, uint64_t now)
{
	struct hf_ct_pool *p = hf_ct_pool_of(ct, view->family);
	struct hf_ct_hot *e = hf_ct_hot_at(p, view->at);

	if (!(e->bits & HF_CT_ASSURED))
		return;
	list_remove(p, e);
	HF_CT_SET(e->bits, e->bits & (uint8_t)~HF_CT_ASSURED);
	if (ct->ticks[e->timer] > ct->ticks[HF_CT_TCP_UNACKED])
		HF_CT_SET(e->timer, (uint8_t)HF_CT_TCP_UNACKED);
	HF_CT_SET(e->seen, hf_ct_tick(ct, now));
	count_open(ct, p, e, 1);
	list_add(p, e, view->at);
}
