/* SPDX-License-Identifier: BSD-3-Clause */

/* --weights: {"packets": {"default/gnp:web/ingress/0": 1234, ...}} */

#include "cli.h"

#include <hepflow/err.h>

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHTS_MAX 10000000 /* origins; more than any host has rules */

/* Kept for as long as the process runs: plans may be built at any time. */
static struct hf_weight *kept;
static size_t n_kept;
static json_t *kept_text;

static int bad(const char *path, const char *what)
{
	struct hf_err err = {0};

	return cli_fail(hf_fail(&err, -EINVAL, "%s: %s", path, what), &err);
}

static int take(const char *path, const json_t *packets)
{
	size_t n = json_object_size(packets);
	const char *origin;
	json_t *value;

	if (n > WEIGHTS_MAX)
		return bad(path, "too many rules");
	kept = calloc(n + 1, sizeof(*kept));
	if (!kept)
		return bad(path, "out of memory");
	n = 0;
	json_object_foreach((json_t *)packets, origin, value)
	{
		if (!json_is_integer(value) || json_integer_value(value) < 0) {
			struct hf_err err = {0};

			return cli_fail(hf_fail(&err, -EINVAL,
						"%s: packets of '%s' must be a number from 0", path,
						origin),
				&err);
		}
		kept[n++] = (struct hf_weight){origin, (uint64_t)json_integer_value(value)};
	}
	n_kept = n;
	return CLI_OK;
}

static void forget(void)
{
	free(kept);
	json_decref(kept_text);
}

static int read_weights(const char *path)
{
	struct hf_err err = {0};
	json_error_t at;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &at);
	const json_t *packets;

	if (!root && at.line < 0)
		return bad(path, "cannot be read");
	if (!root)
		return cli_fail(
			hf_fail(&err, -EINVAL, "%s:%d:%d: %s", path, at.line, at.column, at.text),
			&err);
	(void)atexit(forget);
	kept_text = root;
	packets = json_object_get(root, "packets");
	if (!json_is_object(packets))
		return bad(path, "must have an object \"packets\": rule to number");
	return take(path, packets);
}

int cli_weights(const char *path, struct hf_plan_opts *ret)
{
	int rc = kept ? CLI_OK : read_weights(path);

	ret->weights = kept;
	ret->n_weights = n_kept;
	return rc;
}
