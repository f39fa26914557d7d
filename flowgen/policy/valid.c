/* SPDX-License-Identifier: BSD-3-Clause */

#include "policy/valid.h"

#include <string.h>

static bool has_ports(const struct hf_entity *e)
{
	return e->ports.n || e->not_ports.n;
}

static bool has_numeric(const struct hf_port_specs *ports)
{
	size_t i;

	for (i = 0; i < ports->n; i++) {
		if (!ports->v[i].name)
			return true;
	}
	return false;
}

static bool is_icmp(const struct hf_proto_spec *p)
{
	return p->given && (p->proto == HF_PROTO_ICMP || p->proto == HF_PROTO_ICMPV6);
}

/* What V10 to V16 look at: the entity and where it stands. */
struct side {
	const char *name;
	const struct hf_entity *e;
	const struct hf_yaml *node; /* its mapping, or the rule's */
};

/* V10. UDPLite carries ports, but Calico does not match them. */
static int check_ports(struct hf_rd *rd, const struct hf_policy_rule *rule, const struct side *s)
{
	const struct hf_yaml *at = hf_rd_where(s->node, s->e->ports.n ? "ports" : "notPorts");

	if (!rule->proto.given) {
		if (has_numeric(&s->e->ports) || has_numeric(&s->e->not_ports))
			return hf_rd_fail(rd, at,
				"%s: numeric ports need protocol TCP, UDP or SCTP", s->name);
		return 0;
	}
	if (rule->proto.proto == HF_PROTO_TCP || rule->proto.proto == HF_PROTO_UDP ||
		rule->proto.proto == HF_PROTO_SCTP)
		return 0;
	if (has_ports(s->e))
		return hf_rd_fail(rd, at, "%s: ports need protocol TCP, UDP or SCTP", s->name);
	return 0;
}

/* V14: one family in the four lists of a rule. */
static int check_family(struct hf_rd *rd, const struct hf_policy_rule *rule, const struct side *s,
	const struct hf_nets *nets, const char *field, uint8_t *family)
{
	const struct hf_yaml *list = hf_rd_where(s->node, field);
	bool negated = nets == &s->e->not_nets;
	size_t i;

	for (i = 0; i < nets->n; i++) {
		const struct hf_prefix *p = &nets->v[i];
		const struct hf_yaml *at = list->v[i]; /* one net per entry */

		if (rule->ip_version && rule->ip_version != p->addr.family)
			return hf_rd_fail(rd, at, "%s: IPv%u network in a rule with ipVersion %u",
				s->name, p->addr.family, rule->ip_version);
		if (*family && *family != p->addr.family)
			return hf_rd_fail(
				rd, at, "%s: IPv4 and IPv6 networks in one rule", s->name);
		if (negated && p->len == 0)
			return hf_rd_fail(rd, at,
				"%s: notNets with every address would match nothing", s->name);
		*family = p->addr.family;
	}
	return 0;
}

/* V6: "global()" and nothing else, spaces aside. */
static bool is_only_global(const char *text)
{
	text += strspn(text, " \t");
	if (strncmp(text, "global(", 7) != 0)
		return false;
	text += 7;
	text += strspn(text, " \t");
	if (*text++ != ')')
		return false;
	return text[strspn(text, " \t")] == '\0';
}

int hf_valid_no_global(struct hf_rd *rd, const struct hf_selector_spec *sel, const char *field)
{
	if (sel->text && strstr(sel->text, "global("))
		return hf_rd_fail_at(rd, sel->place,
			"%s: global() may only stand in the namespaceSelector of a rule", field);
	return 0;
}

static int check_selectors(struct hf_rd *rd, const struct side *s)
{
	const char *ns = s->e->ns_selector.text;

	if (ns && strstr(ns, "global(") && !is_only_global(ns))
		return hf_rd_fail_at(rd, s->e->ns_selector.place,
			"namespaceSelector: global() cannot be combined with anything");
	return hf_valid_no_global(rd, &s->e->selector, "selector");
}

/* V15 */
static int check_services(struct hf_rd *rd, const struct side *s, bool ingress)
{
	const struct hf_entity *e = s->e;
	bool source = strcmp(s->name, "source") == 0;
	const struct hf_yaml *at = hf_rd_where(s->node, "services");

	if (!e->service.name)
		return 0;
	if (source != ingress)
		return hf_rd_fail(rd, at, "services: not in the %s of an %s rule", s->name,
			ingress ? "ingress" : "egress");
	if (e->selector.text || e->not_selector.text || e->ns_selector.text)
		return hf_rd_fail(rd, at, "services: cannot be combined with selectors");
	if (e->nets.n || e->not_nets.n)
		return hf_rd_fail(rd, at, "services: cannot be combined with nets or notNets");
	if (hf_rd_get(s->node, "serviceAccounts"))
		return hf_rd_fail(rd, at, "services: cannot be combined with serviceAccounts");
	if (!source && has_ports(e))
		return hf_rd_fail(
			rd, at, "services: cannot be combined with ports: a service has its own");
	if (!rd->namespaced && !e->service.ns)
		return hf_rd_fail(rd, at, "services: needs a 'namespace' here");
	return 0;
}

