/* SPDX-License-Identifier: BSD-3-Clause */

#include "algebra.h"
#include "table.h"

#include <jansson.h>

#include <errno.h>
#include <stdio.h>

/*
 * jansson's functions take NULL for "the step before ran out of memory" and fail in turn, so only
 * the additions are looked at.
 */
struct json {
	const struct hf_rules *rules;
	bool failed;
};

static void put(struct json *j, json_t *object, const char *key, json_t *take_value)
{
	j->failed |= json_object_set_new(object, key, take_value) < 0;
}

static void add(struct json *j, json_t *array, json_t *take_value)
{
	j->failed |= json_array_append_new(array, take_value) < 0;
}

static json_t *json_addrport(const struct hf_addr *addr, uint16_t port)
{
	const struct hf_addrport ap = {*addr, port};
	char text[HF_ADDRSTR_SIZE];

	return json_string(hf_addrport_print(&ap, text));
}

static json_t *json_prefix(const struct hf_prefix *p)
{
	char text[HF_ADDRSTR_SIZE];

	return json_string(hf_prefix_print(p, text));
}

static json_t *json_ct(struct json *j, uint8_t ct)
{
	static const char *const names[] = {
		[HF_CT_NEW] = "new",
		[HF_CT_ESTABLISHED] = "established",
		[HF_CT_RELATED] = "related",
		[HF_CT_INVALID] = "invalid",
		[HF_CT_UNTRACKED] = "untracked",
	};
	json_t *v = json_array();
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (ct & HF_CT_BIT(i))
			add(j, v, json_string(names[i]));
	}
	return v;
}

static json_t *json_protos(struct json *j, const uint64_t protos[4])
{
	json_t *v = json_array();
	int p;

	for (p = hf_protos_next(protos, 0); p >= 0; p = hf_protos_next(protos, (unsigned int)p + 1))
		add(j, v, json_integer(p));
	return v;
}

static json_t *json_addr_cond(struct json *j, const struct hf_addr_cond *c)
{
	json_t *o = json_object();

	put(j, o, "side", json_string(c->dst ? "dst" : "src"));
	put(j, o, "not", json_boolean(c->negate));
	put(j, o, "set", json_integer(c->set));
	return o;
}

static json_t *json_port_cond(struct json *j, const struct hf_port_cond *c)
{
	json_t *o = json_object(), *ranges = json_array(), *sets = json_array();
	uint16_t i;

	put(j, o, "side", json_string(c->dst ? "dst" : "src"));
	put(j, o, "not", json_boolean(c->negate));
	for (i = 0; i < c->n_ranges; i++)
		add(j, ranges, json_pack("[ii]", c->ranges[i].lo, c->ranges[i].hi));
	for (i = 0; i < c->n_sets; i++)
		add(j, sets, json_integer(c->sets[i]));
	put(j, o, "ranges", ranges);
	put(j, o, "sets", sets);
	return o;
}

static json_t *json_icmp_cond(struct json *j, const struct hf_icmp_cond *c)
{
	json_t *o = json_object();

	put(j, o, "not", json_boolean(c->negate));
	put(j, o, "type", json_integer(c->type));
	if (c->has_code)
		put(j, o, "code", json_integer(c->code));
	return o;
}

/* What is not there does not narrow the match. */
static json_t *json_match(struct json *j, const struct hf_match *m)
{
	json_t *o = json_object(), *addr = json_array(), *port = json_array(), *icmp = json_array();
	uint16_t i;

	if (m->family)
		put(j, o, "family", json_integer(m->family));
	if (m->ct != HF_CT_ANY)
		put(j, o, "ct", json_ct(j, m->ct));
	if (m->wire)
		put(j, o, "wire", json_true());
	if (m->dnated_only)
		put(j, o, "dnatedOnly", json_true());
	if (m->out != HF_IF_ANY)
		put(j, o, "out", json_string(j->rules->ifaces[m->out].name));
	if (m->wire_out != HF_IF_ANY)
		put(j, o, "wireOut", json_string(j->rules->ifaces[m->wire_out].name));
	if (!hf_protos_all(m->proto))
		put(j, o, "protocols", json_protos(j, m->proto));
	for (i = 0; i < m->n_addr; i++)
		add(j, addr, json_addr_cond(j, &m->addr[i]));
	for (i = 0; i < m->n_port; i++)
		add(j, port, json_port_cond(j, &m->port[i]));
	for (i = 0; i < m->n_icmp; i++)
		add(j, icmp, json_icmp_cond(j, &m->icmp[i]));
	put(j, o, "addresses", addr);
	put(j, o, "ports", port);
	put(j, o, "icmp", icmp);
	return o;
}

