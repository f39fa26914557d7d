/* SPDX-License-Identifier: BSD-3-Clause */

#include "conns.h"

#include <hepflow/base/clock.h>
#include <hepflow/err.h>
#include <hepflow/plan.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

#define BATCH	   64  /* answers taken at once */
#define CLEAR_MS   200 /* how long clearing waits for answers */
#define EVICTIONS  32  /* between two polls: each looks at all places */
#define TCP_ENDING (HF_TCP_SYN | HF_TCP_FIN | HF_TCP_RST)

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

/* How the NIC is asked for a connection of one family and protocol. */
struct shape {
	bool can;
	bool counts;
	bool ages;
	struct hf_flow flow; /* all but addresses, ports and mark */
};

enum { SHAPES = 4 };

struct hf_conns {
	struct hf_conns_opts opts;
	struct shape shapes[SHAPES];
	struct place *places;
	struct place *index;
	uint32_t free;		/* opts.max: none */
	uint32_t at;		/* the next to be looked at */
	unsigned int evictions; /* that are still allowed before the next poll */
	struct hf_conns_stats stats;
};

static int shape_of(const struct hf_conn *c)
{
	if (c->proto != HF_PROTO_TCP && c->proto != HF_PROTO_UDP)
		return -ENOTSUP;
	return (c->src.family == 6 ? 2 : 0) + (c->proto == HF_PROTO_UDP);
}

/* What differs from connection to connection. */
static void fill(struct hf_flow *f, const struct hf_conn *c)
{
	struct hf_hdr *spec = &f->pattern.spec;
	size_t size = c->src.family == 4 ? 4 : 16, i;

	memcpy(spec->ip_src, c->src.b, size);
	memcpy(spec->ip_dst, c->dst.b, size);
	spec->sport[0] = (uint8_t)(c->sport >> 8);
	spec->sport[1] = (uint8_t)c->sport;
	spec->dport[0] = (uint8_t)(c->dport >> 8);
	spec->dport[1] = (uint8_t)c->dport;
	for (i = 0; i < f->n_actions; i++) {
		if (f->actions[i].act == HF_ACT_MARK)
			f->actions[i].value = c->mark;
	}
}

static void add_action(struct hf_flow *f, enum hf_act act, uint32_t value)
{
	f->actions[f->n_actions++] = (struct hf_flow_action){.act = act, .value = value};
}

struct wish {
	bool count;
	bool age;
	bool untagged; /* the pattern says so; else software does */
	uint32_t priority;
	enum hf_act receive;
};

static void make_flow(const struct hf_conns_opts *o, const struct hf_conn *like,
	const struct wish *wish, struct hf_flow *ret)
{
	bool tcp = like->proto == HF_PROTO_TCP;
	enum hf_layer ip = like->src.family == 4 ? HF_LAYER_IPV4 : HF_LAYER_IPV6;
	enum hf_layer l4 = tcp ? HF_LAYER_TCP : HF_LAYER_UDP;
	struct hf_flow f = {
		.ingress = true,
		.priority = wish->priority,
		.n_items = 3,
		.items = {HF_LAYER_ETH, (uint8_t)ip, (uint8_t)l4},
	};
	struct hf_hdr *mask = &f.pattern.mask;
	size_t size = like->src.family == 4 ? 4 : 16;

	f.pattern.layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(ip) | HF_LAYER_BIT(l4);
	memset(mask->ip_src, 0xff, size);
	memset(mask->ip_dst, 0xff, size);
	memset(mask->sport, 0xff, sizeof(mask->sport));
	memset(mask->dport, 0xff, sizeof(mask->dport));
	mask->tcp_flags = tcp ? TCP_ENDING : 0;
	mask->has_vlan = wish->untagged;
	if (wish->count)
		add_action(&f, HF_ACT_COUNT, 0);
	if (wish->age)
		add_action(&f, HF_ACT_AGE, o->idle_s);
	add_action(&f, wish->receive, wish->receive == HF_ACT_RSS ? o->n_queues : 0);
	add_action(&f, HF_ACT_MARK, 0);
	fill(&f, like);
	*ret = f;
}

