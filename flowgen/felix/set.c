/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Address sets: "10.0.0.0/24", "10.0.0.1" or "10.0.0.1,tcp:80" as members, both families mixed
 * (docs/semantics.md 16.4).
 */

#include "felix/state.h"

#include <hepflow/base/id.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER_MAX	80 /* characters; the longest IPv6 address, protocol and port need 60 */
#define SET_MEMBERS_MAX 4000000u /* as HF_MODEL_MEMBERS_MAX */
#define FEW		16	 /* changes that are cheaper one by one than by a merge */

/* A sorted array of things of one size, none twice. */
struct sorted {
	size_t *n, *cap;
	void **v;
	size_t size;
	int (*cmp)(const void *a, const void *b);
};

static int cmp_net(const void *a, const void *b)
{
	return hf_prefix_cmp(a, b);
}

static int cmp_member(const void *a, const void *b)
{
	return hf_member_cmp(a, b);
}

static struct sorted sorted_of(struct hf_felix_set *set)
{
	if (set->type == HF_FELIX__IPSET_TYPE__IP_AND_PORT)
		return (struct sorted){&set->members.n, &set->members.cap, (void **)&set->members.v,
			sizeof(struct hf_member), cmp_member};
	return (struct sorted){&set->nets.n, &set->nets.cap, (void **)&set->nets.v,
		sizeof(struct hf_prefix), cmp_net};
}

static char *at(const struct sorted *s, size_t i)
{
	return (char *)*s->v + i * s->size;
}

/* First that is not smaller. */
static size_t place(const struct sorted *s, const void *key, bool *ret_there)
{
	size_t lo = 0, hi = *s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->cmp(at(s, mid), key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_there = lo < *s->n && s->cmp(at(s, lo), key) == 0;
	return lo;
}

static int room(struct sorted *s, size_t n)
{
	void *v;

	if (n <= *s->cap)
		return 0;
	n += n / 8 + 8;
	v = reallocarray(*s->v, n, s->size);
	if (!v)
		return -ENOMEM;
	*s->v = v;
	*s->cap = n;
	return 0;
}

static void put_one(struct sorted *s, const void *key)
{
	bool there;
	size_t i = place(s, key, &there);

	if (there)
		return;
	memmove(at(s, i + 1), at(s, i), (*s->n - i) * s->size);
	memcpy(at(s, i), key, s->size);
	(*s->n)++;
}

static void drop_one(struct sorted *s, const void *key)
{
	bool there;
	size_t i = place(s, key, &there);

	if (!there)
		return;
	memmove(at(s, i), at(s, i + 1), (*s->n - i - 1) * s->size);
	(*s->n)--;
}

static void sort_unique(struct sorted *s)
{
	size_t i, n = 0;

	if (*s->n)
		qsort(*s->v, *s->n, s->size, s->cmp);
	for (i = 0; i < *s->n; i++) {
		if (n && s->cmp(at(s, n - 1), at(s, i)) == 0)
			continue;
		if (n != i)
			memcpy(at(s, n), at(s, i), s->size);
		n++;
	}
	*s->n = n;
}

/* Drops what stands in the sorted del. */
static void subtract(struct sorted *s, const struct sorted *del)
{
	size_t i, k = 0, n = 0;

	for (i = 0; i < *s->n; i++) {
		while (k < *del->n && del->cmp(at(del, k), at(s, i)) < 0)
			k++;
		if (k < *del->n && del->cmp(at(del, k), at(s, i)) == 0)
			continue;
		if (n != i)
			memcpy(at(s, n), at(s, i), s->size);
		n++;
	}
	*s->n = n;
}

/* "10.0.0.1,tcp:80" */
static int parse_member(const char *text, struct hf_member *ret)
{
	char buf[MEMBER_MAX], *comma, *colon, *end;
	unsigned long port;

	if (strlen(text) >= sizeof(buf))
		return -EINVAL;
	strcpy(buf, text);
	comma = strchr(buf, ',');
	colon = comma ? strchr(comma, ':') : NULL;
	if (!colon)
		return -EINVAL;
	*comma = *colon = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || port > UINT16_MAX)
		return -EINVAL;
	ret->port = (uint16_t)port;
	if (hf_proto_parse(comma + 1, &ret->proto) < 0)
		return -EINVAL;
	return hf_addr_parse(buf, &ret->addr);
}