static json_t *json_rule(struct json *j, const struct hf_rule *r)
{
	static const char *const wishes[] = {
		[HF_OFFLOAD_PREFER] = "prefer",
		[HF_OFFLOAD_REQUIRE] = "require",
		[HF_OFFLOAD_FORBID] = "forbid",
	};
	json_t *o = json_object();

	put(j, o, "match", json_match(j, &r->match));
	switch (r->op) {
	case HF_OP_VERDICT:
		put(j, o, "verdict", json_string(hf_verdict_name(r->verdict)));
		break;
	case HF_OP_GOTO:
		put(j, o, "goto", json_integer(r->target));
		break;
	case HF_OP_LOG:
		put(j, o, "log", json_true());
		break;
	}
	put(j, o, "origin", json_string(j->rules->origins[r->origin]));
	put(j, o, "offload", json_string(wishes[r->offload]));
	return o;
}

static json_t *json_blocks(struct json *j)
{
	json_t *v = json_array();
	size_t i;
	uint32_t k;

	for (i = 0; i < j->rules->n_blocks; i++) {
		const struct hf_block *b = &j->rules->blocks[i];
		json_t *o = json_object(), *rules = json_array();

		for (k = 0; k < b->n_rules; k++)
			add(j, rules, json_rule(j, &b->rules[k]));
		put(j, o, "name", json_string(b->name));
		put(j, o, "rules", rules);
		add(j, v, o);
	}
	return v;
}

static json_t *json_sets(struct json *j)
{
	json_t *v = json_array();
	size_t i, k;

	for (i = 0; i < j->rules->n_sets; i++) {
		const struct hf_set *set = &j->rules->sets[i];
		json_t *o = json_object(), *nets = json_array(), *members = json_array();

		for (k = 0; k < set->n_nets; k++)
			add(j, nets, json_prefix(&set->nets[k]));
		for (k = 0; k < set->n_members; k++) {
			const struct hf_member *m = &set->members[k];
			json_t *item = json_object();

			put(j, item, "protocol", json_integer(m->proto));
			put(j, item, "at", json_addrport(&m->addr, m->port));
			add(j, members, item);
		}
		put(j, o, "name", json_string(set->name));
		put(j, o, "nets", nets);
		put(j, o, "members", members);
		add(j, v, o);
	}
	return v;
}

static json_t *json_dests(struct json *j)
{
	json_t *v = json_array();
	size_t i;

	for (i = 0; i < j->rules->n_dests; i++) {
		const struct hf_dest *d = &j->rules->dests[i];
		json_t *o = json_object();

		put(j, o, "net", json_prefix(&d->net));
		put(j, o, "class", json_string(hf_class_name(d->class)));
		put(j, o, "out", json_string(j->rules->ifaces[d->out].name));
		add(j, v, o);
	}
	return v;
}

static json_t *json_dnats(struct json *j)
{
	json_t *v = json_array();
	size_t i, k;

	for (i = 0; i < j->rules->n_dnats; i++) {
		const struct hf_dnat *d = &j->rules->dnats[i];
		json_t *o = json_object(), *to = json_array();

		for (k = 0; k < d->n_to; k++)
			add(j, to, json_addrport(&d->to[k].addr, d->to[k].port));
		put(j, o, "protocol", json_integer(d->proto));
		put(j, o, "at", json_addrport(&d->addr, d->port));
		put(j, o, "to", to);
		add(j, v, o);
	}
	return v;
}

static void put_rest(struct json *j, json_t *root)
{
	json_t *ifaces = json_array(), *paths = json_array(), *dead = json_array(), *o;
	const struct hf_rules *rules = j->rules;
	size_t i;

	for (i = 0; i < rules->n_ifaces; i++) {
		o = json_object();
		put(j, o, "name", json_string(rules->ifaces[i].name));
		put(j, o, "from", json_string(hf_from_name(rules->ifaces[i].from)));
		add(j, ifaces, o);
	}
	for (i = 0; i < rules->n_paths; i++) {
		o = json_object();
		put(j, o, "in", json_string(rules->ifaces[rules->paths[i].in].name));
		put(j, o, "class", json_string(hf_class_name(rules->paths[i].class)));
		put(j, o, "block", json_integer(rules->paths[i].block));
		add(j, paths, o);
	}
	for (i = 0; i < rules->n_dead; i++) {
		o = json_object();
		put(j, o, "origin", json_string(rules->dead[i].origin));
		put(j, o, "reason", json_string(rules->dead[i].reason));
		add(j, dead, o);
	}
	put(j, root, "interfaces", ifaces);
	put(j, root, "paths", paths);
	put(j, root, "dead", dead);
}

int hf_rules_print_json(const struct hf_rules *rules, FILE *out)
{
	struct json j = {.rules = rules};
	json_t *root = json_object();

	put(&j, root, "schema", json_integer(1));
	put_rest(&j, root);
	put(&j, root, "destinations", json_dests(&j));
	put(&j, root, "dnats", json_dnats(&j));
	put(&j, root, "sets", json_sets(&j));
	put(&j, root, "blocks", json_blocks(&j));
	j.failed |= json_dumpf(root, out, JSON_INDENT(1) | JSON_PRESERVE_ORDER) < 0;
	j.failed |= fputc('\n', out) == EOF;
	json_decref(root);
	return j.failed ? -EIO : 0;
}
