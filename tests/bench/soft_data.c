/* SPDX-License-Identifier: BSD-3-Clause */

#include "soft_data.h"

#include <hf_test_rand.h>

#include <jansson.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_PER_POLICY 50
#define TCP_SYN		 0x02
#define TCP_ACK		 0x10

static void *need(void *p)
{
	if (!p)
		errx(1, "out of memory");
	return p;
}

static uint32_t mask_of(uint8_t len)
{
	return len ? UINT32_MAX << (32 - len) : 0;
}

/* Sources are outside of 10.0.0.0/8, where this host and its pods are. */
static struct bench_net some_net(struct hf_rand *r, uint8_t len)
{
	uint32_t addr = (uint32_t)hf_rand_between(r, 11u << 24, (100u << 24) - 1);

	return (struct bench_net){addr & mask_of(len), len};
}

static uint8_t some_len(struct hf_rand *r)
{
	static const uint8_t lens[] = {32, 32, 32, 28, 24, 24, 24, 20, 16, 12};

	return lens[hf_rand_below(r, sizeof(lens))];
}

static uint16_t some_port(struct hf_rand *r)
{
	static const uint16_t known[] = {22, 53, 80, 123, 179, 443, 2379, 3000, 3306, 4789, 5432,
		5473, 6379, 6443, 8080, 8443, 9090, 9100, 10250};

	if (hf_rand_below(r, 2))
		return known[hf_rand_below(r, sizeof(known) / sizeof(known[0]))];
	return (uint16_t)hf_rand_between(r, 1, 65535);
}

static void some_ports(struct hf_rand *r, struct bench_rule *rule)
{
	static const uint16_t widths[] = {1, 9, 99, 999, 2767};
	unsigned int i, kind = (unsigned int)hf_rand_below(r, 100);

	if (kind >= 95 && (rule->set >= 0 || rule->src.len))
		return;
	rule->n_ports = kind >= 55 && kind < 75 ? 2 + (unsigned int)hf_rand_below(r, 2) : 1;
	for (i = 0; i < rule->n_ports; i++)
		rule->ports[i][0] = rule->ports[i][1] = some_port(r);
	if (kind >= 75 && kind < 95) {
		rule->ports[0][0] = (uint16_t)hf_rand_between(r, 1, 62000);
		rule->ports[0][1] = rule->ports[0][0] + widths[hf_rand_below(r, 5)];
	}
}

static void some_rule(struct hf_rand *r, const struct bench_policy *p, struct bench_rule *rule)
{
	unsigned int kind = (unsigned int)hf_rand_below(r, 100);

	*rule = (struct bench_rule){
		.allow = hf_rand_below(r, 10) < 7,
		.udp = hf_rand_below(r, 10) >= 7,
		.set = -1,
	};
	if (kind < 20)
		rule->set = (int)hf_rand_below(r, p->n_sets);
	else if (kind < 97)
		rule->src = some_net(r, some_len(r));
	some_ports(r, rule);
	if (hf_rand_below(r, 10) == 0)
		rule->dst = (struct bench_net){
			BENCH_HOST_BASE + 1 + (uint32_t)hf_rand_below(r, BENCH_HOST_NETS), 32};
}

struct bench_policy *bench_policy_make(size_t n_rules, size_t set_size, uint64_t seed)
{
	struct bench_policy *p = need(calloc(1, sizeof(*p)));
	struct hf_rand r;
	size_t i, k;

	hf_rand_init(&r, seed, n_rules);
	p->n_rules = n_rules;
	p->n_sets = n_rules / 100 + 1;
	p->rules = need(calloc(n_rules, sizeof(*p->rules)));
	p->sets = need(calloc(p->n_sets, sizeof(*p->sets)));
	for (i = 0; i < p->n_sets; i++) {
		p->sets[i].n = set_size;
		p->sets[i].nets = need(calloc(set_size, sizeof(*p->sets[i].nets)));
		for (k = 0; k < set_size; k++)
			p->sets[i].nets[k] = some_net(&r, hf_rand_below(&r, 10) < 7 ? 32 : 24);
	}
	for (i = 0; i < n_rules; i++)
		some_rule(&r, p, &p->rules[i]);
	return p;
}

