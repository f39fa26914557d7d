/* SPDX-License-Identifier: BSD-3-Clause */

/* One Calico rule: docs/semantics.md 11. */

#include "policy/read.h"
#include "policy/set.h"
#include "policy/valid.h"

#include <hepflow/base/arena.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int rd_action(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {
		[HF_ACTION_DENY] = "Deny",
		[HF_ACTION_ALLOW] = "Allow",
		[HF_ACTION_PASS] = "Pass",
		[HF_ACTION_LOG] = "Log",
	};
	unsigned int i;
	int rc = hf_rd_word(rd, node, HF_WORDS(words), false, &i);

	if (rc == 0)
		*(enum hf_action *)dst = (enum hf_action)i;
	return rc;
}

static int rd_ip_version(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int64_t v;

	if (hf_rd_int(node, 4, 6, &v) < 0 || v == 5)
		return hf_rd_bad(rd, node, "must be 4 or 6");
	*(uint8_t *)dst = (uint8_t)v;
	return 0;
}

static int rd_proto(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} names[] = {
		{"TCP", HF_PROTO_TCP},
		{"UDP", HF_PROTO_UDP},
		{"ICMP", HF_PROTO_ICMP},
		{"ICMPv6", HF_PROTO_ICMPV6},
		{"SCTP", HF_PROTO_SCTP},
		{"UDPLite", HF_PROTO_UDPLITE},
	};
	struct hf_proto_spec *spec = dst;
	size_t i;

	if (node->kind != HF_YAML_SCALAR)
		return hf_rd_bad(rd, node, "must be a protocol name or number");
	spec->given = true;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(node->text, names[i].name) != 0)
			continue;
		spec->by_name = true;
		spec->proto = names[i].proto;
		return 0;
	}
	/* A number in quotes is a number as well: Calico's int-or-string type. */
	if (strspn(node->text, "0123456789") == strlen(node->text) && strlen(node->text) <= 3 &&
		!hf_rd_is_odd_number(node)) {
		int v = atoi(node->text);

		if (v >= 1 && v <= 255) {
			spec->proto = (uint8_t)v;
			return 0;
		}
	}
	return hf_rd_bad(rd, node,
		"'%.64s' is not TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number from 1 to 255",
		node->text);
}

static int rd_icmp_type(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int64_t v;

	if (hf_rd_int(node, 0, 254, &v) < 0)
		return hf_rd_bad(rd, node, "must be a number from 0 to 254");
	*(uint8_t *)dst = (uint8_t)v;
	return 0;
}

static int rd_icmp_code(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int64_t v;

	if (hf_rd_int(node, 0, 255, &v) < 0)
		return hf_rd_bad(rd, node, "must be a number from 0 to 255");
	*(uint8_t *)dst = (uint8_t)v;
	return 0;
}

static const struct hf_field icmp_fields[] = {
	{"type", rd_icmp_type, offsetof(struct hf_icmp_spec, type),
		offsetof(struct hf_icmp_spec, has_type)},
	{"code", rd_icmp_code, offsetof(struct hf_icmp_spec, code),
		offsetof(struct hf_icmp_spec, has_code)},
};

static int rd_icmp(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(icmp_fields);
	struct hf_icmp_spec *spec = dst;
	int rc = hf_rd_map(rd, node, &shape, spec);

	if (rc == 0 && spec->has_code && !spec->has_type)
		return hf_rd_bad(rd, hf_rd_where(node, "code"), "code without a type");
	spec->given = true;
	return rc;
}

/* One end of a range; *text moves behind the digits. */
static bool take_port(const char **text, uint16_t *ret)
{
	unsigned long v;
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	v = strtoul(*text, &end, 10);
	*text = end;
	*ret = (uint16_t)v;
	return v >= 1 && v <= 65535;
}

