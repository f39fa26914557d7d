/* SPDX-License-Identifier: BSD-3-Clause */

#include "pmd.h"

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

/* DEVICE[;ARGUMENT...] */
static int set_kernel(struct hf_vnic_args *args, char *value)
{
	char *at;

	if (!value[0])
		return -EINVAL;
	args->kernel = strdup(value);
	if (!args->kernel)
		return -ENOMEM;
	for (at = args->kernel; (at = strchr(at, ';')); at++)
		*at = ',';
	return 0;
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
	uint32_t *to = strcmp(what, "remove") == 0  ? &args->faults.remove
		       : strcmp(what, "reset") == 0 ? &args->faults.reset
						    : NULL;

	return to && read_number(value, HF_VNIC_NTH_MAX, to) ? 0 : -EINVAL;
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
	{"kernel", "DEVICE[;ARGUMENT...]", set_kernel},
	{"fail", "OP:N[:ERRNO][;...], OP create, destroy, query, flush or start", set_fail},
	{"lose", "N", set_lose},
	{"delay", "OP:MICROSECONDS[;...], 10 s at most", set_delay},
	{"capacity", "N", set_capacity},
	{"link", "down", set_link},
	{"event", "remove:N or reset:N", set_event},
	{"pull", "late:N or lost:N", set_pull},
	{"switch", "N or 0", set_switch},
	{"representor", "N or 0", set_representor},
};

static int set_pair(struct hf_vnic_args *args, const char *key, char *value, uint32_t *seen)
{
	size_t i;
	int rc;

	for (i = 0; i < RTE_DIM(arg_table) && strcmp(arg_table[i].key, key) != 0; i++)
		;
	if (i == RTE_DIM(arg_table)) {
		VNIC_LOG(ERR, "unknown argument \"%s\" (dev= stands last)", key);
		return -EINVAL;
	}
	if (*seen & 1u << i) {
		VNIC_LOG(ERR, "argument \"%s\" given twice", key);
		return -EINVAL;
	}
	*seen |= 1u << i;
	rc = arg_table[i].set(args, value);
	if (rc == -EINVAL)
		VNIC_LOG(ERR, "%s=: %s=%s is needed, N from 1", key, key, arg_table[i].form);
	return rc;
}

/* Not rte_kvargs: a value may have a "=" in it. */
static int set_pairs(struct hf_vnic_args *args, char *text)
{
	static char none[1];
	uint32_t seen = 0;
	char *value;
	int rc = 0;

	while (rc == 0 && text && *text) {
		value = strsep(&text, ",");
		const char *key = strsep(&value, "=");

		rc = set_pair(args, key, value ? value : none, &seen);
	}
	return rc;
}

static int check_whole(const struct hf_vnic_args *args, const char *text)
{
	const char *why = NULL;

	if (args->representor != HF_VNIC_NO_REPRESENTOR && args->switch_id == HF_VNIC_SWITCH_ALONE)
		why = "representor= needs switch=N";
	else if (!args->profile)
		why = "argument profile=NAME|FILE is missing";
	else if (args->kernel && !args->sub)
		why = "kernel= needs dev=";
	if (!why)
		return 0;
	VNIC_LOG(ERR, "%s: \"%s\"", why, text);
	return -EINVAL;
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
	ret->sub = sub ? sub + strlen(ARG_DEV) : NULL;
	rc = set_pairs(ret, own);
	free(own);
	if (rc == 0)
		rc = check_whole(ret, text);
	if (rc < 0)
		hf_vnic_args_fini(ret);
	return rc;
}

void hf_vnic_args_fini(struct hf_vnic_args *args)
{
	free(args->profile);
	free(args->kernel);
	args->profile = NULL;
	args->kernel = NULL;
}
