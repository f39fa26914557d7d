/* SPDX-License-Identifier: BSD-3-Clause */

#include "conns.h"

#include "conns_shape.h"

#include <hepflow/base/clock.h>
#include <hepflow/err.h>
#include <hepflow/plan.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

#define BATCH	  64  /* answers taken at once */
#define CLEAR_MS  200 /* how long clearing waits for answers */
#define EVICTIONS 32  /* between two polls: each looks at all places */

enum state {
	FREE,
	COMING, /* the end of create() is not told yet */
	THERE,
	GOING, /* the end of destroy() is not told yet */
	STUCK, /* destroy() was refused */
};

/* All bytes of it count: to be cleared first. */
struct key {
	uint8_t src[16];
	uint8_t dst[16];
	uint16_t sport;
	uint16_t dport;
	uint8_t proto;
	uint8_t family;
	uint8_t out;
};

struct place {
	enum state state;
	bool unwanted; /* COMING: to be removed as soon as it is there */
	bool looked;   /* at least once */
	uint32_t turn; /* which use of the place this is */
	uint32_t next; /* of the free ones */
	struct key key;
	struct hf_conn conn;
	void *handle;
	struct hf_flow_hits hits;
	uint64_t packets; /* at the last look */
	uint64_t recent;  /* between the last two looks */
	uint64_t used_ms; /* when it was last seen to count */
	UT_hash_handle hh;
};

struct hf_conns {
	struct hf_conns_opts opts;
	struct hf_conn_shape shapes[HF_CONN_SHAPES];
	struct place *places;
	struct place *index;
	uint32_t free;		/* opts.max: none */
	uint32_t at;		/* the next to be looked at */
	unsigned int evictions; /* that are still allowed before the next poll */
	struct hf_conns_stats stats;
};

static void free_place(struct hf_conns *c, struct place *p)
{
	p->state = FREE;
	p->turn++;
	p->next = c->free;
	c->free = (uint32_t)(p - c->places);
	c->stats.n--;
}

int hf_conns_new(const struct hf_conns_opts *opts, struct hf_conns **ret, struct hf_err *err)
{
	struct hf_conns *c = calloc(1, sizeof(*c));
	uint32_t i;

	if (!c)
		return hf_fail(err, -ENOMEM, "connections: out of memory");
	c->opts = *opts;
	if (!c->opts.now_ms)
		c->opts.now_ms = hf_clock_ms;
	c->places = calloc(opts->max + 1, sizeof(*c->places));
	if (!c->places) {
		hf_conns_free(c);
		return hf_fail(err, -ENOMEM, "connections: no memory for %u rules", opts->max);
	}
	if (!hf_conn_shapes_find(&c->opts, c->shapes)) {
		hf_conns_free(c);
		return hf_fail(err, -ENOTSUP,
			"profile %s takes no exact rule %s in front of others", opts->nic->name,
			opts->eswitch.on ? "between ports" : "with a mark");
	}
	c->evictions = EVICTIONS;
	c->free = opts->max;
	c->stats.n = opts->max;
	for (i = opts->max; i-- > 0;)
		free_place(c, &c->places[i]);
	*ret = c;
	return 0;
}

void hf_conns_free(struct hf_conns *conns)
{
	if (!conns)
		return;
	HASH_CLEAR(hh, conns->index);
	free(conns->places);
	free(conns);
}

static void make_key(const struct hf_conn *conn, struct key *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->src, conn->src.b, sizeof(ret->src));
	memcpy(ret->dst, conn->dst.b, sizeof(ret->dst));
	ret->sport = conn->sport;
	ret->dport = conn->dport;
	ret->proto = conn->proto;
	ret->family = conn->src.family;
	ret->out = conn->out;
}

static struct place *find_place(const struct hf_conns *c, const struct key *key)
{
	struct place *p;

	HASH_FIND(hh, c->index, key, sizeof(*key), p);
	return p;
}

/* The rule of the other direction; NULL: there is none. */
static struct place *find_twin(const struct hf_conns *c, const struct hf_conn *conn)
{
	struct hf_conn twin = *conn;
	struct key key;

	if (!c->opts.eswitch.on)
		return NULL;
	twin.src = conn->dst;
	twin.dst = conn->src;
	twin.sport = conn->dport;
	twin.dport = conn->sport;
	twin.out = !conn->out;
	make_key(&twin, &key);
	return find_place(c, &key);
}

