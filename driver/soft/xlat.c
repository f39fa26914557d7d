/* SPDX-License-Identifier: BSD-3-Clause */

#include "xlat.h"

#include "tuple.h"

#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include <errno.h>
#include <string.h>

#define NIL		  UINT32_MAX
#define SWEEP_ROOM	  64 /* places looked at for a call when the table is full */
#define STEPS_MAX	  64 /* of a chain that somebody else may be changing */

#define SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define GET(field)	  __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* version is odd while the entry is in use, as in the connection table. */
struct entry {
	union {
		struct hf_xlat xlat;
		uint64_t words[sizeof(struct hf_xlat) / sizeof(uint64_t)];
	};
	struct hf_ct_key behind;
	uint64_t ticket;
	uint32_t next_ticket; /* of the same bucket, or of the free ones */
	uint32_t next_behind;
	uint32_t version;
};

static_assert(sizeof(struct hf_xlat) % sizeof(uint64_t) == 0, "read and written by words");

struct hf_xlat_table {
	struct entry *entries;
	uint32_t *by_ticket; /* buckets */
	uint32_t *by_behind;
	uint32_t max;
	uint32_t mask;
	uint32_t free;
	uint32_t n;
	uint32_t swept; /* the place that comes next */
	struct hf_tuple_secret secret;
};

static uint32_t *make_buckets(uint32_t n, int socket)
{
	uint32_t *b = rte_malloc_socket("hf_xlat", n * sizeof(*b), RTE_CACHE_LINE_SIZE, socket);

	if (b)
		memset(b, 0xff, n * sizeof(*b)); /* NIL */
	return b;
}

int hf_xlat_new(uint32_t max, int socket, struct hf_xlat_table **ret)
{
	struct hf_xlat_table *x =
		rte_zmalloc_socket("hf_xlat", sizeof(*x), RTE_CACHE_LINE_SIZE, socket);
	uint32_t n = rte_align32pow2(max), i;

	if (!x)
		return -ENOMEM;
	x->max = max;
	x->mask = n - 1;
	x->entries =
		rte_calloc_socket("hf_xlat", max, sizeof(*x->entries), RTE_CACHE_LINE_SIZE, socket);
	x->by_ticket = make_buckets(n, socket);
	x->by_behind = make_buckets(n, socket);
	if (!x->entries || !x->by_ticket || !x->by_behind) {
		hf_xlat_free(x);
		return -ENOMEM;
	}
	for (i = 0; i < RTE_DIM(x->secret.w); i++)
		x->secret.w[i] = rte_rand() | 1;
	for (i = 0; i < max; i++)
		x->entries[i].next_ticket = i + 1 < max ? i + 1 : NIL;
	*ret = x;
	return 0;
}

void hf_xlat_free(struct hf_xlat_table *x)
{
	if (!x)
		return;
	rte_free(x->entries);
	rte_free(x->by_ticket);
	rte_free(x->by_behind);
	rte_free(x);
}

static uint64_t bare(uint64_t ticket)
{
	return ticket & ~HF_CT_TICKET_REPLY;
}

/* Places of connections are spread evenly already. */
static uint32_t *ticket_bucket(const struct hf_xlat_table *x, uint64_t ticket)
{
	return &x->by_ticket[ticket & x->mask];
}

static uint32_t *behind_bucket(
	const struct hf_xlat_table *x, const struct hf_ct_key *key, uint8_t family)
{
	return &x->by_behind[hf_tuple_hash(key, family, &x->secret) & x->mask];
}

static bool same_key(const struct entry *e, const struct hf_ct_key *key, uint8_t family)
{
	size_t size = (family == 4 ? 2 : 5) * sizeof(key->w[0]);

	return e->xlat.service.family == family && memcmp(&e->behind, key, size) == 0;
}

static uint32_t find(const struct hf_xlat_table *x, uint64_t ticket)
{
	uint32_t at = *ticket_bucket(x, ticket);

	while (at != NIL && x->entries[at].ticket != ticket)
		at = x->entries[at].next_ticket;
	return at;
}

