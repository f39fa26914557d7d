/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules: docs/semantics.md 16.4. Selectors have become ids of sets. */

#include "felix/read.h"

#include <hepflow/base/arena.h>

#include <string.h>
#include <strings.h>

static int rd_action(struct hf_fx *fx, const char *text, enum hf_action *ret)
{
	static const struct {
		const char *text;
		enum hf_action action;
	} words[] = {
		{"", HF_ACTION_ALLOW},
		{"allow", HF_ACTION_ALLOW},
		{"deny", HF_ACTION_DENY},
		{"pass", HF_ACTION_PASS},
		{"next-tier", HF_ACTION_PASS},
		{"log", HF_ACTION_LOG},
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i].text) == 0) {
			*ret = words[i].action;
			return 0;
		}
	}
	return hf_fx_bad(fx, "unknown action '%.32s'", text);
}

static int rd_proto(struct hf_fx *fx, const HfFelix__Protocol *p, struct hf_proto_spec *ret)
{
	if (!p || p->number_or_name_case == HF_FELIX__PROTOCOL__NUMBER_OR_NAME__NOT_SET)
		return 0;
	ret->given = true;
	if (p->number_or_name_case == HF_FELIX__PROTOCOL__NUMBER_OR_NAME_NUMBER) {
		if (p->number < 0 || p->number > UINT8_MAX)
			return hf_fx_bad(fx, "protocol %d", p->number);
		ret->proto = (uint8_t)p->number;
		return 0;
	}
	/* A name that is a number is one: then it implies no family. */
	ret->by_name = p->name[0] < '0' || p->name[0] > '9';
	return hf_proto_parse(p->name, &ret->proto) < 0
		       ? hf_fx_bad(fx, "unknown protocol '%.32s'", p->name)
		       : 0;
}

static int rd_ports(
	struct hf_fx *fx, HfFelix__PortRange *const *v, size_t n, struct hf_port_specs *ret)
{
	struct hf_port_spec *specs = hf_arena_calloc(fx->arena, n, sizeof(*specs));
	size_t i;

	if (!specs)
		return hf_fx_nomem(fx);
	for (i = 0; i < n; i++) {
		if (v[i]->first < 0 || v[i]->last > UINT16_MAX || v[i]->first > v[i]->last)
			return hf_fx_bad(fx, "ports %d to %d", v[i]->first, v[i]->last);
		specs[i].range = (struct hf_ports){(uint16_t)v[i]->first, (uint16_t)v[i]->last};
	}
	*ret = (struct hf_port_specs){n, specs};
	return 0;
}

static int rd_icmp(struct hf_fx *fx, bool typed, int32_t type, const HfFelix__IcmpTypeAndCode *both,
	struct hf_icmp_spec *ret)
{
	int32_t code = both ? both->code : 0;

	if (both)
		type = both->type;
	if (!typed && !both)
		return 0;
	if (type < 0 || type > UINT8_MAX || code < 0 || code > UINT8_MAX)
		return hf_fx_bad(fx, "ICMP type %d code %d", type, code);
	*ret = (struct hf_icmp_spec){
		.given = true,
		.has_type = true,
		.has_code = both,
		.type = (uint8_t)type,
		.code = (uint8_t)code,
	};
	return 0;
}

/* One list of names of each field of a side. */
static int rd_src(struct hf_fx *fx, const HfFelix__Rule *r, struct hf_entity *e)
{
	int rc = hf_fx_nets(fx, r->src_net, r->n_src_net, &e->nets);

	if (rc == 0)
		rc = hf_fx_nets(fx, r->not_src_net, r->n_not_src_net, &e->not_nets);
	if (rc == 0)
		rc = hf_fx_names(fx, r->src_ip_set_ids, r->n_src_ip_set_ids, &e->set_ids);
	if (rc == 0)
		rc = hf_fx_names(
			fx, r->not_src_ip_set_ids, r->n_not_src_ip_set_ids, &e->not_set_ids);
	if (rc == 0)
		rc = rd_ports(fx, r->src_ports, r->n_src_ports, &e->ports);
	if (rc == 0)
		rc = rd_ports(fx, r->not_src_ports, r->n_not_src_ports, &e->not_ports);
	if (rc == 0)
		rc = hf_fx_names(fx, r->src_named_port_ip_set_ids, r->n_src_named_port_ip_set_ids,
			&e->port_set_ids);
	if (rc == 0)
		rc = hf_fx_names(fx, r->not_src_named_port_ip_set_ids,
			r->n_not_src_named_port_ip_set_ids, &e->not_port_set_ids);
	return rc;
}

