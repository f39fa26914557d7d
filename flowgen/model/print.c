/* SPDX-License-Identifier: BSD-3-Clause */

#include "model/print.h"

#include "policy/objects.h"

#include <stdlib.h>
#include <string.h>

static void print_prefixes(FILE *out, const char *head, const struct hf_prefix *v, size_t n)
{
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	if (n)
		fputs(head, out);
	for (i = 0; i < n; i++)
		fprintf(out, "%s%s", i ? "," : "", hf_prefix_print(&v[i], buf));
}

static void print_failsafes(FILE *out, const char *dir, const struct hf_model_failsafes *f)
{
	char proto[12], buf[HF_ADDRSTR_SIZE];
	size_t i;

	fprintf(out, "  failsafe %s", dir);
	for (i = 0; i < f->n; i++) {
		fprintf(out, " %s:", hf_proto_name(f->v[i].proto, proto));
		if (f->v[i].net.addr.family)
			fprintf(out, "%s:", hf_prefix_print(&f->v[i].net, buf));
		fprintf(out, "%u", f->v[i].port);
	}
	fputs(f->n ? "\n" : " none\n", out);
}

static void print_config(FILE *out, const struct hf_model_config *c)
{
	fprintf(out, "config\n  calico %u.%02u\n  endpoint-to-host %s\n", c->calico / 100,
		c->calico % 100, hf_print_target[c->epha]);
	fprintf(out, "  allow-action filter=%s mangle=%s\n", c->filter_return ? "return" : "accept",
		c->mangle_return ? "return" : "accept");
	fprintf(out, "  invalid %s\n", c->no_invalid_check ? "evaluate" : "deny");
	print_failsafes(out, "in", &c->fs_in);
	print_failsafes(out, "out", &c->fs_out);
	fputs("  encapsulation", out);
	if (c->ipip)
		fputs(" ipip", out);
	if (c->vxlan)
		fprintf(out, " vxlan:%u", c->vxlan_port);
	if (c->vxlan6)
		fprintf(out, " vxlan6:%u", c->vxlan_port);
	if (c->wireguard)
		fprintf(out, " wireguard:%u", c->wireguard_port);
	if (c->wireguard6)
		fprintf(out, " wireguard6:%u", c->wireguard_port6);
	if (!c->ipip && !c->vxlan && !c->vxlan6 && !c->wireguard && !c->wireguard6)
		fputs(" none", out);
	fprintf(out, "\n  from-workloads ipip=%s vxlan=%s\n", c->ipip_from_wl ? "allow" : "deny",
		c->vxlan_from_wl ? "allow" : "deny");
	fprintf(out, "  peers set:%u\n  service-loop %s set:%u\n", c->peers,
		c->loop_guard ? "deny" : "off", c->service_nets);
	fprintf(out, "  kernel input=%s output=%s forward=%s\n", c->drop_input ? "drop" : "accept",
		c->drop_output ? "drop" : "accept", c->drop_forward ? "drop" : "accept");
}

static void print_iface(FILE *out, const struct hf_model_iface *f, size_t i)
{
	fprintf(out, "  %zu %s %s", i, *f->id.name ? f->id.name : "-", hf_from_name(f->id.from));
	if (f->hep)
		fprintf(out, " hep=%s", f->hep->name);
	if (f->wep)
		fprintf(out, " wep=%s", f->wep->name);
	print_prefixes(out, " addrs=", f->addrs, f->n_addrs);
	print_prefixes(out, " sources=", f->sources, f->n_sources);
	fputc('\n', out);
}

static void print_ids(FILE *out, const char *dir, const struct hf_model_policies *p)
{
	size_t i;

	if (!p->n)
		return;
	fprintf(out, "      %s", dir);
	for (i = 0; i < p->n; i++)
		fprintf(out, " %s%s", p->v[i].id, p->v[i].staged ? "(staged)" : "");
	fputc('\n', out);
}

static void print_tiers(FILE *out, const char *name, const struct hf_model_tiers *tiers)
{
	size_t i;

	for (i = 0; i < tiers->n; i++) {
		const struct hf_model_tier *t = &tiers->v[i];

		fprintf(out, "    %s tier %s default=%s\n", name, t->name,
			t->default_pass ? "pass" : "deny");
		print_ids(out, "ingress", &t->in);
		print_ids(out, "egress", &t->out);
	}
}