static uint64_t id_of(const struct hf_conns *c, const struct place *p)
{
	return (uint64_t)p->turn << 32 | (uint32_t)(p - c->places);
}

/* NULL: of an earlier use. */
static struct place *place_of(const struct hf_conns *c, uint64_t id)
{
	uint32_t i = (uint32_t)id;
	struct place *p = i < c->opts.max ? &c->places[i] : NULL;

	return p && p->state != FREE && p->turn == id >> 32 ? p : NULL;
}

/* The rule is no more. */
static void forget(struct hf_conns *c, struct place *p)
{
	c->stats.waiting -= p->state == COMING || p->state == GOING;
	c->stats.stuck -= p->state == STUCK;
	HASH_DEL(c->index, p);
	free_place(c, p);
}

static void set_there(struct hf_conns *c, struct place *p)
{
	p->state = THERE;
	p->used_ms = c->opts.now_ms();
	c->stats.inserted++;
}

/* Reads its counter. False: unknown. */
static bool read_hits(struct hf_conns *c, struct place *p)
{
	const struct hf_conn_shape *s = &c->shapes[hf_conn_shape_of(&p->conn)];
	struct hf_flow_hits hits;

	if (!s->counts)
		return false;
	if (c->opts.ops->query(c->opts.ops_arg, p->handle, &hits) < 0) {
		c->stats.query_errors++;
		return false;
	}
	c->stats.hits.packets += hits.packets - p->hits.packets;
	c->stats.hits.bytes += hits.bytes - p->hits.bytes;
	p->hits = hits;
	return true;
}

/* Takes a rule out that is there, or stuck. True: its place is free. */
static bool drop(struct hf_conns *c, struct place *p)
{
	int rc;

	(void)read_hits(c, p); /* what it had is lost if that fails, and counted as an error */
	rc = c->opts.ops->destroy(c->opts.ops_arg, p->handle, id_of(c, p), NULL);
	if (rc < 0) {
		c->stats.stuck += p->state != STUCK;
		p->state = STUCK;
		return false;
	}
	if (rc == HF_CONN_LATER) {
		c->stats.stuck -= p->state == STUCK;
		c->stats.waiting++;
		p->state = GOING;
		return false;
	}
	c->stats.deleted++;
	forget(c, p);
	return true;
}

/* Not one that is on its way. */
static void drop_twin(struct hf_conns *c, const struct place *p)
{
	struct place *twin = find_twin(c, &p->conn);

	if (twin && twin->state == THERE)
		(void)drop(c, twin);
}

/* Of the rules that were looked at, the one that has counted least; NULL: all are busy. */
static struct place *find_victim(struct hf_conns *c)
{
	struct place *least = NULL;
	uint32_t i;

	for (i = 0; i < c->opts.max; i++) {
		struct place *p = &c->places[i];

		if (p->state != THERE || !p->looked || p->recent >= c->opts.keep)
			continue;
		if (!least || p->recent < least->recent ||
			(p->recent == least->recent && p->used_ms < least->used_ms))
			least = p;
	}
	return least;
}

static int make_room(struct hf_conns *c)
{
	struct place *victim;

	if (c->free < c->opts.max)
		return 0;
	victim = c->evictions ? find_victim(c) : NULL;
	c->evictions -= c->evictions ? 1 : 0;
	if (victim) {
		c->stats.evicted++;
		drop_twin(c, victim);
		return drop(c, victim) ? 0 : -EBUSY;
	}
	c->stats.no_room++;
	return -ENOSPC;
}

static int put(struct hf_conns *c, const struct key *key, const struct hf_conn *conn,
	const struct hf_conn_shape *s, struct hf_err *err)
{
	struct place *p = &c->places[c->free];
	struct hf_flow meant = s->flow, flow;
	uint32_t turn = p->turn;
	int rc;

	hf_conn_fill(&meant, conn);
	hf_flow_ports_put(c->opts.ports, &meant, &flow);
	c->stats.asked++;
	c->free = p->next;
	memset(p, 0, sizeof(*p));
	p->turn = turn;
	p->key = *key;
	p->conn = *conn;
	c->stats.n++;
	rc = c->opts.ops->create(c->opts.ops_arg, &flow, id_of(c, p), &p->handle, err);
	if (rc < 0) {
		c->stats.refused++;
		free_place(c, p);
		return rc;
	}
	HASH_ADD(hh, c->index, key, sizeof(p->key), p);
	if (rc == HF_CONN_LATER) {
		p->state = COMING;
		c->stats.waiting++;
	} else {
		set_there(c, p);
	}
	return 0;
}

