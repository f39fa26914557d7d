/* SPDX-License-Identifier: BSD-3-Clause */

#include "world.h"

#include "pools.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const selectors[] = {"role == 'a'", "role == 'b'", "has(role)", "all()", "all()",
	"all()", "role != 'a'", "role == 'none'", "role in {'a', 'c'}", "!has(role)"};
static const char *const port_names[] = {"web", "dns", "nowhere"};
static const char *const tiers[] = {"first", "second", "default", "default", "ghost"};

static FILE *text_open(char **p, size_t *size)
{
	FILE *f = open_memstream(p, size);

	if (!f)
		abort();
	return f;
}

__attribute__((format(printf, 1, 2))) static char *format(const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	if (vasprintf(&p, fmt, ap) < 0)
		abort();
	va_end(ap);
	return p;
}

static struct hf_doc *add_doc(struct hf_world *w, char *take_head)
{
	struct hf_doc doc = {.head = take_head};

	if (hf_vec_push(&w->docs, doc) < 0)
		abort();
	return &w->docs.v[w->docs.n - 1];
}

static void add_rule(struct hf_doc *doc, bool egress, char *take_text)
{
	struct hf_doc_rule rule = {.text = take_text, .egress = egress};

	if (hf_vec_push(&doc->rules, rule) < 0)
		abort();
}

/* What the parts of a rule must agree on. */
struct rule_shape {
	uint8_t family;
	bool ports;    /* protocol with ports given */
	bool bare;     /* no protocol given: named ports are allowed */
	bool numbered; /* ICMP by number implies no family, and contradicts one */
	bool np;
};

static void put_nets(struct hf_rand *r, FILE *f, const char *key, uint8_t family)
{
	size_t i, n = hf_rand_between(r, 1, 3);

	fprintf(f, "%s: [", key);
	for (i = 0; i < n; i++)
		fprintf(f, "%s'%s'", i ? ", " : "", family == 4 ? PICK(r, nets4) : PICK(r, nets6));
	fputs("], ", f);
}

static void put_ports(struct hf_rand *r, FILE *f, const char *key, bool numbers)
{
	size_t i, n = hf_rand_between(r, 1, 3);
	uint16_t a, b;

	fprintf(f, "%s: [", key);
	for (i = 0; i < n; i++) {
		a = PICK(r, ports);
		b = PICK(r, ports);
		if (i)
			fputs(", ", f);
		if (!numbers || chance(r, 15))
			fputs(PICK(r, port_names), f);
		else if (chance(r, 50))
			fprintf(f, "%u", a);
		else
			fprintf(f, "'%u:%u'", a < b ? a : b, a < b ? b : a);
	}
	fputs("], ", f);
}

static void put_entity(struct hf_rand *r, FILE *f, const struct rule_shape *s, bool service)
{
	if (service) {
		fputs("services: {name: svc, namespace: ns}", f);
		return;
	}
	if (chance(r, 25))
		put_nets(r, f, "nets", s->family);
	if (chance(r, 12))
		put_nets(r, f, "notNets", s->family);
	if (chance(r, 15))
		fprintf(f, "selector: \"%s\", ", PICK(r, selectors));
	if (chance(r, 12))
		fprintf(f, "notSelector: \"%s\", ", PICK(r, selectors));
	if (chance(r, 8))
		fprintf(f, "namespaceSelector: \"%s\", ",
			chance(r, 30)		 ? "global()"
			: s->np || chance(r, 50) ? "all()"
						 : "team == 'x'");
	if (chance(r, s->ports ? 30 : s->bare ? 8 : 0))
		put_ports(r, f, "ports", s->ports);
	if (chance(r, s->ports ? 12 : s->bare ? 6 : 0))
		put_ports(r, f, "notPorts", s->ports);
}