static void print_endpoint(FILE *out, const struct hf_model_endpoint *ep)
{
	size_t i;
	int c;

	fprintf(out, "  %s %s %s", ep->workload ? "workload" : "host", ep->name,
		hf_print_status[ep->status]);
	if (ep->wildcard)
		fputs(" interface=*", out);
	if (ep->offload != HF_OFFLOAD_PREFER)
		fprintf(out, " offload=%s", hf_print_offload[ep->offload]);
	fputc('\n', out);
	for (c = 0; c < HF_CHAIN_MAX_; c++)
		print_tiers(out, hf_print_chain[c], &ep->tiers[c]);
	if (ep->n_profiles)
		fputs("    profiles", out);
	for (i = 0; i < ep->n_profiles; i++)
		fprintf(out, " %s%s", ep->profiles[i]->name,
			ep->profiles[i]->missing ? "(missing)" : "");
	if (ep->n_profiles)
		fputc('\n', out);
}

static void print_ports(FILE *out, const char *side, const char *op, const struct hf_model_ports *p)
{
	const char *sep = "";
	size_t i;

	if (!p->n_ranges && !p->n_sets)
		return;
	fprintf(out, " %sport%s", side, op);
	for (i = 0; i < p->n_ranges; i++, sep = ",") {
		fprintf(out, "%s%u", sep, p->ranges[i].lo);
		if (p->ranges[i].hi != p->ranges[i].lo)
			fprintf(out, ":%u", p->ranges[i].hi);
	}
	for (i = 0; i < p->n_sets; i++, sep = ",")
		fprintf(out, "%sset:%u", sep, p->sets[i]);
}

static void print_side(
	FILE *out, const char *name, const char *letter, const struct hf_model_side *s)
{
	char head[8];

	(void)snprintf(head, sizeof(head), " %s=", name);
	print_prefixes(out, head, s->nets, s->n_nets);
	(void)snprintf(head, sizeof(head), " %s!=", name);
	print_prefixes(out, head, s->not_nets, s->n_not_nets);
	if (s->set != HF_NO_SET)
		fprintf(out, " %s=set:%u", name, s->set);
	if (s->not_set != HF_NO_SET)
		fprintf(out, " %s!=set:%u", name, s->not_set);
	if (s->service != HF_NO_SET)
		fprintf(out, " %s=service:%u", name, s->service);
	print_ports(out, letter, "=", &s->ports);
	print_ports(out, letter, "!=", &s->not_ports);
}

static void print_icmp(FILE *out, const char *op, const struct hf_model_icmp *i)
{
	if (!i->given)
		return;
	if (!i->has_type)
		fprintf(out, " icmp%sany", op);
	else if (!i->has_code)
		fprintf(out, " icmp%s%u", op, i->type);
	else
		fprintf(out, " icmp%s%u/%u", op, i->type, i->code);
}

static void print_rules(FILE *out, const struct hf_model_rules *rules)
{
	char buf[12];
	size_t i;

	for (i = 0; i < rules->n; i++) {
		const struct hf_model_rule *r = &rules->v[i];

		fprintf(out, "    %zu %s", i, hf_print_action[r->action]);
		if (r->ip_version)
			fprintf(out, " ip=%u", r->ip_version);
		if (r->has_proto)
			fprintf(out, " proto=%s", hf_proto_name(r->proto, buf));
		if (r->has_not_proto)
			fprintf(out, " proto!=%s", hf_proto_name(r->not_proto, buf));
		print_icmp(out, "=", &r->icmp);
		print_icmp(out, "!=", &r->not_icmp);
		print_side(out, "src", "s", &r->src);
		print_side(out, "dst", "d", &r->dst);
		fputc('\n', out);
	}
}

static void print_policies(FILE *out, const struct hf_model *m)
{
	struct hf_print_policy *v;
	size_t i, n;

	fputs("policies\n", out);
	if (hf_print_policies(m, &v, &n) < 0) {
		fputs("  (out of memory)\n", out);
		return;
	}
	for (i = 0; i < n; i++) {
		fprintf(out, "  %s/%s/%s%s", v[i].tier, v[i].policy->id,
			v[i].egress ? "egress" : "ingress", v[i].policy->staged ? " staged" : "");
		if (v[i].policy->offload != HF_OFFLOAD_PREFER)
			fprintf(out, " offload=%s", hf_print_offload[v[i].policy->offload]);
		fputc('\n', out);
		print_rules(out, &v[i].policy->rules);
	}
	free(v);
}

