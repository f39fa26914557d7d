/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Is it right, and can I still get in: verify, failsafe/check, profile/show, port/restart.
 */

#include "apply.h"
#include "commands.h"
#include "daemon.h"
#include "device.h"
#include "prover.h"

#include <hepflow/err.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A verify whose reply comes when the proof is there. */
struct verified {
	struct hf_daemon *d;
	struct hf_rpc_later *later;
};

/* What is not proven is an error, so that scripts notice. */
static int verify(
	struct hf_daemon *d, const struct hf_answer *answer, FILE *out, struct hf_err *err)
{
	char *text = NULL;
	size_t size;
	FILE *more = open_memstream(&text, &size);
	int rc = more ? hf_device_verify(d, more, err) : hf_fail(err, -ENOMEM, "out of memory");

	if (more && fclose(more) && rc == 0)
		rc = hf_fail(err, -ENOMEM, "out of memory");
	if (rc == 0 && answer->proof.answer == HF_CHECK_PROVEN)
		fprintf(out, "%s%s", answer->text, text);
	else if (rc == 0)
		rc = hf_fail(err, -EPROTO, "%s%s", answer->text, text);
	free(text);
	return rc;
}

static void on_verified(void *arg, int rc, const struct hf_err *err, const struct hf_answer *answer)
{
	struct verified *v = arg;
	struct hf_err why = *err;

	if (rc == 0)
		rc = verify(v->d, answer, v->later->out, &why);
	hf_rpc_finish(v->later, rc, &why);
	free(v);
}

int cmd_verify(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	struct verified *v = calloc(1, sizeof(*v));
	struct hf_waiter waiter = {on_verified, v};
	int rc;

	if (!v)
		return hf_fail(err, -ENOMEM, "out of memory");
	v->d = arg;
	rc = hf_rpc_defer(call, &v->later, err);
	if (rc == 0) {
		rc = hf_apply_verify(arg, &waiter, err);
		if (rc == 0)
			return HF_RPC_LATER;
		hf_rpc_finish(v->later, rc, err); /* nobody listens to it yet */
	}
	free(v);
	return rc;
}

int cmd_failsafe_check(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	struct hf_inputs in = {.config = d->config, .profiles = &d->profiles};
	const struct hf_failsafe_opts opts = {0};
	struct hf_failsafe_try tried;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc = out ? hf_failsafe_run(d->now, &in, &opts, out, &tried, err)
		     : hf_fail(err, -ENOMEM, "out of memory");

	if (out && fclose(out) && rc == 0)
		rc = hf_fail(err, -ENOMEM, "out of memory");
	if (rc == 0 && tried.n_ports == 0)
		rc = hf_fail(err, -ENOENT,
			"no failsafe ports are configured: policy alone decides who gets in");
	else if (rc == 0 && tried.bad)
		rc = hf_fail(err, -EPERM, "%zu of %zu ways in are closed:\n%s", tried.bad, tried.n,
			text);
	else if (rc == 0)
		fprintf(call->out, "ok: %zu failsafe ports, %zu ways in tried\n", tried.n_ports,
			tried.n);
	free(text);
	return rc;
}

int cmd_port_restart(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	struct hf_daemon *d = arg;
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (strcmp(call->args[0], d->wires[i].outer_conf->name) == 0)
			return hf_device_restart(d, &d->wires[i], err);
	}
	return hf_fail(err, -ENOENT, "no interface %.40s", call->args[0]);
}

static void print_profile(const struct hf_wire *w, FILE *out)
{
	const struct hf_nic *nic = w->nic;
	size_t i;

	fprintf(out, "%s: profile %s%s\n", w->outer_conf->name, nic->name,
		w->assumed ? " (none known for this device)" : "");
	for (i = 0; i < nic->n_engines; i++) {
		const struct hf_engine *e = &nic->engine[i];

		fprintf(out, "  engine %s: %u groups, ", e->name, e->groups);
		if (e->capacity)
			fprintf(out, "%u rules\n", e->capacity);
		else
			fputs("no known limit of rules\n", out);
	}
}

static json_t *profile_json(const struct hf_wire *w)
{
	json_t *engines = json_array();
	size_t i;

	for (i = 0; i < w->nic->n_engines; i++) {
		const struct hf_engine *e = &w->nic->engine[i];

		(void)json_array_append_new(engines,
			json_pack("{s:s, s:i, s:o}", "name", e->name, "groups", (int)e->groups,
				"capacity", e->capacity ? json_integer(e->capacity) : json_null()));
	}
	return json_pack("{s:s, s:s, s:b, s:o}", "name", w->outer_conf->name, "profile",
		w->nic->name, "assumed", w->assumed, "engines", engines);
}

int cmd_profile_show(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	json_t *list = call->json ? json_array() : NULL;
	const struct hf_daemon *d = arg;
	size_t i, n = 0;

	for (i = 0; i < d->n_wires; i++) {
		const struct hf_wire *w = &d->wires[i];

		if (!w->nic || (call->n_args && strcmp(call->args[0], w->outer_conf->name) != 0))
			continue;
		if (call->json)
			(void)json_array_append_new(list, profile_json(w));
		else
			print_profile(w, call->out);
		n++;
	}
	if (n > 0 && call->json)
		return commands_print_json(
			call, json_pack("{s:i, s:o}", "schema", 1, "ports", list), err);
	json_decref(list);
	if (n == 0)
		return hf_fail(err, -ENOENT, "no uplink%s%.40s", call->n_args ? " " : "",
			call->n_args ? call->args[0] : "");
	return 0;
}