static void put_proto(struct hf_rand *r, FILE *f, struct rule_shape *s)
{
	static const char *const with_ports[] = {"TCP", "TCP", "UDP", "SCTP"};
	static const char *const without[] = {"UDPLite", "4", "47", "253", "255"};
	bool icmp = chance(r, 15);

	if (icmp && s->family) {
		fprintf(f, "protocol: %s, ", s->family == 4 ? "ICMP" : "ICMPv6");
		if (chance(r, 50))
			fprintf(f, "icmp: {type: %u%s}, ",
				(unsigned int)hf_rand_between(r, 127, 137),
				chance(r, 50) ? ", code: 1" : "");
		if (chance(r, 30))
			fprintf(f, "notICMP: {type: %u%s}, ",
				(unsigned int)hf_rand_between(r, 127, 137),
				chance(r, 50) ? ", code: 0" : "");
	} else if (chance(r, 60)) {
		s->ports = true;
		fprintf(f, "protocol: %s, ", PICK(r, with_ports));
	} else if (chance(r, 30)) {
		fprintf(f, "protocol: %s, ", PICK(r, without));
	} else if (chance(r, 20)) {
		s->numbered = true;
		fprintf(f, "protocol: %s, ", chance(r, 50) ? "1" : "58");
		if (chance(r, 60))
			fprintf(f, "%s: {type: %u}, ", chance(r, 70) ? "icmp" : "notICMP",
				(unsigned int)hf_rand_between(r, 127, 137));
	} else if (chance(r, 30)) {
		s->bare = true;
		fprintf(f, "notProtocol: %s, ", PICK(r, with_ports));
	} else {
		s->bare = true;
	}
}

/* An item of ingress: or egress:. */
static char *make_rule(struct hf_rand *r, bool np, bool egress)
{
	static const char *const actions[] = {
		"Allow", "Allow", "Allow", "Deny", "Deny", "Pass", "Pass", "Log"};
	struct rule_shape s = {.family = chance(r, 65) ? 4 : 6, .np = np};
	bool service = chance(r, 5);
	size_t size;
	char *p;
	FILE *f = text_open(&p, &size);

	fprintf(f, "{action: %s, ", PICK(r, actions));
	if (chance(r, 70) || service)
		put_proto(r, f, &s);
	else
		s.bare = true;
	if (!s.numbered && chance(r, 10))
		fprintf(f, "ipVersion: %u, ", s.family);
	if (chance(r, 50)) {
		fputs("source: {", f);
		put_entity(r, f, &s, service && !egress);
		fputs("}, ", f);
	}
	if (chance(r, 50)) {
		fputs("destination: {", f);
		put_entity(r, f, &s, service && egress);
		fputs("}", f);
	}
	fputs("}", f);
	fclose(f);
	return p;
}

static void add_rules(struct hf_rand *r, struct hf_doc *doc, bool np, bool in, bool out)
{
	size_t i, n;

	for (i = 0, n = in ? hf_rand_below(r, 5) : 0; i < n; i++)
		add_rule(doc, false, make_rule(r, np, false));
	for (i = 0, n = out ? hf_rand_below(r, 5) : 0; i < n; i++)
		add_rule(doc, true, make_rule(r, np, true));
}

static void add_policy(struct hf_world *w, struct hf_rand *r, unsigned int i)
{
	static const char *const types[] = {"Ingress", "Egress", "Ingress, Egress"};
	static const char *const wishes[] = {"prefer", "require", "forbid"};
	unsigned int t = (unsigned int)hf_rand_below(r, 3),
		     kind = (unsigned int)hf_rand_below(r, 8);
	bool np = chance(r, 20), staged = chance(r, 10);
	bool untracked = !np && kind < 2, prednat = !np && kind == 2;
	size_t size;
	char *p;
	FILE *f = text_open(&p, &size);

	if (prednat)
		t = 0;
	fprintf(f, "kind: %s%sNetworkPolicy\n", staged ? "Staged" : "", np ? "" : "Global");
	fprintf(f, "metadata: {name: p%u%s", i, np ? ", namespace: ns" : "");
	if (chance(r, 10))
		fprintf(f, ", annotations: {hepflow/offload: %s}", PICK(r, wishes));
	fprintf(f, "}\nspec:\n  tier: %s\n  types: [%s]\n", PICK(r, tiers), types[t]);
	if (chance(r, 80))
		fprintf(f, "  order: %u\n", (unsigned int)hf_rand_below(r, 5));
	fprintf(f, "  selector: \"%s\"\n", PICK(r, selectors));
	if (untracked)
		fputs("  doNotTrack: true\n", f);
	if (prednat)
		fputs("  preDNAT: true\n", f);
	if (untracked || prednat || (!np && kind > 4))
		fputs("  applyOnForward: true\n", f);
	fclose(f);
	add_rules(r, add_doc(w, p), np, t != 1, t != 0);
}