static void remove_at(struct hf_xlat_table *x, uint32_t at)
{
	struct entry *e = &x->entries[at];
	uint32_t *link = ticket_bucket(x, e->ticket);

	while (*link != at)
		link = &x->entries[*link].next_ticket;
	SET(*link, e->next_ticket);
	link = behind_bucket(x, &e->behind, e->xlat.service.family);
	while (*link != at)
		link = &x->entries[*link].next_behind;
	*link = e->next_behind;
	__atomic_store_n(&e->version, e->version + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* before the next user's members */
	SET(e->next_ticket, x->free);
	x->free = at;
	SET(x->n, x->n - 1);
}

const struct hf_xlat *hf_xlat_find(const struct hf_xlat_table *x, uint64_t ticket)
{
	uint32_t at = find(x, bare(ticket));

	return at == NIL ? NULL : &x->entries[at].xlat;
}

const struct hf_xlat *hf_xlat_find_behind(struct hf_xlat_table *x, const struct hf_ct_table *ct,
	const struct hf_ct_key *key, uint8_t family)
{
	uint32_t at = *behind_bucket(x, key, family);

	while (at != NIL && !same_key(&x->entries[at], key, family))
		at = x->entries[at].next_behind;
	if (at == NIL)
		return NULL;
	if (hf_ct_has_ticket(ct, x->entries[at].ticket))
		return &x->entries[at].xlat;
	remove_at(x, at);
	return NULL;
}

bool hf_xlat_has_room(struct hf_xlat_table *x, const struct hf_ct_table *ct)
{
	if (x->free == NIL)
		hf_xlat_sweep(x, ct, SWEEP_ROOM);
	return x->free != NIL;
}

const struct hf_xlat *hf_xlat_add(struct hf_xlat_table *x, uint64_t ticket,
	const struct hf_ct_key *behind, const struct hf_xlat *xlat)
{
	uint32_t at = find(x, bare(ticket)), *bucket;
	struct entry from = {.xlat = *xlat}, *e;
	size_t i;

	if (at != NIL)
		remove_at(x, at);
	at = x->free;
	e = &x->entries[at];
	x->free = e->next_ticket;
	for (i = 0; i < RTE_DIM(e->words); i++)
		SET(e->words[i], from.words[i]);
	e->behind = *behind;
	SET(e->ticket, bare(ticket));
	bucket = ticket_bucket(x, e->ticket);
	SET(e->next_ticket, *bucket);
	__atomic_store_n(&e->version, e->version + 1, __ATOMIC_RELEASE);
	SET(*bucket, at);
	bucket = behind_bucket(x, behind, xlat->service.family);
	e->next_behind = *bucket;
	*bucket = at;
	SET(x->n, x->n + 1);
	return &e->xlat;
}

void hf_xlat_sweep(struct hf_xlat_table *x, const struct hf_ct_table *ct, unsigned int max)
{
	for (; max > 0 && x->n > 0; max--) {
		const struct entry *e = &x->entries[x->swept];

		if (e->version % 2 && !hf_ct_has_ticket(ct, e->ticket))
			remove_at(x, x->swept);
		x->swept = (x->swept + 1) % x->max;
	}
}

uint32_t hf_xlat_count(const struct hf_xlat_table *x)
{
	return GET(x->n);
}

bool hf_xlat_read(const struct hf_xlat_table *x, uint64_t ticket, struct hf_xlat *ret)
{
	uint32_t at = GET(*ticket_bucket(x, ticket)), version;
	struct entry copy;
	unsigned int i, k;

	for (i = 0; at != NIL && i < STEPS_MAX; i++, at = GET(x->entries[at].next_ticket)) {
		const struct entry *e = &x->entries[at];

		version = __atomic_load_n(&e->version, __ATOMIC_ACQUIRE);
		if (GET(e->ticket) != bare(ticket))
			continue;
		for (k = 0; k < RTE_DIM(copy.words); k++)
			copy.words[k] = GET(e->words[k]);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (version % 2 == 0 || GET(e->version) != version)
			return false;
		*ret = copy.xlat;
		return true;
	}
	return false;
}