static int rd_dst(struct hf_fx *fx, const HfFelix__Rule *r, struct hf_entity *e)
{
	int rc = hf_fx_nets(fx, r->dst_net, r->n_dst_net, &e->nets);

	if (rc == 0)
		rc = hf_fx_nets(fx, r->not_dst_net, r->n_not_dst_net, &e->not_nets);
	if (rc == 0)
		rc = hf_fx_names(fx, r->dst_ip_set_ids, r->n_dst_ip_set_ids, &e->set_ids);
	if (rc == 0)
		rc = hf_fx_names(
			fx, r->not_dst_ip_set_ids, r->n_not_dst_ip_set_ids, &e->not_set_ids);
	if (rc == 0)
		rc = rd_ports(fx, r->dst_ports, r->n_dst_ports, &e->ports);
	if (rc == 0)
		rc = rd_ports(fx, r->not_dst_ports, r->n_not_dst_ports, &e->not_ports);
	if (rc == 0)
		rc = hf_fx_names(fx, r->dst_named_port_ip_set_ids, r->n_dst_named_port_ip_set_ids,
			&e->port_set_ids);
	if (rc == 0)
		rc = hf_fx_names(fx, r->not_dst_named_port_ip_set_ids,
			r->n_not_dst_named_port_ip_set_ids, &e->not_port_set_ids);
	if (rc == 0)
		rc = hf_fx_names(
			fx, r->dst_ip_port_set_ids, r->n_dst_ip_port_set_ids, &e->member_set_ids);
	return rc;
}

static int rd_rule(struct hf_fx *fx, const HfFelix__Rule *r, struct hf_policy_rule *ret)
{
	int rc = rd_action(fx, r->action, &ret->action);

	if (rc == 0 && r->ip_version != 0 && r->ip_version != 4 && r->ip_version != 6)
		rc = hf_fx_bad(fx, "IP version %d", r->ip_version);
	ret->ip_version = (uint8_t)r->ip_version;
	ret->http = r->http_match;
	if (rc == 0)
		rc = rd_proto(fx, r->protocol, &ret->proto);
	if (rc == 0)
		rc = rd_proto(fx, r->not_protocol, &ret->not_proto);
	if (rc == 0)
		rc = rd_icmp(fx, r->icmp_case == HF_FELIX__RULE__ICMP_ICMP_TYPE, r->icmp_type,
			r->icmp_case == HF_FELIX__RULE__ICMP_ICMP_TYPE_CODE ? r->icmp_type_code
									    : NULL,
			&ret->icmp);
	if (rc == 0)
		rc = rd_icmp(fx, r->not_icmp_case == HF_FELIX__RULE__NOT_ICMP_NOT_ICMP_TYPE,
			r->not_icmp_type,
			r->not_icmp_case == HF_FELIX__RULE__NOT_ICMP_NOT_ICMP_TYPE_CODE
				? r->not_icmp_type_code
				: NULL,
			&ret->not_icmp);
	if (rc == 0)
		rc = rd_src(fx, r, &ret->src);
	return rc < 0 ? rc : rd_dst(fx, r, &ret->dst);
}

int hf_fx_rules(struct hf_fx *fx, const char *dir, HfFelix__Rule *const *v, size_t n,
	struct hf_policy_rules *ret)
{
	struct hf_policy_rule *rules = hf_arena_calloc(fx->arena, n, sizeof(*rules));
	const char *what = fx->what;
	size_t i;
	int rc = 0;

	if (!rules)
		return hf_fx_nomem(fx);
	for (i = 0; i < n && rc == 0; i++) {
		fx->what = hf_arena_printf(fx->arena, "%s: %s rule %zu", what, dir, i);
		rc = fx->what ? rd_rule(fx, v[i], &rules[i]) : hf_fx_nomem(fx);
	}
	fx->what = what;
	*ret = (struct hf_policy_rules){n, rules};
	return rc;
}