static void add_profile(struct hf_world *w, struct hf_rand *r, unsigned int i)
{
	add_rules(r,
		add_doc(w, format("kind: Profile\nmetadata: {name: prof%u}\nspec:\n"
				  "  labelsToApply: {prof: 'p%u'}\n",
				   i, i)),
		false, true, true);
}

static const char *profiles(struct hf_rand *r)
{
	static const char *const lists[] = {"[]", "[prof0]", "[prof1, prof0]", "[prof0, missing]",
		"[missing]", "[missing, prof1]", "[projectcalico-default-allow]", "[prof1]"};

	return PICK(r, lists);
}

static const char *role(struct hf_rand *r)
{
	static const char *const roles[] = {"{}", "{role: a}", "{role: b}", "{role: a, extra: x}"};

	return PICK(r, roles);
}

static void add_hep(struct hf_world *w, struct hf_rand *r, const char *name, const char *where)
{
	add_doc(w,
		format("kind: HostEndpoint\nmetadata: {name: %s, labels: %s}\nspec:\n  node: n0\n"
		       "%s  profiles: %s\n",
			name, role(r), where, profiles(r)));
}

static void add_heps(struct hf_world *w, struct hf_rand *r)
{
	static const char *const ports_line = "  ports: [{name: web, protocol: TCP, port: 80}, "
					      "{name: dns, protocol: UDP, port: 53}]\n";
	char *where;

	if (chance(r, 85)) {
		where = format(
			"  interfaceName: eth0\n  expectedIPs: [192.0.2.10, '2001:db8::10']\n%s",
			chance(r, 50) ? ports_line : "");
		add_hep(w, r, "eth0", where);
		free(where);
	}
	if (chance(r, 30))
		add_hep(w, r, "by-address", "  expectedIPs: [198.51.100.1]\n");
	if (chance(r, 40))
		add_hep(w, r, "star", "  interfaceName: '*'\n");
	if (chance(r, 10))
		add_hep(w, r, "loop", "  interfaceName: lo\n");
	if (chance(r, 10))
		add_hep(w, r, "tunnel", "  interfaceName: tunl0\n");
}

static void add_pods(struct hf_world *w, struct hf_rand *r)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (chance(r, 15))
			continue;
		add_doc(w, format("kind: WorkloadEndpoint\nmetadata: {name: pod%u, namespace: ns, "
				  "labels: %s}\n"
				  "spec:\n  node: n0\n  orchestrator: k8s\n  pod: pod%u\n  "
				  "endpoint: eth0\n"
				  "  interfaceName: cali%u\n  profiles: %s\n"
				  "  ipNetworks: [10.65.0.%u/32, 'fd00:65::%u/128']\n"
				  "  ports: [{name: web, protocol: TCP, port: %u}]\n%s",
				   i, role(r), i, i, profiles(r), i + 2, i + 2, i ? 80 : 3000,
				   chance(r, 15)
					   ? "  allowSpoofedSourcePrefixes: ['203.0.113.64/26']\n"
				   : i == 0 && chance(r, 20) ? "  ipNATs: [{internalIP: 10.65.0.2, "
							       "externalIP: 10.96.0.10}]\n"
							     : ""));
	}
}

static void add_sets(struct hf_world *w, struct hf_rand *r)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		bool global = chance(r, 60);
		size_t size;
		char *p;
		FILE *f = text_open(&p, &size);

		fprintf(f, "kind: %sNetworkSet\nmetadata: {name: set%u, labels: %s%s}\nspec: {",
			global ? "Global" : "", i, role(r), global ? "" : ", namespace: ns");
		if (chance(r, 85))
			put_nets(r, f, "nets", chance(r, 60) ? 4 : 6);
		fputs("}\n", f);
		fclose(f);
		add_doc(w, p);
	}
}

