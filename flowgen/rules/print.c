/* SPDX-License-Identifier: BSD-3-Clause */

#include "algebra.h"
#include "table.h"

#include <stdarg.h>
#include <string.h>

#define FEW_PROTOS 8 /* longer lists are shorter as what they leave out */

static const char *const ct_names[] = {
	[HF_CT_NEW] = "new",
	[HF_CT_ESTABLISHED] = "established",
	[HF_CT_RELATED] = "related",
	[HF_CT_INVALID] = "invalid",
	[HF_CT_UNTRACKED] = "untracked",
};

static const char *const offload_notes[] = {
	[HF_OFFLOAD_PREFER] = "",
	[HF_OFFLOAD_REQUIRE] = " offload require",
	[HF_OFFLOAD_FORBID] = " offload forbid",
};

static const char *iface_name(const struct hf_rules *rules, uint16_t i)
{
	return i == HF_IF_HOST ? "host" : rules->ifaces[i].name;
}

static void print_list(FILE *out, const char **sep, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* One item of a comma-separated list; *sep is "" before the first. */
static void print_list(FILE *out, const char **sep, const char *fmt, ...)
{
	va_list ap;

	fputs(*sep, out);
	*sep = ",";
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
}

static void print_protos(const struct hf_match *m, FILE *out)
{
	uint64_t list[4];
	char buf[12];
	const char *sep = "";
	bool negate = hf_protos_count(m->proto) > FEW_PROTOS;
	int p, i;

	if (hf_protos_all(m->proto))
		return;
	for (i = 0; i < 4; i++)
		list[i] = negate ? ~m->proto[i] : m->proto[i];
	fprintf(out, " proto %s", negate ? "not " : "");
	for (p = hf_protos_next(list, 0); p >= 0; p = hf_protos_next(list, (unsigned int)p + 1))
		print_list(out, &sep, "%s", hf_proto_name((uint8_t)p, buf));
}

static void print_ct(const struct hf_match *m, FILE *out)
{
	const char *sep = "";
	int i;

	if (m->ct == HF_CT_ANY)
		return;
	fputs(" ct ", out);
	for (i = HF_CT_NEW; i <= HF_CT_UNTRACKED; i++) {
		if (m->ct & HF_CT_BIT(i))
			print_list(out, &sep, "%s", ct_names[i]);
	}
}

static void print_port(const struct hf_match *m, const struct hf_port_cond *c, FILE *out)
{
	const char *sep = "";
	uint16_t i;

	fprintf(out, " %s%s%s ", c->dst && m->wire ? "wire-" : "", c->dst ? "dport" : "sport",
		c->negate ? " not" : "");
	for (i = 0; i < c->n_ranges; i++) {
		if (c->ranges[i].lo == c->ranges[i].hi)
			print_list(out, &sep, "%u", c->ranges[i].lo);
		else
			print_list(out, &sep, "%u-%u", c->ranges[i].lo, c->ranges[i].hi);
	}
	for (i = 0; i < c->n_sets; i++)
		print_list(out, &sep, "<set %u>", c->sets[i]);
}

static void print_icmp(const struct hf_icmp_cond *c, FILE *out)
{
	fprintf(out, " icmp %stype %u", c->negate ? "not " : "", c->type);
	if (c->has_code)
		fprintf(out, " code %u", c->code);
}

static void print_match(const struct hf_rules *rules, const struct hf_match *m, FILE *out)
{
	uint16_t i;

	if (hf_match_is_all(m))
		fputs(" all", out);
	if (m->family)
		fprintf(out, " ipv%u", m->family);
	print_ct(m, out);
	if (m->out != HF_IF_ANY)
		fprintf(out, " out %s", iface_name(rules, m->out));
	if (m->wire_out != HF_IF_ANY)
		fprintf(out, " wire-out %s", iface_name(rules, m->wire_out));
	if (m->dnated_only)
		fputs(" dnated", out);
	print_protos(m, out);
	for (i = 0; i < m->n_icmp; i++)
		print_icmp(&m->icmp[i], out);
	for (i = 0; i < m->n_port; i++)
		print_port(m, &m->port[i], out);
	for (i = 0; i < m->n_addr; i++)
		fprintf(out, " %s%s %sin <set %u>", m->addr[i].dst && m->wire ? "wire-" : "",
			m->addr[i].dst ? "dst" : "src", m->addr[i].negate ? "not " : "",
			m->addr[i].set);
}

static void print_rule(const struct hf_rules *rules, uint32_t i, const struct hf_rule *r, FILE *out)
{
	const char *origin = rules->origins[r->origin];

	fprintf(out, "%4u", i);
	print_match(rules, &r->match, out);
	fputs(" -> ", out);
	switch (r->op) {
	case HF_OP_VERDICT:
		fputs(hf_verdict_name(r->verdict), out);
		break;
	case HF_OP_GOTO:
		fprintf(out, "goto %u", r->target);
		break;
	case HF_OP_LOG:
		fputs("log", out);
		break;
	}
	fputs(offload_notes[r->offload], out);
	fprintf(out, "%s%s\n", origin[0] ? "  # " : "", origin);
}

static void print_set(const struct hf_set *set, size_t i, FILE *out)
{
	char addr[HF_ADDRSTR_SIZE], proto[12];
	struct hf_addrport ap;
	const char *sep = "";
	size_t k;

	fprintf(out, "set %zu '%s' ", i, set->name);
	for (k = 0; k < set->n_nets; k++)
		print_list(out, &sep, "%s", hf_prefix_print(&set->nets[k], addr));
	for (k = 0; k < set->n_members; k++) {
		ap.addr = set->members[k].addr;
		ap.port = set->members[k].port;
		print_list(out, &sep, "%s/%s", hf_addrport_print(&ap, addr),
			hf_proto_name(set->members[k].proto, proto));
	}
	fputs(sep[0] ? "\n" : "empty\n", out);
}

static void print_facts(const struct hf_rules *rules, FILE *out)
{
	char addr[HF_ADDRSTR_SIZE], proto[12];
	struct hf_addrport ap;
	const char *sep;
	size_t i, k;

	for (i = 1; i < rules->n_ifaces; i++)
		fprintf(out, "interface %zu %s %s\n", i, rules->ifaces[i].name,
			hf_from_name(rules->ifaces[i].from));
	for (i = 0; i < rules->n_dests; i++)
		fprintf(out, "dest %s %s out %s\n", hf_prefix_print(&rules->dests[i].net, addr),
			hf_class_name(rules->dests[i].class),
			iface_name(rules, rules->dests[i].out));
	for (i = 0; i < rules->n_dnats; i++) {
		ap.addr = rules->dnats[i].addr;
		ap.port = rules->dnats[i].port;
		fprintf(out, "dnat %s %s to ",
			rules->dnats[i].proto ? hf_proto_name(rules->dnats[i].proto, proto) : "all",
			hf_addrport_print(&ap, addr));
		sep = "";
		for (k = 0; k < rules->dnats[i].n_to; k++)
			print_list(
				out, &sep, "%s", hf_addrport_print(&rules->dnats[i].to[k], addr));
		fputs("\n", out);
	}
}

void hf_rules_print(const struct hf_rules *rules, FILE *out)
{
	size_t i;
	uint32_t k;

	print_facts(rules, out);
	for (i = 0; i < rules->n_sets; i++)
		print_set(&rules->sets[i], i, out);
	for (i = 0; i < rules->n_paths; i++)
		fprintf(out, "path %s to %s: block %u\n", iface_name(rules, rules->paths[i].in),
			hf_class_name(rules->paths[i].class), rules->paths[i].block);
	for (i = 0; i < rules->n_blocks; i++) {
		fprintf(out, "block %zu '%s'\n", i, rules->blocks[i].name);
		for (k = 0; k < rules->blocks[i].n_rules; k++)
			print_rule(rules, k, &rules->blocks[i].rules[k], out);
	}
	for (i = 0; i < rules->n_dead; i++)
		fprintf(out, "dead %s: %s\n", rules->dead[i].origin, rules->dead[i].reason);
}
