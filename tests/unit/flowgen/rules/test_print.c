/* SPDX-License-Identifier: BSD-3-Clause */

#include "world.h"

#include <hf_test.h>

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

HF_SUITE(print);

#define WORLD                                                                                      \
	FACTS HEP GNP("deny-3000",                                                                 \
		"selector: all(), types: [Ingress], ingress: ["                                    \
		"{action: Deny, protocol: TCP, source: {nets: [203.0.113.0/24]},"                  \
		" destination: {ports: [3000, '4000:4001']}},"                                     \
		"{action: Log, notProtocol: UDP},"                                                 \
		"{action: Allow, protocol: ICMP, icmp: {type: 8, code: 0}}]")

static char *text_of(const struct hf_rules *rules)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	cr_assert_not_null(f);
	hf_rules_print(rules, f);
	fclose(f);
	return text;
}

Test(print, a_rule_is_one_line_with_its_origin)
{
	static const char *const lines[] = {
		"ipv4 proto tcp dport 3000,4000-4001 src in <set 3> -> deny  # default/gnp:",
		"proto not udp -> log  # default/gnp:deny-3000/ingress/1\n",
		"ipv4 proto icmp icmp type 8 code 0 -> allow  # default/gnp:deny-3000/ingress/2\n",
		"all -> deny  # tier-default:default\n",
		"set 3 '203.0.113.0/24' 203.0.113.0/24\n",
		"interface 1 eth0 uplink\n",
		"dest 192.0.2.10/32 host out host\n",
		"dnat tcp 192.0.2.10:30001 to 10.65.0.2:3000\n",
		"path eth0 to host: block ",
		" 'hep: normal ingress, default'\n",
	};
	struct hf_rules *rules = rules_of(WORLD);
	char *text = text_of(rules);
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_expect(strstr(text, lines[i]), "no '%s' in\n%s", lines[i], text);
	free(text);
	hf_rules_free(rules);
}

Test(print, the_same_policy_gives_the_same_text)
{
	struct hf_rules *a = rules_of(WORLD), *b = rules_of(WORLD);
	char *ta = text_of(a), *tb = text_of(b);

	cr_assert_str_eq(ta, tb);
	free(ta);
	free(tb);
	hf_rules_free(a);
	hf_rules_free(b);
}

static json_t *json_of(const struct hf_rules *rules)
{
	char *text = NULL;
	json_error_t error;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	json_t *root;

	cr_assert_not_null(f);
	cr_assert_eq(hf_rules_print_json(rules, f), 0);
	fclose(f);
	root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(root, "%s", error.text);
	free(text);
	return root;
}

Test(print, json_says_what_the_table_holds)
{
	struct hf_rules *rules = rules_of(WORLD);
	json_t *root = json_of(rules), *block, *rule, *match;
	const struct hf_path *path = hf_rules_find_path(
		rules, (uint16_t)hf_rules_find_iface(rules, "eth0"), HF_CLASS_HOST);
	size_t last = hf_rules_n_blocks(rules), i;
	bool found = false;

	cr_assert_eq(json_integer_value(json_object_get(root, "schema")), 1);
	cr_assert_eq(json_array_size(json_object_get(root, "blocks")), last);
	cr_assert_eq(json_array_size(json_object_get(root, "paths")), hf_rules_n_paths(rules));
	cr_assert_eq(json_array_size(json_object_get(root, "sets")), hf_rules_n_sets(rules));
	cr_assert_eq(
		json_array_size(json_object_get(root, "destinations")), hf_rules_n_dests(rules));
	for (i = path->block; i < last; i++) {
		block = json_array_get(json_object_get(root, "blocks"), i);
		rule = json_array_get(json_object_get(block, "rules"), 0);
		match = json_object_get(rule, "match");
		if (strcmp(json_string_value(json_object_get(rule, "origin")),
			    "default/gnp:deny-3000/ingress/0") != 0)
			continue;
		found = true;
		cr_assert_str_eq(json_string_value(json_object_get(rule, "verdict")), "deny");
		cr_assert_eq(json_integer_value(json_object_get(match, "family")), 4);
		cr_assert_eq(
			json_integer_value(json_array_get(json_object_get(match, "protocols"), 0)),
			HF_PROTO_TCP);
		cr_assert_eq(json_array_size(json_object_get(
				     json_array_get(json_object_get(match, "ports"), 0), "ranges")),
			2);
	}
	cr_assert(found);
	json_decref(root);
	hf_rules_free(rules);
}