/* Some ports are neighbours, or nearly: rules make ranges of those. */
static void put_failsafes(struct hf_rand *r, FILE *f, const char *key)
{
	static const char *const names[] = {"TCP", "UDP"};
	size_t i, n = hf_rand_below(r, 4);
	unsigned int port = 65535;

	fprintf(f, "  %s: [", key);
	for (i = 0; i < n; i++) {
		if (port < 65534 && chance(r, 40))
			port += 1 + (unsigned int)hf_rand_below(r, 2);
		else
			port = PICK(r, ports);
		fprintf(f, "%s{protocol: %s, port: %u", i ? ", " : "", PICK(r, names), port);
		if (chance(r, 50))
			fprintf(f, ", net: '%s'", chance(r, 70) ? PICK(r, nets4) : PICK(r, nets6));
		fputs("}", f);
	}
	fputs("]\n", f);
}

static void add_felix(struct hf_world *w, struct hf_rand *r)
{
	static const char *const epha[] = {"Drop", "Accept", "Return"};
	static const char *const switches[] = {"disableConntrackInvalidCheck", "vxlanEnabled",
		"ipipEnabled", "wireguardEnabled", "wireguardEnabledV6",
		"allowVXLANPacketsFromWorkloads", "allowIPIPPacketsFromWorkloads"};
	size_t size, i;
	char *p;
	FILE *f = text_open(&p, &size);

	fputs("kind: FelixConfiguration\nmetadata: {name: default}\nspec:\n", f);
	fprintf(f, "  defaultEndpointToHostAction: %s\n", PICK(r, epha));
	for (i = 0; i < COUNT(switches); i++)
		fprintf(f, "  %s: %s\n", switches[i], chance(r, 30) ? "true" : "false");
	if (chance(r, 8))
		fputs("  iptablesFilterAllowAction: Return\n", f);
	if (chance(r, 8))
		fputs("  iptablesMangleAllowAction: Return\n", f);
	if (chance(r, 20))
		fputs("  serviceLoopPrevention: Disabled\n", f);
	if (chance(r, 50))
		put_failsafes(r, f, "failsafeInboundHostPorts");
	if (chance(r, 50))
		put_failsafes(r, f, "failsafeOutboundHostPorts");
	fclose(f);
	add_doc(w, p);
}

static void add_facts(struct hf_world *w, struct hf_rand *r)
{
	size_t size;
	char *p;
	FILE *f = text_open(&p, &size);

	fputs("kind: HostFacts\nmetadata: {name: n0}\nspec:\n  interfaces:\n"
	      "    - {name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64']}\n"
	      "    - {name: eth1, addresses: [198.51.100.1/24]}\n"
	      "    - {name: lo, addresses: [127.0.0.1/8, '::1/128']}\n"
	      "    - {name: tunl0, addresses: [10.65.0.1/32]}\n"
	      "    - {name: vxlan.calico}\n    - {name: wireguard.cali}\n    - {name: cali7}\n"
	      "  routes:\n    - {dst: 10.65.1.0/24, dev: tunl0}\n    - {dst: 0.0.0.0/0, dev: "
	      "eth0}\n"
	      "    - {dst: 'fd00:65:0:1::/64', dev: vxlan.calico}\n"
	      "    - {dst: 203.0.113.128/25, dev: cali7}\n",
		f);
	if (chance(r, 70))
		fputs("  dnat:\n"
		      "    - {proto: tcp, dst: 192.0.2.10, port: 30001, to: ['10.65.0.2:3000', "
		      "'10.65.1.5:3000']}\n"
		      "    - {proto: udp, dst: 10.96.0.10, port: 53, to: ['10.65.1.5:53']}\n"
		      "    - {proto: tcp, dst: 10.96.0.10, port: 443, to: ['192.0.2.10:8080']}\n"
		      "    - {proto: tcp, dst: 10.65.0.2, port: 8080, to: ['198.51.100.7:80']}\n"
		      "    - {proto: tcp, dst: 'fd00:96::a', port: 443, to: "
		      "['[fd00:65::2]:3000']}\n",
			f);
	if (chance(r, 20))
		fputs("  kernelPolicy: {forward: drop}\n", f);
	fclose(f);
	add_doc(w, p);
}

