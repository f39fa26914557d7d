/* SPDX-License-Identifier: BSD-3-Clause */

/* capture, capture/show, capture/stop: packets.h. */

#include "commands.h"

#include "daemon.h"

#include "soft/soft.h"

#include <hepflow/err.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < 1 || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int parse_wire(const struct hf_daemon *d, const char *name, struct hf_capture_opts *o)
{
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (strcmp(d->wires[i].outer_conf->name, name) == 0) {
			o->any_wire = false;
			o->wire = (unsigned int)i;
			return 0;
		}
	}
	return -ENOENT;
}

/* "deny,malformed" */
static int parse_reasons(const char *text, uint64_t *ret)
{
	unsigned int r;
	size_t len;

	*ret = 0;
	for (;; text += len + 1) {
		len = strcspn(text, ",");
		for (r = 0; r < HF_SOFT_N_REASONS; r++) {
			const char *name = hf_soft_reason_name((enum hf_soft_reason)r);

			if (strlen(name) == len && strncmp(name, text, len) == 0)
				break;
		}
		if (r == HF_SOFT_N_REASONS)
			return -EINVAL;
		*ret |= UINT64_C(1) << r;
		if (text[len] == '\0')
			return 0;
	}
}

static int parse_term(const struct hf_daemon *d, const char *arg, struct hf_capture_opts *o)
{
	if (strncmp(arg, "wire=", 5) == 0)
		return parse_wire(d, arg + 5, o);
	if (strncmp(arg, "reason=", 7) == 0)
		return parse_reasons(arg + 7, &o->reasons);
	if (strncmp(arg, "count=", 6) == 0)
		return parse_number(arg + 6, HF_CAPTURE_COUNT_MAX, &o->count);
	if (strncmp(arg, "size=", 5) == 0)
		return parse_number(arg + 5, HF_CAPTURE_SIZE_MAX, &o->size);
	return -EINVAL;
}

static uint64_t all_drops(void)
{
	uint64_t reasons = 0;
	unsigned int r;

	for (r = 0; r < HF_SOFT_N_REASONS; r++) {
		if (!hf_soft_reason_passes((enum hf_soft_reason)r))
			reasons |= UINT64_C(1) << r;
	}
	return reasons;
}

int cmd_capture(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	struct hf_daemon *d = arg;
	struct hf_capture_opts o = {
		.path = call->args[0],
		.reasons = all_drops(),
		.any_wire = true,
		.count = HF_CAPTURE_COUNT,
		.size = HF_CAPTURE_SIZE,
	};
	size_t i;

	for (i = 1; i < call->n_args; i++) {
		if (parse_term(d, call->args[i], &o) < 0)
			return hf_fail(err, -EINVAL,
				"capture: '%.80s': not one of wire=NAME reason=NAME[,NAME] count=N "
				"size=BYTES",
				call->args[i]);
	}
	return hf_capture_begin(d, &o, err);
}

int cmd_capture_show(void *arg, const struct hf_rpc_call *call, struct hf_err *)
{
	const struct hf_packets *p = &((struct hf_daemon *)arg)->packets;

	if (p->file)
		fprintf(call->out, "%s: %" PRIu64 " of %" PRIu64 " packets\n", p->path, p->count,
			p->count_max);
	else if (p->ended[0])
		fprintf(call->out, "%s: %" PRIu64 " packets; %s\n", p->path, p->count, p->ended);
	else
		fputs("nothing is captured\n", call->out);
	return 0;
}

int cmd_capture_stop(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	struct hf_daemon *d = arg;

	hf_packets_poll(d);
	hf_capture_end(d, "stopped");
	return cmd_capture_show(arg, call, err);
}