void bench_policy_free(struct bench_policy *policy)
{
	size_t i;

	for (i = 0; i < policy->n_sets; i++)
		free(policy->sets[i].nets);
	free(policy->sets);
	free(policy->rules);
	free(policy);
}

static struct bench_net read_net(const json_t *j)
{
	return (struct bench_net){(uint32_t)json_integer_value(json_array_get(j, 0)),
		(uint8_t)json_integer_value(json_array_get(j, 1))};
}

static void read_rule(const json_t *j, struct bench_rule *rule)
{
	const json_t *set = json_object_get(j, "set"), *src = json_object_get(j, "src"),
		     *dst = json_object_get(j, "dst"), *ports = json_object_get(j, "ports");
	unsigned int i;

	*rule = (struct bench_rule){
		.allow = strcmp(json_string_value(json_object_get(j, "action")), "allow") == 0,
		.udp = strcmp(json_string_value(json_object_get(j, "proto")), "udp") == 0,
		.set = json_is_integer(set) ? (int)json_integer_value(set) : -1,
	};
	if (json_is_array(src))
		rule->src = read_net(src);
	if (json_is_array(dst))
		rule->dst = read_net(dst);
	rule->n_ports = (unsigned int)json_array_size(ports);
	if (rule->n_ports > BENCH_PORTS_MAX)
		errx(1, "policy.json: a rule with more than %d port ranges", BENCH_PORTS_MAX);
	for (i = 0; i < rule->n_ports; i++) {
		const json_t *range = json_array_get(ports, i);

		rule->ports[i][0] = (uint16_t)json_integer_value(json_array_get(range, 0));
		rule->ports[i][1] = (uint16_t)json_integer_value(json_array_get(range, 1));
	}
}

struct bench_policy *bench_policy_read(const char *path)
{
	struct bench_policy *p = need(calloc(1, sizeof(*p)));
	json_error_t error;
	json_t *root = json_load_file(path, 0, &error);
	const json_t *sets, *rules;
	size_t i, k;

	if (!root)
		errx(1, "%s: %s", path, error.text);
	sets = json_object_get(root, "sets");
	rules = json_object_get(root, "rules");
	p->n_sets = json_array_size(sets);
	p->n_rules = json_array_size(rules);
	p->sets = need(calloc(p->n_sets + 1, sizeof(*p->sets)));
	p->rules = need(calloc(p->n_rules + 1, sizeof(*p->rules)));
	for (i = 0; i < p->n_sets; i++) {
		const json_t *nets = json_array_get(sets, i);

		p->sets[i].n = json_array_size(nets);
		p->sets[i].nets = need(calloc(p->sets[i].n + 1, sizeof(*p->sets[i].nets)));
		for (k = 0; k < p->sets[i].n; k++)
			p->sets[i].nets[k] = read_net(json_array_get(nets, k));
	}
	for (i = 0; i < p->n_rules; i++)
		read_rule(json_array_get(rules, i), &p->rules[i]);
	json_decref(root);
	return p;
}

static void print_net(FILE *out, struct bench_net n, bool ip6)
{
	uint8_t b[4] = {(uint8_t)(n.addr >> 24), (uint8_t)(n.addr >> 16), (uint8_t)(n.addr >> 8),
		(uint8_t)n.addr};

	if (!ip6)
		fprintf(out, "%u.%u.%u.%u/%u", b[0], b[1], b[2], b[3], n.len);
	else if (n.len == 32)
		fprintf(out, "'2a00:0:%02x%02x:%02x%02x::1/128'", b[0], b[1], b[2], b[3]);
	else
		fprintf(out, "'2a00:0:%02x%02x:%02x%02x::/%u'", b[0], b[1], b[2], b[3],
			32u + n.len);
}