static void add_cluster(struct hf_world *w, struct hf_rand *r)
{
	add_doc(w,
		strdup("kind: Node\nmetadata: {name: n0}\nspec: {bgp: {ipv4Address: 192.0.2.10/24, "
		       "ipv6Address: '2001:db8::10/64'}}\n"));
	add_doc(w,
		strdup("kind: Node\nmetadata: {name: n1}\nspec: {bgp: {ipv4Address: 192.0.2.20/24, "
		       "ipv6Address: '2001:db8::20/64'}}\n"));
	if (chance(r, 40))
		add_doc(w, strdup("kind: BGPConfiguration\nmetadata: {name: default}\n"
				  "spec: {serviceClusterIPs: [{cidr: 10.96.0.0/16}, {cidr: "
				  "'fd00:96::/112'}]}\n"));
	if (chance(r, 25))
		add_doc(w, strdup("kind: IPPool\nmetadata: {name: v4}\n"
				  "spec: {cidr: 10.65.0.0/16, vxlanMode: Always}\n"));
	if (chance(r, 40))
		add_doc(w, strdup("kind: IPPool\nmetadata: {name: v6}\n"
				  "spec: {cidr: 'fd00:65::/48', vxlanMode: Always}\n"));
	if (chance(r, 50))
		add_doc(w, strdup("apiVersion: v1\nkind: Namespace\nmetadata: {name: ns, labels: "
				  "{team: x}}\n"));
	if (chance(r, 70))
		add_doc(w,
			strdup("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
			       "metadata: {name: svc-1, namespace: ns, labels: "
			       "{kubernetes.io/service-name: svc}}\n"
			       "addressType: IPv4\nports: [{name: w, protocol: TCP, port: 3000}]\n"
			       "endpoints: [{addresses: [10.65.0.2]}, {addresses: "
			       "[10.65.1.5]}]\n"));
}

void hf_world_init(struct hf_world *world, struct hf_rand *r)
{
	static const unsigned int releases[] = {0, 0, 328, 329};
	unsigned int i, n;

	*world = (struct hf_world){.calico = PICK(r, releases)};
	add_facts(world, r);
	add_cluster(world, r);
	if (chance(r, 80))
		add_felix(world, r);
	for (i = 0; i < 2; i++) {
		if (chance(r, 80))
			add_doc(world,
				format("kind: Tier\nmetadata: {name: %s}\nspec: {order: %u%s}\n",
					tiers[i], (unsigned int)hf_rand_below(r, 3),
					chance(r, 40) ? ", defaultAction: Pass" : ""));
	}
	add_heps(world, r);
	add_pods(world, r);
	add_sets(world, r);
	for (i = 0; i < 2; i++)
		add_profile(world, r, i);
	for (i = 0, n = (unsigned int)hf_rand_between(r, 1, 12); i < n; i++)
		add_policy(world, r, i);
}

void hf_world_fini(struct hf_world *world)
{
	size_t i, k;

	for (i = 0; i < world->docs.n; i++) {
		for (k = 0; k < world->docs.v[i].rules.n; k++)
			free(world->docs.v[i].rules.v[k].text);
		free(world->docs.v[i].head);
		hf_vec_fini(&world->docs.v[i].rules);
	}
	hf_vec_fini(&world->docs);
}

static void put_rules(FILE *f, const struct hf_doc *doc, bool egress)
{
	bool any = false;
	size_t i;

	for (i = 0; i < doc->rules.n; i++) {
		if (doc->rules.v[i].dropped || doc->rules.v[i].egress != egress)
			continue;
		if (!any)
			fprintf(f, "  %s:\n", egress ? "egress" : "ingress");
		fprintf(f, "    - %s\n", doc->rules.v[i].text);
		any = true;
	}
}

char *hf_world_text(const struct hf_world *world)
{
	size_t size, i;
	char *p;
	FILE *f = text_open(&p, &size);

	for (i = 0; i < world->docs.n; i++) {
		const struct hf_doc *doc = &world->docs.v[i];

		if (doc->dropped)
			continue;
		fputs("---\n", f);
		if (strncmp(doc->head, "apiVersion", 10) != 0)
			fprintf(f, "apiVersion: %s\n",
				strncmp(doc->head, "kind: HostFacts", 15) == 0
					? "hepflow/v1"
					: "projectcalico.org/v3");
		fputs(doc->head, f);
		put_rules(f, doc, false);
		put_rules(f, doc, true);
	}
	fclose(f);
	return p;
}