/* V13 */
static int check_icmp_family(struct hf_rd *rd, const struct hf_yaml *node,
	const struct hf_policy_rule *rule, const struct hf_proto_spec *p, const char *field)
{
	const struct hf_yaml *at = hf_rd_where(node, field);

	if (!p->given || !rule->ip_version)
		return 0;
	if (p->proto == HF_PROTO_ICMP && rule->ip_version == 6)
		return hf_rd_fail(rd, at, "%s: ICMP is IPv4, but ipVersion is 6", field);
	if (p->proto == HF_PROTO_ICMPV6 && rule->ip_version == 4)
		return hf_rd_fail(rd, at, "%s: ICMPv6 is IPv6, but ipVersion is 4", field);
	return 0;
}

/* V16 */
static int check_http(struct hf_rd *rd, const struct hf_yaml *node,
	const struct hf_policy_rule *rule, bool ingress)
{
	const struct hf_yaml *at = hf_rd_where(node, "http");

	if (!rule->http)
		return 0;
	if (!ingress)
		return hf_rd_fail(rd, at, "http: only in ingress rules");
	if (rule->action != HF_ACTION_ALLOW)
		return hf_rd_fail(rd, at, "http: only with action Allow");
	if (rule->proto.given && rule->proto.proto != HF_PROTO_TCP)
		return hf_rd_fail(rd, at, "http: only with protocol TCP");
	return 0;
}

static int check_side(struct hf_rd *rd, const struct hf_policy_rule *rule, const struct side *s,
	bool ingress, uint8_t *family)
{
	int rc = check_ports(rd, rule, s);

	if (rc == 0)
		rc = check_family(rd, rule, s, &s->e->nets, "nets", family);
	if (rc == 0)
		rc = check_family(rd, rule, s, &s->e->not_nets, "notNets", family);
	if (rc == 0)
		rc = check_selectors(rd, s);
	if (rc == 0)
		rc = check_services(rd, s, ingress);
	return rc;
}

int hf_valid_rule(struct hf_rd *rd, const struct hf_yaml *node, const struct hf_policy_rule *rule,
	bool ingress)
{
	const struct side src = {"source", &rule->src, hf_rd_where(node, "source")};
	const struct side dst = {"destination", &rule->dst, hf_rd_where(node, "destination")};
	uint8_t family = 0;
	int rc;

	/* V12: only icmp asks for the protocol; a lone notICMP is legal. */
	if (rule->icmp.given && !is_icmp(&rule->proto))
		return hf_rd_fail(
			rd, hf_rd_where(node, "icmp"), "icmp: needs protocol ICMP or ICMPv6");
	rc = check_icmp_family(rd, node, rule, &rule->proto, "protocol");
	if (rc == 0)
		rc = check_icmp_family(rd, node, rule, &rule->not_proto, "notProtocol");
	if (rc == 0)
		rc = check_side(rd, rule, &src, ingress, &family);
	if (rc == 0)
		rc = check_side(rd, rule, &dst, ingress, &family);
	if (rc == 0)
		rc = check_http(rd, node, rule, ingress);
	return rc;
}

int hf_valid_policy(
	struct hf_rd *rd, const struct hf_yaml *spec, const struct hf_policy_obj *policy)
{
	int rc;

	if (policy->pre_dnat && policy->untracked)
		return hf_rd_fail(rd, hf_rd_where(spec, "preDNAT"),
			"preDNAT and doNotTrack exclude each other"); /* V1 */
	if (policy->pre_dnat && policy->out.n)
		return hf_rd_fail(rd, hf_rd_where(spec, "egress"),
			"egress: a preDNAT policy has no egress rules"); /* V2 */
	if (policy->pre_dnat && policy->egress)
		return hf_rd_fail(rd, hf_rd_where(spec, "types"),
			"types: a preDNAT policy cannot have type Egress"); /* V3 */
	if ((policy->pre_dnat || policy->untracked) && !policy->on_forward)
		return hf_rd_fail(rd,
			hf_rd_where(spec, policy->pre_dnat ? "preDNAT" : "doNotTrack"),
			"%s needs applyOnForward: true",
			policy->pre_dnat ? "preDNAT" : "doNotTrack"); /* V4 */
	rc = hf_valid_no_global(rd, &policy->selector, "selector");
	if (rc == 0)
		rc = hf_valid_no_global(rd, &policy->sa_selector, "serviceAccountSelector");
	if (rc == 0)
		rc = hf_valid_no_global(rd, &policy->ns_selector, "namespaceSelector");
	return rc;
}

/* Names that Calico gives to translated Kubernetes and OpenStack policies. */
static bool is_translated(const char *name)
{
	return strncmp(name, "knp.default.", 12) == 0 || strncmp(name, "ossg.default.", 13) == 0;
}

int hf_valid_policy_name(
	struct hf_rd *rd, const struct hf_yaml *object, const struct hf_policy_obj *policy)
{
	const char *name = policy->meta.name;
	const char *first = strchr(name, '.');
	bool ok = hf_is_dns_subdomain(name);

	if (policy->kind == HF_POLICY_KNP)
		return 0;
	ok = ok && (!first || !strchr(first + 1, '.') ||
			   (policy->kind == HF_POLICY_NP && is_translated(name)));
	if (!ok)
		return hf_rd_fail(rd, hf_rd_where(hf_rd_where(object, "metadata"), "name"),
			"name: '%.64s' is not a policy name: one or two lower-case words of "
			"letters, digits and '-', joined by '.'",
			name);
	return 0;
}