static int parse_all(
	const char *id, char *const *texts, size_t n, struct sorted *ret, struct hf_err *err)
{
	size_t i;
	int rc;

	if (n > SET_MEMBERS_MAX)
		return hf_fail(
			err, -E2BIG, "felix: set %.64s: more than %u members", id, SET_MEMBERS_MAX);
	if (room(ret, n ? n : 1) < 0)
		return hf_fail(err, -ENOMEM, "felix: set %.64s: out of memory", id);
	for (i = 0; i < n; i++) {
		if (ret->cmp == cmp_member)
			rc = parse_member(texts[i], (struct hf_member *)at(ret, i));
		else
			rc = hf_prefix_parse(texts[i], (struct hf_prefix *)at(ret, i), NULL);
		if (rc < 0)
			return hf_fail(err, -EINVAL,
				"felix: set %.64s: '%.80s' is no member of such a set", id,
				texts[i]);
	}
	*ret->n = n;
	sort_unique(ret);
	return 0;
}

void hf_felix_set_free(struct hf_felix_set *set)
{
	if (!set)
		return;
	hf_vec_fini(&set->nets);
	hf_vec_fini(&set->members);
	free(set->id);
	free(set);
}

int hf_felix_set_put(struct hf_felix *felix, const HfFelix__IPSetUpdate *u, struct hf_err *err)
{
	struct hf_felix_set *set = calloc(1, sizeof(*set)), *old;
	struct sorted s;
	int rc = 0;

	if (set)
		set->id = strdup(u->id);
	if (!set || !set->id)
		rc = hf_fail(err, -ENOMEM, "felix: out of memory");
	if (rc == 0 && u->type > HF_FELIX__IPSET_TYPE__NET)
		rc = hf_fail(err, -EINVAL, "felix: set %.64s: unknown type %d", u->id, u->type);
	if (rc == 0 && HASH_COUNT(felix->sets) >= HF_FELIX_OBJECTS_MAX)
		rc = hf_fail(err, -E2BIG, "felix: more than %u sets", HF_FELIX_OBJECTS_MAX);
	if (rc == 0) {
		set->type = u->type;
		s = sorted_of(set);
		rc = parse_all(u->id, u->members, u->n_members, &s, err);
	}
	if (rc < 0) {
		hf_felix_set_free(set);
		return rc;
	}
	HASH_FIND_STR(felix->sets, u->id, old);
	if (old)
		HASH_DEL(felix->sets, old);
	HASH_ADD_KEYPTR(hh, felix->sets, set->id, strlen(set->id), set);
	if (!set->hh.tbl) {
		if (old)
			HASH_ADD_KEYPTR(hh, felix->sets, old->id, strlen(old->id), old);
		hf_felix_set_free(set);
		return hf_fail(err, -ENOMEM, "felix: out of memory");
	}
	set->as_is = hf_id_new();
	hf_felix_set_free(old);
	return 0;
}

static int change(struct sorted *s, const struct sorted *add, const struct sorted *del)
{
	size_t i;

	if (room(s, *s->n + *add->n) < 0)
		return -ENOMEM;
	if (*add->n + *del->n <= FEW) {
		for (i = 0; i < *del->n; i++)
			drop_one(s, at(del, i));
		for (i = 0; i < *add->n; i++)
			put_one(s, at(add, i));
		return 0;
	}
	subtract(s, del);
	if (*add->n)
		memcpy(at(s, *s->n), *add->v, *add->n * s->size);
	*s->n += *add->n;
	sort_unique(s);
	return 0;
}

int hf_felix_set_change(struct hf_felix *felix, const HfFelix__IPSetDeltaUpdate *u, bool *ret_known,
	struct hf_err *err)
{
	struct hf_felix_set add = {0}, del = {0}, *set;
	struct sorted s, a, d;
	int rc;

	HASH_FIND_STR(felix->sets, u->id, set);
	*ret_known = set;
	if (!set)
		return 0;
	set->as_is = hf_id_new();
	add.type = del.type = set->type;
	s = sorted_of(set);
	a = sorted_of(&add);
	d = sorted_of(&del);
	rc = parse_all(u->id, u->added_members, u->n_added_members, &a, err);
	if (rc == 0)
		rc = parse_all(u->id, u->removed_members, u->n_removed_members, &d, err);
	if (rc == 0 && *s.n + *a.n > SET_MEMBERS_MAX)
		rc = hf_fail(err, -E2BIG, "felix: set %.64s: more than %u members", u->id,
			SET_MEMBERS_MAX);
	if (rc == 0 && change(&s, &a, &d) < 0)
		rc = hf_fail(err, -ENOMEM, "felix: out of memory");
	hf_vec_fini(&add.nets);
	hf_vec_fini(&add.members);
	hf_vec_fini(&del.nets);
	hf_vec_fini(&del.members);
	return rc;
}

bool hf_felix_set_remove(struct hf_felix *felix, const char *id)
{
	struct hf_felix_set *set;

	HASH_FIND_STR(felix->sets, id, set);
	if (!set)
		return false;
	HASH_DEL(felix->sets, set);
	hf_felix_set_free(set);
	return true;
}
