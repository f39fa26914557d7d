/* SPDX-License-Identifier: BSD-3-Clause */

#include "pmd.h"

#include <rte_kvargs.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARG_DEV "dev="

static const char *const ops[HF_VNIC_OPS] = {
	[HF_VNIC_OP_CREATE] = "create",
	[HF_VNIC_OP_DESTROY] = "destroy",
	[HF_VNIC_OP_QUERY] = "query",
	[HF_VNIC_OP_FLUSH] = "flush",
	[HF_VNIC_OP_START] = "start",
};

static bool read_number(const char *text, uint32_t max, uint32_t *ret)
{
	char *end;
	unsigned long long v;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (*end || errno || v < 1 || v > max)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool read_op(const char *text, enum hf_vnic_op *ret)
{
	unsigned int op;

	for (op = 0; op < HF_VNIC_OPS; op++) {
		if (strcmp(ops[op], text) == 0) {
			*ret = (enum hf_vnic_op)op;
			return true;
		}
	}
	return false;
}

/* "ENOSPC"; NULL: ENOMEM. */
static bool read_errno(const char *text, int *ret)
{
	int err;

	*ret = ENOMEM;
	if (!text)
		return true;
	for (err = 1; err < 4096; err++) { /* the kernel's MAX_ERRNO is 4095 */
		const char *name = strerrorname_np(err);

		if (name && strcmp(name, text) == 0) {
			*ret = err;
			return true;
		}
	}
	return false;
}

static int set_profile(struct hf_vnic_args *args, char *value)
{
	args->profile = value[0] ? strdup(value) : NULL;
	if (value[0] && !args->profile)
		return -ENOMEM;
	return args->profile ? 0 : -EINVAL;
}

/* OP:N[:ERRNO][;...] */
static int set_fail(struct hf_vnic_args *args, char *value)
{
	struct hf_vnic_faults *f = &args->faults;
	char *one;

	while ((one = strsep(&value, ";"))) {
		struct hf_vnic_fail *fail = &f->fails[f->n_fails];
		char *op = strsep(&one, ":");
		char *nth = strsep(&one, ":");

		if (f->n_fails == HF_VNIC_FAILS_MAX)
			return -EINVAL;
		if (!read_op(op, &fail->op) || !read_number(nth, HF_VNIC_NTH_MAX, &fail->nth) ||
			!read_errno(one, &fail->err))
			return -EINVAL;
		f->n_fails++;
	}
	return 0;
}

/* OP:MICROSECONDS[;...] */
static int set_delay(struct hf_vnic_args *args, char *value)
{
	enum hf_vnic_op op;
	uint32_t us;
	char *one;

	while ((one = strsep(&value, ";"))) {
		char *name = strsep(&one, ":");

		if (!read_op(name, &op) || !read_number(one, HF_VNIC_DELAY_MAX_US, &us) ||
			args->faults.delay_us[op])
			return -EINVAL;
		args->faults.delay_us[op] = us;
	}
	return 0;
}

static int set_lose(struct hf_vnic_args *args, char *value)
{
	return read_number(value, HF_VNIC_NTH_MAX, &args->faults.lose) ? 0 : -EINVAL;
}

static int set_capacity(struct hf_vnic_args *args, char *value)
{
	return read_number(value, UINT32_MAX, &args->faults.capacity) ? 0 : -EINVAL;
}

static int set_link(struct hf_vnic_args *args, char *value)
{
	args->faults.link_down = true;
	return strcmp(value, "down") == 0 ? 0 : -EINVAL;
}

static int set_event(struct hf_vnic_args *args, char *value)
{
	char *what = strsep(&value, ":");

	if (strcmp(what, "remove") != 0)
		return -EINVAL;
	return read_number(value, HF_VNIC_NTH_MAX, &args->faults.remove) ? 0 : -EINVAL;
}

/* late:N or lost:N, [;...] */
static int set_pull(struct hf_vnic_args *args, char *value)
{
	char *one;

	while ((one = strsep(&value, ";"))) {
		char *what = strsep(&one, ":");
		uint32_t *to = strcmp(what, "late") == 0   ? &args->faults.pull_late
			       : strcmp(what, "lost") == 0 ? &args->faults.pull_lost
							   : NULL;

		if (!to || *to || !read_number(one, HF_VNIC_NTH_MAX, to))
			return -EINVAL;
	}
	return 0;
}

/* A number that may be 0; the greatest ones mean "none". */
static int set_id(uint32_t *to, const char *value)
{
	if (strcmp(value, "0") == 0)
		*to = 0;
	else if (!read_number(value, UINT16_MAX, to))
		return -EINVAL;
	return 0;
}

static int set_switch(struct hf_vnic_args *args, char *value)
{
	return set_id(&args->switch_id, value);
}

static int set_representor(struct hf_vnic_args *args, char *value)
{
	return set_id(&args->representor, value);
}

static const struct arg {
	const char *key;
	const char *form;
	int (*set)(struct hf_vnic_args *args, char *value);
} arg_table[] = {
	{"profile", "NAME or FILE", set_profile},
	{"fail", "OP:N[:ERRNO][;...], OP create, destroy, query, flush or start", set_fail},
	{"lose", "N", set_lose},
	{"delay", "OP:MICROSECONDS[;...], 10 s at most", set_delay},
	{"capacity", "N", set_capacity},
	{"link", "down", set_link},
	{"event", "remove:N", set_event},
	{"pull", "late:N or lost:N", set_pull},
	{"switch", "N or 0", set_switch},
	{"representor", "N or 0", set_representor},
};

static const struct arg *find_arg(const char *key)
{
	size_t i;

	for (i = 0; i < RTE_DIM(arg_table); i++) {
		if (strcmp(arg_table[i].key, key) == 0)
			return &arg_table[i];
	}
	return NULL;
}

static int set_pair(struct hf_vnic_args *args, const struct rte_kvargs_pair *pair)
{
	const struct arg *arg = find_arg(pair->key);
	char *value;
	int rc;

	if (!arg) {
		VNIC_LOG(ERR, "unknown argument \"%s\" (dev= stands last)", pair->key);
		return -EINVAL;
	}
	value = strdup(pair->value ? pair->value : "");
	if (!value)
		return -ENOMEM;
	rc = arg->set(args, value);
	free(value);
	if (rc == -EINVAL)
		VNIC_LOG(ERR, "%s=%s: %s=%s is needed, N from 1", pair->key,
			pair->value ? pair->value : "", arg->key, arg->form);
	return rc;
}

static int check_pairs(const struct rte_kvargs *kv)
{
	unsigned int i, k;

	for (i = 0; i < kv->count; i++) {
		for (k = 0; k < i; k++) {
			if (strcmp(kv->pairs[i].key, kv->pairs[k].key) != 0)
				continue;
			VNIC_LOG(ERR, "argument \"%s\" given twice", kv->pairs[i].key);
			return -EINVAL;
		}
	}
	return 0;
}

static int parse_own(const char *text, struct hf_vnic_args *ret)
{
	struct rte_kvargs *kv = rte_kvargs_parse(text, NULL);
	unsigned int i;
	int rc = kv ? check_pairs(kv) : -EINVAL;

	for (i = 0; rc == 0 && i < kv->count; i++)
		rc = set_pair(ret, &kv->pairs[i]);
	rte_kvargs_free(kv);
	if (rc == 0 && ret->representor != HF_VNIC_NO_REPRESENTOR &&
		ret->switch_id == HF_VNIC_SWITCH_ALONE) {
		VNIC_LOG(ERR, "representor= needs switch=N: \"%s\"", text);
		rc = -EINVAL;
	}
	if (rc == 0 && !ret->profile) {
		VNIC_LOG(ERR, "argument profile=NAME|FILE is missing: \"%s\"", text);
		rc = -EINVAL;
	}
	return rc;
}

/* Everything behind "dev=" is the sub-device's, commas included. */
static const char *find_sub(const char *text)
{
	const char *at = text;

	while (at && strncmp(at, ARG_DEV, strlen(ARG_DEV)) != 0) {
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	return at;
}

int hf_vnic_args_parse(const char *text, struct hf_vnic_args *ret)
{
	const char *sub = find_sub(text);
	size_t len = sub ? (size_t)(sub - text) : strlen(text);
	char *own = strndup(text, len && sub ? len - 1 : len);
	int rc;

	memset(ret, 0, sizeof(*ret));
	ret->switch_id = HF_VNIC_SWITCH_ALONE;
	ret->representor = HF_VNIC_NO_REPRESENTOR;
	if (!own)
		return -ENOMEM;
	rc = parse_own(own, ret);
	free(own);
	ret->sub = sub ? sub + strlen(ARG_DEV) : NULL;
	if (rc < 0)
		hf_vnic_args_fini(ret);
	return rc;
}

void hf_vnic_args_fini(struct hf_vnic_args *args)
{
	free(args->profile);
	args->profile = NULL;
}