static void print_profiles(FILE *out, const struct hf_model *m)
{
	const struct hf_model_profile **v;
	size_t i, n;

	fputs("profiles\n", out);
	if (hf_print_profiles(m, &v, &n) < 0) {
		fputs("  (out of memory)\n", out);
		return;
	}
	for (i = 0; i < n; i++) {
		if (v[i]->missing) {
			fprintf(out, "  profile:%s missing\n", v[i]->name);
			continue;
		}
		fprintf(out, "  profile:%s/ingress\n", v[i]->name);
		print_rules(out, &v[i]->in);
		fprintf(out, "  profile:%s/egress\n", v[i]->name);
		print_rules(out, &v[i]->out);
	}
	free(v);
}

static void print_dests(FILE *out, const struct hf_model *m)
{
	char buf[HF_ADDRSTR_SIZE];
	size_t i;

	fputs("destinations\n", out);
	for (i = 0; i < m->n_dests; i++) {
		const struct hf_dest *d = &m->dests[i];

		fprintf(out, "  %s %s", hf_prefix_print(&d->net, buf), hf_class_name(d->class));
		if (d->out != HF_IF_HOST)
			fprintf(out, " out=%s", m->ifaces[d->out].id.name);
		fputc('\n', out);
	}
}

static void print_dnats(FILE *out, const struct hf_model *m)
{
	char proto[12], buf[HF_ADDRSTR_SIZE];
	size_t i, k;

	fputs("dnat\n", out);
	for (i = 0; i < m->n_dnats; i++) {
		const struct hf_dnat *d = &m->dnats[i];

		if (d->proto)
			fprintf(out, "  %s %s", hf_proto_name(d->proto, proto),
				hf_addrport_print(&(struct hf_addrport){d->addr, d->port}, buf));
		else
			fprintf(out, "  any %s", hf_addr_print(&d->addr, buf));
		for (k = 0; k < d->n_to; k++)
			fprintf(out, "%s%s", k ? "," : " to=",
				d->proto ? hf_addrport_print(&d->to[k], buf)
					 : hf_addr_print(&d->to[k].addr, buf));
		fputc('\n', out);
	}
}

static void print_set(FILE *out, const struct hf_set *s, size_t at)
{
	char proto[12], buf[HF_ADDRSTR_SIZE];
	size_t i;

	fprintf(out, "  %zu %s\n", at, s->name);
	for (i = 0; i < s->n_nets; i++)
		fprintf(out, "    %s\n", hf_prefix_print(&s->nets[i], buf));
	for (i = 0; i < s->n_members; i++) {
		const struct hf_member *m = &s->members[i];

		fprintf(out, "    %s %s\n", hf_proto_name(m->proto, proto),
			hf_addrport_print(&(struct hf_addrport){m->addr, m->port}, buf));
	}
}

void hf_model_print(const struct hf_model *model, char *const *more, size_t n_more, FILE *out)
{
	size_t i;

	fprintf(out, "node %s\n", model->node);
	print_config(out, &model->config);
	fputs("interfaces\n", out);
	for (i = 0; i < model->n_ifaces; i++)
		print_iface(out, &model->ifaces[i], i);
	fputs("endpoints\n", out);
	for (i = 0; i < model->n_endpoints; i++)
		print_endpoint(out, model->endpoints[i]);
	print_policies(out, model);
	print_profiles(out, model);
	print_dests(out, model);
	print_dnats(out, model);
	fputs("sets\n", out);
	for (i = 0; i < model->n_sets; i++)
		if (model->sets[i].name[0])
			print_set(out, &model->sets[i], i);
	fputs("warnings\n", out);
	for (i = 0; i < model->n_warnings; i++)
		fprintf(out, "  %s\n", model->warnings[i]);
	for (i = 0; i < n_more; i++)
		fprintf(out, "  %s\n", more[i]);
}
