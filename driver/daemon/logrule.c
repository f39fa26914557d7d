/* SPDX-License-Identifier: BSD-3-Clause */

#include "logrule.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct bucket {
	char *origin;
	double lines; /* that may be written now */
	uint64_t filled_ms;
	UT_hash_handle hh;
};

struct hf_loglimits {
	struct bucket *buckets;
	struct bucket others;
};

/* A part of an origin. */
struct part {
	const char *text;
	size_t len;
};

struct rule {
	struct part tier;
	struct part kind;
	struct part name;
	struct part path; /* with the namespace */
};

static struct part cut(const char *from, const char *to)
{
	return (struct part){from, (size_t)(to - from)};
}

static struct rule parse(const char *origin)
{
	const char *end = strstr(origin, "/ingress/"), *slash, *colon, *name;
	struct rule r = {.kind = {"unknown", 7}, .name = {"unknown", 7}, .path = {"unknown", 7}};

	if (!end)
		end = strstr(origin, "/egress/");
	if (!end)
		end = origin + strlen(origin);
	colon = memchr(origin, ':', (size_t)(end - origin));
	if (!colon)
		return r;
	slash = memchr(origin, '/', (size_t)(colon - origin));
	r.path = r.name = cut(colon + 1, end);
	if (slash) {
		r.tier = cut(origin, slash);
		r.kind = cut(slash + 1, colon);
		name = memrchr(colon + 1, '/', r.path.len);
		if (name)
			r.name = cut(name + 1, end);
	} else {
		r.kind = (struct part){"pro", 3};
	}
	return r;
}

void hf_logrule_prefix(const char *format, const char *origin, char *buf, size_t size)
{
	struct rule r = parse(origin);
	size_t n = 0;
	const char *p;

	for (p = format; *p; p++) {
		struct part part = {p, 1};

		if (*p == '%' && p[1] && strchr("tknp", p[1])) {
			part = p[1] == 't'   ? r.tier
			       : p[1] == 'k' ? r.kind
			       : p[1] == 'n' ? r.name
					     : r.path;
			p++;
		}
		if (part.len > size - 1 - n)
			part.len = size - 1 - n;
		if (part.len)
			memcpy(buf + n, part.text, part.len);
		n += part.len;
	}
	buf[n] = '\0';
}

struct hf_loglimits *hf_loglimits_new(void)
{
	return calloc(1, sizeof(struct hf_loglimits));
}

void hf_loglimits_free(struct hf_loglimits *limits)
{
	struct bucket *b, *next;

	if (!limits)
		return;
	HASH_ITER (hh, limits->buckets, b, next) {
		HASH_DEL(limits->buckets, b);
		free(b->origin);
		free(b);
	}
	free(limits);
}

static struct bucket *make_bucket(struct hf_loglimits *limits, const char *origin)
{
	struct bucket *b;

	if (HASH_COUNT(limits->buckets) == HF_LOGRULES_MAX)
		return &limits->others;
	b = calloc(1, sizeof(*b));
	if (!b)
		return &limits->others;
	b->origin = strdup(origin);
	if (!b->origin) {
		free(b);
		return &limits->others;
	}
	HASH_ADD_KEYPTR(hh, limits->buckets, b->origin, strlen(b->origin), b);
	return b;
}

bool hf_loglimits_take(struct hf_loglimits *limits, const struct hf_model_logs *logs,
	const char *origin, uint64_t now_ms)
{
	struct bucket *b;

	if (!logs->lines)
		return true;
	HASH_FIND(hh, limits->buckets, origin, strlen(origin), b);
	if (!b)
		b = make_bucket(limits, origin);
	if (!b->filled_ms)
		b->lines = logs->burst;
	else
		b->lines +=
			(double)(now_ms - b->filled_ms) * logs->lines / (1000.0 * logs->seconds);
	if (b->lines > logs->burst)
		b->lines = logs->burst;
	b->filled_ms = now_ms;
	if (b->lines < 1)
		return false;
	b->lines -= 1;
	return true;
}