int hf_conns_add(struct hf_conns *conns, const struct hf_conn *conn, struct hf_err *err)
{
	int shape = hf_conn_shape_of(conn), rc;
	struct place *p;
	struct key key;

	if (shape < 0 || !conns->shapes[shape].can)
		return hf_fail(err, -ENOTSUP, "the NIC cannot match such a connection");
	make_key(conn, &key);
	p = find_place(conns, &key);
	if (p && p->conn.mark == conn->mark && !p->unwanted &&
		(p->state == THERE || p->state == COMING)) {
		p->conn = *conn; /* it may be a later connection of the same ends */
		return -EEXIST;
	}
	if (p && (p->state != THERE || !drop(conns, p)))
		return -EBUSY;
	rc = make_room(conns);
	return rc < 0 ? rc : put(conns, &key, conn, &conns->shapes[shape], err);
}

static void hear(struct hf_conns *c, const struct hf_conn_done *done)
{
	struct place *p = place_of(c, done->id);

	if (!p || (p->state != COMING && p->state != GOING))
		return;
	if (p->state == COMING && !done->ok) {
		c->stats.refused++;
		forget(c, p);
	} else if (p->state == GOING && done->ok) {
		c->stats.deleted++;
		forget(c, p);
	} else if (p->state == GOING) {
		c->stats.waiting--;
		c->stats.stuck++;
		p->state = STUCK;
	} else {
		c->stats.waiting--;
		set_there(c, p);
		if (p->unwanted)
			(void)drop(c, p);
	}
}

static void hear_all(struct hf_conns *c)
{
	struct hf_conn_done done[BATCH];
	unsigned int n, i;

	if (!c->opts.ops->pull)
		return;
	do {
		n = c->opts.ops->pull(c->opts.ops_arg, done, BATCH);
		for (i = 0; i < n; i++)
			hear(c, &done[i]);
	} while (n == BATCH);
}

static void drop_aged(struct hf_conns *c)
{
	uint64_t ids[BATCH];
	unsigned int n, i;

	n = c->opts.ops->aged ? c->opts.ops->aged(c->opts.ops_arg, ids, BATCH) : 0;
	for (i = 0; i < n; i++) {
		struct place *p = place_of(c, ids[i]);

		if (!p || p->state != THERE)
			continue;
		c->stats.aged++;
		(void)drop(c, p);
	}
}

/* A pair is idle together. */
static bool is_idle(const struct hf_conns *c, const struct place *p, uint64_t now)
{
	const uint64_t ms = c->opts.idle_s * UINT64_C(1000);
	const struct place *twin = find_twin(c, &p->conn);

	return now - p->used_ms >= ms &&
	       (!twin || twin->state != THERE || now - twin->used_ms >= ms);
}

/* Removes one that does not hold. */
static bool ends(struct hf_conns *c, struct place *p, const struct hf_conns_user *user,
	uint64_t *ret_packets)
{
	if (user->holds(user->arg, &p->conn, ret_packets))
		return false;
	c->stats.ended++;
	if (p->state == COMING)
		p->unwanted = true;
	else
		(void)drop(c, p);
	return true;
}

static void look(struct hf_conns *c, struct place *p, const struct hf_conns_user *user)
{
	const struct hf_conn_shape *s = &c->shapes[hf_conn_shape_of(&p->conn)];
	uint64_t now = c->opts.now_ms(), packets;

	if (p->state == STUCK) {
		(void)drop(c, p);
		return;
	}
	if (ends(c, p, user, &packets) || p->state != THERE)
		return;
	if (s->counts) {
		if (!read_hits(c, p))
			return;
		packets = p->hits.packets;
	}
	if (packets != p->packets || !p->looked)
		p->used_ms = now;
	if (packets != p->packets && user->lives)
		user->lives(user->arg, &p->conn);
	p->recent = p->looked || s->counts ? packets - p->packets : c->opts.keep;
	p->packets = packets;
	p->looked = true;
	if (!s->ages && is_idle(c, p, now)) {
		c->stats.aged++;
		drop_twin(c, p);
		(void)drop(c, p);
	}
}