/* docs/semantics.md 11.3 */
static int rd_port(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct hf_port_spec *spec = dst;
	const char *text;
	size_t digits;

	if (node->kind != HF_YAML_SCALAR)
		return hf_rd_bad(rd, node, "must be a port, a range \"low:high\" or a port name");
	if (hf_rd_is_odd_number(node))
		return hf_rd_bad(rd, node, "'%.64s' is not a plain decimal number", node->text);
	text = node->text;
	digits = strspn(text, "0123456789");
	if (digits > 0 && (text[digits] == '\0' || text[digits] == ':')) {
		const char *at = text;
		bool ok = take_port(&at, &spec->range.lo);

		spec->range.hi = spec->range.lo;
		if (ok && *at == ':') {
			at++;
			ok = take_port(&at, &spec->range.hi);
		}
		if (!ok || *at != '\0')
			return hf_rd_bad(
				rd, node, "'%.64s' is not within the ports 1 to 65535", text);
		if (spec->range.lo > spec->range.hi)
			return hf_rd_bad(rd, node, "'%.64s' ends before it begins", text);
		return 0;
	}
	return hf_rd_port_name(rd, node, &spec->name);
}

static int rd_ports(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_port, sizeof(struct hf_port_spec), HF_PORTS_MAX, dst);
}

static int rd_nets(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, hf_rd_net, sizeof(struct hf_prefix), HF_NETS_MAX, dst);
}

static const struct hf_field sa_fields[] = {
	{"names", hf_rd_names, offsetof(struct hf_entity, sa_names)},
	{"selector", hf_rd_selector, offsetof(struct hf_entity, sa_selector)},
};

static int rd_service_accounts(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(sa_fields);

	return hf_rd_map(rd, node, &shape, dst);
}

static const struct hf_field service_fields[] = {
	{"name", hf_rd_name, offsetof(struct hf_service_ref, name)},
	{"namespace", hf_rd_name, offsetof(struct hf_service_ref, ns)},
};

static int rd_services(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(service_fields);
	struct hf_service_ref *ref = dst;
	int rc = hf_rd_map(rd, node, &shape, ref);

	if (rc == 0 && !ref->name)
		return hf_rd_bad(rd, node, "needs the 'name' of a service");
	return rc;
}

/* serviceAccounts stands for two members, so it gets the whole entity. */
static const struct hf_field entity_fields[] = {
	{"nets", rd_nets, offsetof(struct hf_entity, nets)},
	{"notNets", rd_nets, offsetof(struct hf_entity, not_nets)},
	{"selector", hf_rd_selector, offsetof(struct hf_entity, selector)},
	{"notSelector", hf_rd_selector, offsetof(struct hf_entity, not_selector)},
	{"namespaceSelector", hf_rd_selector, offsetof(struct hf_entity, ns_selector)},
	{"serviceAccounts", rd_service_accounts, 0},
	{"ports", rd_ports, offsetof(struct hf_entity, ports)},
	{"notPorts", rd_ports, offsetof(struct hf_entity, not_ports)},
	{"services", rd_services, offsetof(struct hf_entity, service)},
};

static int rd_entity(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(entity_fields);

	return hf_rd_map(rd, node, &shape, dst);
}

struct http_path {
	const char *exact;
	const char *prefix;
};

static const struct hf_field path_fields[] = {
	{"exact", hf_rd_text, offsetof(struct http_path, exact)},
	{"prefix", hf_rd_text, offsetof(struct http_path, prefix)},
};

static int rd_path(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(path_fields);
	struct http_path *path = dst;
	const char *text;
	int rc = hf_rd_map(rd, node, &shape, path);

	if (rc < 0)
		return rc;
	if (!path->exact == !path->prefix)
		return hf_rd_bad(rd, node, "needs either 'exact' or 'prefix'");
	text = path->exact ? path->exact : path->prefix;
	if (text[0] != '/' || strpbrk(text, "? #"))
		return hf_rd_bad(
			rd, node, "'%.64s' must begin with '/' and have no '?', ' ' or '#'", text);
	return 0;
}