static void print_rule(FILE *out, const struct bench_rule *r, bool ip6)
{
	unsigned int i;

	fprintf(out, "    - action: %s\n      protocol: %s\n", r->allow ? "Allow" : "Deny",
		r->udp ? "UDP" : "TCP");
	if (r->set >= 0) {
		fprintf(out, "      source: {selector: \"set == 's%d'\"}\n", r->set);
	} else if (r->src.len) {
		fputs("      source: {nets: [", out);
		print_net(out, r->src, ip6);
		fputs("]}\n", out);
	}
	if (!r->n_ports && !r->dst.len)
		return;
	fputs("      destination: {", out);
	if (r->dst.len) {
		fputs("nets: [", out);
		print_net(out, r->dst, ip6);
		fputs(r->n_ports ? "], " : "]", out);
	}
	for (i = 0; i < r->n_ports; i++)
		fprintf(out, "%s'%u:%u'", i ? ", " : "ports: [", r->ports[i][0], r->ports[i][1]);
	fputs(r->n_ports ? "]}\n" : "}\n", out);
}

static void print_host(FILE *out, bool ip6)
{
	int i;

	fputs("apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"
	      "  interfaces:\n    - {name: eth0, addresses: [10.10.0.1/24, 10.10.0.2/24, "
	      "10.10.0.3/24, 10.10.0.4/24",
		out);
	if (ip6)
		fputs(", '2a00:0:0a0a:1::1/96', '2a00:0:0a0a:2::1/96', '2a00:0:0a0a:3::1/96', "
		      "'2a00:0:0a0a:4::1/96'",
			out);
	fputs("]}\n    - {name: eth1}\n", out);
	for (i = 0; i < 2; i++)
		fprintf(out,
			"---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\n"
			"metadata: {name: eth%d, labels: {hep: x}}\n"
			"spec: {node: n0, interfaceName: eth%d}\n",
			i, i);
	fputs("---\n"
	      "apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\n"
	      "metadata: {name: default}\n"
	      "spec: {failsafeInboundHostPorts: [], failsafeOutboundHostPorts: []}\n",
		out);
}

static void print_set(FILE *out, const struct bench_policy *p, size_t set, bool ip6)
{
	size_t k;

	fprintf(out,
		"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\n"
		"metadata: {name: s%zu, labels: {set: s%zu}}\nspec:\n  nets:\n",
		set, set);
	for (k = 0; k < p->sets[set].n; k++) {
		fputs("    - ", out);
		print_net(out, p->sets[set].nets[k], ip6);
		fputs("\n", out);
	}
}

/* The policy of the rules from there on. */
static void print_policy(
	FILE *out, const struct bench_policy *p, size_t first, bool untracked, bool ip6)
{
	size_t i;

	fprintf(out,
		"---\napiVersion: projectcalico.org/v3\n"
		"kind: GlobalNetworkPolicy\nmetadata: {name: p%zu}\nspec:\n"
		"  selector: hep == 'x'\n  order: %zu\n  types: [Ingress]\n%s"
		"  ingress:\n",
		first / RULES_PER_POLICY, first,
		untracked ? "  doNotTrack: true\n  applyOnForward: true\n" : "");
	for (i = first; i < p->n_rules && i < first + RULES_PER_POLICY; i++)
		print_rule(out, &p->rules[i], ip6);
	if (i == p->n_rules)
		fputs("    - {action: Deny}\n", out);
}

char *bench_policy_yaml(const struct bench_policy *p, bool untracked, bool ip6)
{
	char *text = NULL;
	size_t size, i;
	FILE *out = need(open_memstream(&text, &size));

	print_host(out, ip6);
	for (i = 0; i < p->n_sets; i++)
		print_set(out, p, i, ip6);
	for (i = 0; i < p->n_rules; i += RULES_PER_POLICY)
		print_policy(out, p, i, untracked, ip6);
	if (fclose(out) != 0)
		errx(1, "out of memory");
	return text;
}

