/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * profile/probe: whether the driver of an uplink takes what its profile says, asked of the live
 * port by micro-rules (hepflow/micro.h).
 *
 * Traffic must not notice. Where the profile has a group that no plan uses, rules are made there
 * and removed again; elsewhere they are only validated. Drivers validate less than they check at
 * creation, so then only what is refused although the profile promises it is a difference.
 */

#include "commands.h"
#include "daemon.h"

#include "flow/try.h"
#include "port/port.h"

#include <hepflow/micro.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct probe {
	const struct hf_wire *w;
	uint32_t group; /* 0: validated only */
	struct hf_micro *list;
	size_t n;
	size_t n_asked;
	size_t n_taken;
	size_t n_left;
	size_t n_differ;
	FILE *out;
	json_t *found; /* NULL: text */
};

static uint32_t scratch_group(const struct hf_nic *nic)
{
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		if (nic->engine[i].groups > HF_MICRO_GROUP)
			return HF_MICRO_GROUP;
	}
	return 0;
}

static void put_difference(struct probe *p, const struct hf_micro *m, bool taken,
	enum hf_reject why, const char *words)
{
	const char *reason = taken ? hf_reject_name(why) : words;

	p->n_differ++;
	if (p->found)
		(void)json_array_append_new(
			p->found, json_pack("{s:s, s:s, s:b, s:s}", "about", m->about, "rule",
					  m->rule, "driverTakes", taken, "reason", reason));
	else
		fprintf(p->out, "  %s: driver %s, profile %s: %s\n    %s\n", m->about,
			taken ? "accepts" : "refuses", taken ? "refuses" : "accepts", reason,
			m->rule);
}

/*
 * The rule for rte_flow: its text may name more than struct hf_flow holds. RSS is over the first
 * queue, which every port has.
 */
static bool sayable(const struct hf_micro *m, struct hf_flow *ret)
{
	size_t i;

	*ret = m->flow;
	for (i = 0; i < ret->n_items; i++) {
		if (ret->items[i] == HF_LAYER_OTHER)
			return false;
	}
	for (i = 0; i < ret->n_actions; i++) {
		if (ret->actions[i].act == HF_ACT_OTHER)
			return false;
		if (ret->actions[i].act == HF_ACT_RSS)
			ret->actions[i].value = 1;
	}
	return !ret->has_last;
}

static void ask(struct probe *p, const struct hf_micro *m)
{
	bool create = p->group && m->flow.group >= p->group, left, taken, wanted;
	struct hf_err err = {0};
	struct hf_flow flow;
	enum hf_reject why;

	/* In group 0 every packet comes by: nothing is made there, not even for a moment. */
	if ((p->group && !create) || !sayable(m, &flow))
		return;
	p->n_asked++;
	wanted = hf_nic_accept(p->w->nic, &m->flow, &why) != NULL;
	taken = hf_flow_try(hf_port_id(p->w->outer), &flow, create, &left, &err) == 0;
	p->n_taken += taken;
	p->n_left += left;
	if (taken != wanted && (create || wanted))
		put_difference(p, m, taken, why, err.text);
}

static int probe(const struct hf_wire *w, struct probe *p, struct hf_err *err)
{
	size_t i;
	int rc;

	if (w->nic->n_engines == 0)
		return hf_fail(err, -ENOTSUP, "%s: profile %s takes no rules: nothing to ask",
			w->outer_conf->name, w->nic->name);
	if (w->nic->async_only)
		return hf_fail(err, -ENOTSUP,
			"%s: profile %s takes rules by templates only, which a port in use cannot "
			"be asked about: hw-profile probe",
			w->outer_conf->name, w->nic->name);
	p->w = w;
	p->group = scratch_group(w->nic);
	rc = hf_micro_list(p->group, &p->list, &p->n, err);
	for (i = 0; rc == 0 && i < p->n; i++)
		ask(p, &p->list[i]);
	free(p->list);
	p->list = NULL;
	return rc;
}

static void print_end(const struct probe *p)
{
	fprintf(p->out, "%s on %s: %zu of %zu rules %s", p->w->outer_conf->name, p->w->nic->name,
		p->n_taken, p->n_asked, p->group ? "made and removed" : "validated");
	if (p->n_differ)
		fprintf(p->out, ", %zu differ from the profile", p->n_differ);
	else
		fputs(", as the profile says", p->out);
	if (p->n_left)
		fprintf(p->out, "; %zu cannot be removed", p->n_left);
	fputc('\n', p->out);
}

static json_t *probe_json(const struct probe *p)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "name", p->w->outer_conf->name,
		"profile", p->w->nic->name, "how", p->group ? "created" : "validated", "asked",
		(json_int_t)p->n_asked, "taken", (json_int_t)p->n_taken, "left",
		(json_int_t)p->n_left, "differences", p->found);
}

int cmd_profile_probe(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	const char *name = call->n_args ? call->args[0] : NULL;
	json_t *ports = call->json ? json_array() : NULL;
	size_t i, n = 0;
	int rc = 0;

	for (i = 0; i < d->n_wires && rc == 0; i++) {
		struct probe p = {.out = call->out};
		const struct hf_wire *w = &d->wires[i];

		if (!w->nic || (name && strcmp(name, w->outer_conf->name) != 0))
			continue;
		p.found = call->json ? json_array() : NULL;
		rc = probe(w, &p, err);
		n++;
		if (rc == 0 && call->json)
			(void)json_array_append_new(ports, probe_json(&p));
		else if (rc == 0)
			print_end(&p);
		else
			json_decref(p.found);
	}
	if (rc == 0 && n == 0)
		rc = hf_fail(err, -ENOENT, "no uplink%s%.40s", name ? " " : "", name ? name : "");
	if (rc == 0 && call->json)
		return commands_print_json(
			call, json_pack("{s:i, s:o}", "schema", 1, "ports", ports), err);
	json_decref(ports);
	return rc;
}