#define HTTP_MAX 20 /* methods, and paths, of one rule: Calico's own schema */

struct http_list {
	size_t n;
	const void *v;
};

static int rd_methods(struct hf_rd *rd, const struct hf_yaml *node, void *)
{
	struct hf_names names;
	size_t i, j;
	int rc = hf_rd_list(rd, node, hf_rd_str, sizeof(const char *), HTTP_MAX, &names);

	for (i = 0; rc == 0 && i < names.n; i++) {
		for (j = 0; j < i; j++) {
			if (strcmp(names.v[i], names.v[j]) == 0)
				return hf_rd_bad(rd, node->v[i], "'%.64s' given twice", names.v[i]);
		}
	}
	return rc;
}

static int rd_paths(struct hf_rd *rd, const struct hf_yaml *node, void *)
{
	struct http_list list;

	return hf_rd_list(rd, node, rd_path, sizeof(struct http_path), HTTP_MAX, &list);
}

static const struct hf_field http_fields[] = {
	{"methods", rd_methods},
	{"paths", rd_paths},
};

static int rd_http(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(http_fields);
	int rc = hf_rd_map(rd, node, &shape, NULL);

	if (rc == 0)
		*(bool *)dst = true;
	return rc;
}

static const struct hf_field metadata_fields[] = {{"annotations"}};

static int rd_metadata(struct hf_rd *rd, const struct hf_yaml *node, void *)
{
	static const struct hf_shape shape = HF_SHAPE(metadata_fields);

	return hf_rd_map(rd, node, &shape, NULL);
}

static const struct hf_field rule_fields[] = {
	{"action", rd_action, offsetof(struct hf_policy_rule, action)},
	{"ipVersion", rd_ip_version, offsetof(struct hf_policy_rule, ip_version)},
	{"protocol", rd_proto, offsetof(struct hf_policy_rule, proto)},
	{"notProtocol", rd_proto, offsetof(struct hf_policy_rule, not_proto)},
	{"icmp", rd_icmp, offsetof(struct hf_policy_rule, icmp)},
	{"notICMP", rd_icmp, offsetof(struct hf_policy_rule, not_icmp)},
	{"source", rd_entity, offsetof(struct hf_policy_rule, src)},
	{"destination", rd_entity, offsetof(struct hf_policy_rule, dst)},
	{"http", rd_http, offsetof(struct hf_policy_rule, http)},
	{"metadata", rd_metadata},
};

static int rd_rule(
	struct hf_rd *rd, const struct hf_yaml *node, struct hf_policy_rule *rule, bool ingress)
{
	static const struct hf_shape shape = HF_SHAPE(rule_fields);
	int rc;

	rule->place = hf_rd_place(rd, node);
	rc = hf_rd_map(rd, node, &shape, rule);
	if (rc < 0)
		return rc;
	if (!hf_rd_get(node, "action"))
		return hf_rd_fail(rd, node, "rule without an 'action'");
	return hf_valid_rule(rd, node, rule, ingress);
}

static int rd_rule_in(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return rd_rule(rd, node, dst, true);
}

static int rd_rule_out(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return rd_rule(rd, node, dst, false);
}

static int read_rules(struct hf_rd *rd, const struct hf_yaml *node,
	int (*read)(struct hf_rd *rd, const struct hf_yaml *node, void *dst), void *dst)
{
	if (node->kind == HF_YAML_SEQ)
		rd->batch->n_rules += node->n;
	if (rd->batch->n_rules > HF_RULES_FILE_MAX)
		return hf_rd_fail_code(
			rd, hf_rd_place(rd, node), -E2BIG, "more than %u rules", HF_RULES_FILE_MAX);
	return hf_rd_list(rd, node, read, sizeof(struct hf_policy_rule), HF_RULES_MAX, dst);
}

int hf_rd_rules_in(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return read_rules(rd, node, rd_rule_in, dst);
}

int hf_rd_rules_out(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return read_rules(rd, node, rd_rule_out, dst);
}