/* Would exactly these packets be marked, wherever the plan's rules stand? */
static bool is_taken(const struct hf_nic *nic, const struct hf_flow *f)
{
	enum hf_reject reject;
	const struct hf_engine *e = hf_nic_accept(nic, f, &reject);
	size_t at = 0;

	return e && e->order == HF_PRIO_LOWER && f->priority == (e->depth_rank ? 1 : 0) &&
	       hf_nic_danger(e, f) == HF_F_MAX_ && hf_nic_next_danger(e, f, &at) == HF_F_MAX_;
}

/* The best of all ways to say it that the NIC takes. */
static void find_shape(const struct hf_conns_opts *o, const struct hf_conn *like, struct shape *ret)
{
	static const enum hf_act receive[] = {HF_ACT_RSS, HF_ACT_PASSTHRU, HF_ACT_QUEUE};
	unsigned int i, r;

	/* Counters first, then age, then the tag; the priority is what the engine makes it. */
	for (r = o->n_queues > 1 ? 0 : 1; r < 3; r++) {
		for (i = 0; i < 16; i++) {
			struct wish wish = {
				.count = !(i & 8),
				.age = !(i & 4),
				.untagged = !(i & 2),
				.priority = i & 1,
				.receive = receive[r],
			};
			struct hf_flow f;

			make_flow(o, like, &wish, &f);
			if (!is_taken(o->nic, &f))
				continue;
			*ret = (struct shape){true, wish.count, wish.age, f};
			return;
		}
	}
}

static bool find_shapes(struct hf_conns *c)
{
	struct hf_conn like = {.sport = 1, .dport = 1, .mark = HF_MARK_CONN_MAX};
	bool any = false;
	int i;

	memset(like.src.b, 1, sizeof(like.src.b));
	memset(like.dst.b, 1, sizeof(like.dst.b));
	for (i = 0; i < SHAPES; i++) {
		like.src.family = like.dst.family = i < 2 ? 4 : 6;
		like.proto = i % 2 ? HF_PROTO_UDP : HF_PROTO_TCP;
		find_shape(&c->opts, &like, &c->shapes[i]);
		any = any || c->shapes[i].can;
	}
	return any;
}

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
	if (!find_shapes(c)) {
		hf_conns_free(c);
		return hf_fail(err, -ENOTSUP,
			"profile %s takes no exact rule with a mark in front of others",
			opts->nic->name);
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
}

static struct place *find_place(const struct hf_conns *c, const struct key *key)
{
	struct place *p;

	HASH_FIND(hh, c->index, key, sizeof(*key), p);
	return p;
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
	const struct shape *s = &c->shapes[shape_of(&p->conn)];
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
		return drop(c, victim) ? 0 : -EBUSY;
	}
	c->stats.no_room++;
	return -ENOSPC;
}

static int put(struct hf_conns *c, const struct key *key, const struct hf_conn *conn,
	const struct shape *s, struct hf_err *err)
{
	struct place *p = &c->places[c->free];
	struct hf_flow flow = s->flow;
	uint32_t turn = p->turn;
	int rc;

	fill(&flow, conn);
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
	int shape = shape_of(conn), rc;
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

static void look(struct hf_conns *c, struct place *p, hf_conn_holds holds, void *arg)
{
	const struct shape *s = &c->shapes[shape_of(&p->conn)];
	uint64_t now = c->opts.now_ms(), packets;

	if (p->state == STUCK) {
		(void)drop(c, p);
		return;
	}
	if (!holds(arg, &p->conn, &packets)) {
		c->stats.ended++;
		if (p->state == COMING)
			p->unwanted = true;
		else
			(void)drop(c, p);
		return;
	}
	if (p->state != THERE)
		return;
	if (s->counts) {
		if (!read_hits(c, p))
			return;
		packets = p->hits.packets;
	}
	if (packets != p->packets || !p->looked)
		p->used_ms = now;
	p->recent = p->looked || s->counts ? packets - p->packets : c->opts.keep;
	p->packets = packets;
	p->looked = true;
	if (!s->ages && now - p->used_ms >= c->opts.idle_s * UINT64_C(1000)) {
		c->stats.aged++;
		(void)drop(c, p);
	}
}

void hf_conns_poll(struct hf_conns *conns, uint32_t n, hf_conn_holds holds, void *arg)
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
			look(conns, p, holds, arg);
	}
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

	for (i = 0; i < SHAPES - 1 && !conns->shapes[i].can; i++)
		;
	if (conns->shapes[i].ages)
		return "AGE";
	return conns->shapes[i].counts ? "COUNT" : "software";
}