char *bench_part_yaml(const struct bench_policy *p, size_t rule, bool set, bool untracked)
{
	char *text = NULL;
	size_t size;
	FILE *out = need(open_memstream(&text, &size));

	if (set)
		print_set(out, p, (size_t)p->rules[rule].set, false);
	else
		print_policy(out, p, rule - rule % RULES_PER_POLICY, untracked, false);
	if (fclose(out) != 0)
		errx(1, "out of memory");
	return text;
}

static bool net_has(struct bench_net n, uint32_t addr)
{
	return ((addr ^ n.addr) & mask_of(n.len)) == 0;
}

static bool rule_has(
	const struct bench_policy *p, const struct bench_rule *r, const struct bench_flow *f)
{
	bool src = r->set < 0 && net_has(r->src, f->src), port = r->n_ports == 0;
	size_t i;

	if (r->udp != f->udp || !net_has(r->dst, f->dst))
		return false;
	for (i = 0; i < r->n_ports; i++)
		port = port || (f->dport >= r->ports[i][0] && f->dport <= r->ports[i][1]);
	for (i = 0; r->set >= 0 && port && !src && i < p->sets[r->set].n; i++)
		src = net_has(p->sets[r->set].nets[i], f->src);
	return src && port;
}

static bool is_allowed(const struct bench_policy *p, const struct bench_flow *f)
{
	size_t i;

	for (i = 0; i < p->n_rules; i++) {
		if (rule_has(p, &p->rules[i], f))
			return p->rules[i].allow;
	}
	return false;
}

static struct bench_flow some_flow(struct hf_rand *r, const struct bench_policy *p)
{
	struct bench_flow f = {
		.src = some_net(r, 32).addr,
		.dst = BENCH_HOST_BASE + 1 + (uint32_t)hf_rand_below(r, BENCH_HOST_NETS),
		.sport = (uint16_t)hf_rand_between(r, 1024, 65535),
		.dport = (uint16_t)hf_rand_between(r, 1, 65535),
		.udp = hf_rand_below(r, 2),
	};
	const struct bench_rule *rule;
	struct bench_net src;

	if (hf_rand_below(r, 10) == 0)
		return f;
	rule = &p->rules[hf_rand_below(r, p->n_rules)];
	src = rule->src;
	if (rule->set >= 0)
		src = p->sets[rule->set].nets[hf_rand_below(r, p->sets[rule->set].n)];
	f.src = src.addr | (f.src & ~mask_of(src.len));
	f.udp = rule->udp;
	if (rule->dst.len)
		f.dst = rule->dst.addr;
	if (rule->n_ports) {
		const uint16_t *range = rule->ports[hf_rand_below(r, rule->n_ports)];

		f.dport = (uint16_t)hf_rand_between(r, range[0], range[1]);
	}
	return f;
}

struct bench_flow *bench_flows_make(
	const struct bench_policy *p, size_t n, bool allowed, uint64_t seed)
{
	struct bench_flow *flows = need(calloc(n, sizeof(*flows)));
	struct hf_rand r;
	size_t i;

	hf_rand_init(&r, seed, n);
	for (i = 0; i < n;) {
		flows[i] = some_flow(&r, p);
		i += !allowed || is_allowed(p, &flows[i]);
	}
	return flows;
}

static uint8_t *put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v & 0xffff);
}

static uint8_t *put_addr(uint8_t *p, uint32_t addr, bool ip6)
{
	if (!ip6)
		return put32(p, addr);
	/* The host's addresses are 2a00:0:a0a:N::1. */
	p = put32(put32(p, 0x2a000000), addr);
	return put32(put32(p, 0), 1);
}