void hf_conns_poll(struct hf_conns *conns, uint32_t n, const struct hf_conns_user *user)
{
	conns->evictions = EVICTIONS;
	hear_all(conns);
	drop_aged(conns);
	if (n > conns->opts.max)
		n = conns->opts.max;
	for (; n > 0; n--) {
		struct place *p = &conns->places[conns->at];

		conns->at = (conns->at + 1) % conns->opts.max;
		if (p->state != FREE && p->state != GOING && !p->unwanted)
			look(conns, p, user);
	}
}

void hf_conns_sweep(struct hf_conns *conns, const struct hf_conns_user *user)
{
	uint64_t packets;
	uint32_t i;

	hear_all(conns);
	for (i = 0; i < conns->opts.max; i++) {
		struct place *p = &conns->places[i];

		if ((p->state == THERE || p->state == COMING) && !p->unwanted)
			(void)ends(conns, p, user, &packets);
	}
}

/* Asks those of other marks to go. Returns how many are left. */
static uint32_t drop_older(struct hf_conns *c, uint32_t mark)
{
	uint32_t i, left = 0;

	for (i = 0; i < c->opts.max; i++) {
		struct place *p = &c->places[i];

		if (p->state == FREE || p->conn.mark == mark)
			continue;
		c->stats.ended += p->state == THERE;
		if (p->state == COMING)
			p->unwanted = true;
		left += (p->state != THERE && p->state != STUCK) || !drop(c, p);
	}
	return left;
}

int hf_conns_purge(struct hf_conns *conns, uint32_t mark, struct hf_err *err)
{
	static const struct timespec moment = {.tv_nsec = 1000000};
	uint32_t left, least = UINT32_MAX;
	int ms;

	hear_all(conns);
	left = drop_older(conns, mark);
	for (ms = 0; left > 0 && conns->stats.waiting > 0 && ms < CLEAR_MS; ms++) {
		(void)nanosleep(&moment, NULL); /* woken early: just as well */
		hear_all(conns);
		left = drop_older(conns, mark); /* there may have been no room for the question */
		if (left < least)
			ms = 0;
		least = left < least ? left : least;
	}
	return left ? hf_fail(err, -EIO, "%u rules of connections cannot be removed", left) : 0;
}

void hf_conns_clear(struct hf_conns *conns)
{
	static const struct timespec moment = {.tv_nsec = 1000000};
	uint32_t i;
	int ms;

	for (i = 0; i < conns->opts.max; i++) {
		struct place *p = &conns->places[i];

		if (p->state == THERE || p->state == STUCK)
			(void)drop(conns, p);
		else if (p->state == COMING)
			p->unwanted = true;
	}
	hear_all(conns);
	for (ms = 0; conns->stats.waiting > 0 && ms < CLEAR_MS; ms++) {
		(void)nanosleep(&moment, NULL); /* woken early: just as well */
		hear_all(conns);
	}
}

void hf_conns_lose(struct hf_conns *conns)
{
	uint32_t i;

	for (i = 0; i < conns->opts.max; i++) {
		if (conns->places[i].state == FREE)
			continue;
		conns->stats.lost++;
		forget(conns, &conns->places[i]);
	}
}

bool hf_conns_find(
	const struct hf_conns *conns, const struct hf_conn *conn, struct hf_flow_hits *ret_hits)
{
	const struct place *p;
	struct key key;

	make_key(conn, &key);
	p = find_place(conns, &key);
	if (!p || p->state != THERE)
		return false;
	*ret_hits = p->hits;
	return true;
}

void hf_conns_read_stats(const struct hf_conns *conns, struct hf_conns_stats *ret)
{
	*ret = conns->stats;
}

const char *hf_conns_aging(const struct hf_conns *conns)
{
	int i;

	for (i = 0; i < HF_CONN_SHAPES - 1 && !conns->shapes[i].can; i++)
		;
	if (conns->shapes[i].ages)
		return "AGE";
	return conns->shapes[i].counts ? "COUNT" : "software";
}