/* The handshake, and what stays inside the windows after it however often it is sent. */
static const struct {
	uint32_t seq, ack;
	uint8_t flags;
} tcp[] = {
	[BENCH_OPEN] = {1000, 0, TCP_SYN},
	[BENCH_ANSWER] = {5000, 1001, TCP_SYN | TCP_ACK},
	[BENCH_GO_ON] = {1001, 5001, TCP_ACK},
};

static void write_frame(
	const struct bench_flow *f, enum bench_step step, bool ip6, uint16_t size, uint8_t *p)
{
	bool back = step == BENCH_ANSWER;
	uint8_t proto = f->udp ? 17 : 6;
	uint16_t l4 = size - 14 - (ip6 ? 40 : 20);

	memset(p, 0, size);
	p[5] = back ? 2 : 1;
	p[11] = back ? 1 : 2;
	p[0] = p[6] = 2;
	p = put16(p + 12, ip6 ? 0x86dd : 0x0800);
	if (ip6) {
		p = put16(put32(p, 0x60000000), l4);
		*p++ = proto;
		*p++ = 64;
	} else {
		p = put32(put16(put16(p, 0x4500), 20u + l4), 0x4000);
		*p++ = 64;
		*p++ = proto;
		p += 2; /* nobody looks at checksums */
	}
	p = put_addr(p, back ? f->dst : f->src, ip6);
	p = put_addr(p, back ? f->src : f->dst, ip6);
	p = put16(p, back ? f->dport : f->sport);
	p = put16(p, back ? f->sport : f->dport);
	if (f->udp) {
		(void)put16(p, l4);
		return;
	}
	p = put32(put32(p, tcp[step].seq), tcp[step].ack);
	p[0] = 0x50; /* no options */
	p[1] = tcp[step].flags;
	(void)put16(p + 2, 65535); /* window */
}

struct bench_frames bench_frames_make(
	const struct bench_flow *flows, size_t n, enum bench_step step, bool ip6)
{
	struct bench_frames f = {.n = n, .size = ip6 ? 74 : 60};
	size_t i;

	f.bytes = need(calloc(n, f.size));
	for (i = 0; i < n; i++)
		write_frame(&flows[i], step, ip6, f.size, f.bytes + i * f.size);
	return f;
}

struct bench_frames bench_frames_read(const char *pcap)
{
	struct bench_frames f = {0};
	FILE *in = fopen(pcap, "rb");
	uint32_t head[6], rec[4];
	size_t room = 0;

	if (!in || fread(head, sizeof(head), 1, in) != 1 || head[0] != 0xa1b2c3d4)
		errx(1, "%s: no capture file", pcap);
	while (fread(rec, sizeof(rec), 1, in) == 1) {
		if (f.n == 0)
			f.size = (uint16_t)rec[2];
		if (rec[2] != f.size || f.size > BENCH_FRAME_MAX)
			errx(1, "%s: frames must be of one size, %d at most", pcap,
				BENCH_FRAME_MAX);
		if (f.n == room) {
			room = room ? 2 * room : 1024;
			f.bytes = need(realloc(f.bytes, room * f.size));
		}
		if (fread(f.bytes + f.n * f.size, f.size, 1, in) != 1)
			errx(1, "%s: ends in a frame", pcap);
		f.n++;
	}
	(void)fclose(in);
	return f;
}

void bench_frames_write(const struct bench_frames *f, const char *pcap)
{
	static const uint32_t head[6] = {0xa1b2c3d4, 4u << 16 | 2, 0, 0, 65535, 1};
	FILE *out = fopen(pcap, "wb");
	size_t i;

	if (!out)
		err(1, "%s", pcap);
	fwrite(head, sizeof(head), 1, out);
	for (i = 0; i < f->n; i++) {
		uint32_t rec[4] = {0, (uint32_t)i, f->size, f->size};

		fwrite(rec, sizeof(rec), 1, out);
		fwrite(f->bytes + i * f->size, f->size, 1, out);
	}
	if (fclose(out) != 0)
		err(1, "%s", pcap);
}

void bench_frames_free(struct bench_frames *frames)
{
	free(frames->bytes);
}
