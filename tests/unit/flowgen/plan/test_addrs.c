/* SPDX-License-Identifier: BSD-3-Clause */

/* Address sets as codes in a tag. */

#include "plan/build.h"
#include "plan/addr_parts.h"

#include "host.h"

#include <hepflow/classes.h>
#include <hepflow/diff.h>

#include <hf_test.h>
#include <hf_test_rand.h>

#include <stdlib.h>
#include <string.h>

HF_SUITE(addrs);

/* Nets inside of nets, in several sets, of both families. */
#define SETS                                                                                       \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkSet\n"                                                                 \
	"metadata: {name: a, labels: {s: a}}\n"                                                    \
	"spec: {nets: [198.51.100.0/24, 203.0.113.7/32, 203.0.113.9/32, '2001:db8:a::/48']}\n"     \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkSet\n"                                                                 \
	"metadata: {name: b, labels: {s: b}}\n"                                                    \
	"spec: {nets: [198.51.100.128/25, 203.0.113.7/32, 10.0.0.0/8, '2001:db8:a:1::/64',\n"      \
	"  192.0.2.0/28]}\n"                                                                       \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkSet\n"                                                                 \
	"metadata: {name: c, labels: {s: c}}\n"                                                    \
	"spec: {nets: [10.1.0.0/16, 198.51.100.192/26, 192.0.2.8/29, 203.0.113.0/30%s]}\n"

#define POLICY                                                                                     \
	"---\n"                                                                                    \
	"apiVersion: projectcalico.org/v3\n"                                                       \
	"kind: GlobalNetworkPolicy\n"                                                              \
	"metadata: {name: p}\n"                                                                    \
	"spec:\n"                                                                                  \
	"  selector: has(host)\n"                                                                  \
	"  doNotTrack: true\n"                                                                     \
	"  applyOnForward: true\n"                                                                 \
	"  types: [Ingress]\n"                                                                     \
	"  ingress:\n"                                                                             \
	"    - {action: Deny, protocol: TCP, source: {selector: s == 'a'}, destination: {ports: "  \
	"[1]}}\n"                                                                                  \
	"    - {action: Allow, protocol: TCP, source: {selector: s == 'a'}, destination: {ports: " \
	"['1:2']}}\n"                                                                              \
	"    - {action: Deny, protocol: TCP, source: {selector: s == 'b'}, destination: {ports: "  \
	"['1:3']}}\n"                                                                              \
	"    - {action: Allow, protocol: TCP, source: {notSelector: s == 'c'}, destination: "      \
	"{ports: ['1:4']}}\n"                                                                      \
	"    - {action: Deny, protocol: TCP, source: {selector: s == 'c', nets: [10.0.0.0/8]},\n"  \
	"       destination: {selector: s == 'b', ports: ['1:5']}}\n"                              \
	"    - {action: Deny, source: {selector: s == 'c'}, destination: {selector: s == 'c'}}\n"  \
	"    - {action: Allow}\n"

static char *text_of(const char *more)
{
	char *text;

	cr_assert_gt(asprintf(&text, SETS POLICY, more), 0);
	return text;
}

static struct hf_plan *build(const struct hf_host *h, uint32_t from, const struct hf_plan *previous)
{
	struct hf_plan_opts opts = {.classify_from = from, .previous = previous};
	struct hf_plan *plan;

	cr_assert_eq(hf_plan_build(h->rules, h->nic, &opts, &plan, NULL), 0);
	return plan;
}

static size_t find_table(const struct hf_plan *plan, const char *name)
{
	size_t i;

	for (i = 0; i < hf_plan_n_tables(plan); i++) {
		if (strcmp(hf_plan_table(plan, i)->name, name) == 0)
			return i;
	}
	return SIZE_MAX;
}

static const char *const places[] = {"198.51.100.1", "198.51.100.129", "198.51.100.200",
	"203.0.113.7", "203.0.113.9", "203.0.113.1", "10.0.0.1", "10.1.2.3", "192.0.2.10",
	"192.0.2.2", "8.8.8.8"};
static const char *const places6[] = {
	"2001:db8:a::1", "2001:db8:a:1::1", "2001:db8:b::1", "2001:db8::10"};

static size_t compare(
	const struct hf_plan *a, const struct hf_plan *b, const char *const *at, size_t n)
{
	size_t s, d, k, differ = 0;

	for (s = 0; s < n; s++) {
		for (d = 0; d < n; d++) {
			for (k = 0; k < 7; k++) {
				struct hf_packet pkt;
				enum hf_fate fate;
				char line[160];

				(void)snprintf(line, sizeof(line),
					"in=eth0 src=%s dst=%s proto=tcp dport=%zu flags=A", at[s],
					at[d], k);
				cr_assert_eq(hf_packet_parse(line, &pkt, NULL), 0, "%s", line);
				fate = hf_plan_judge(a, &pkt, NULL);
				cr_expect_eq(fate, hf_plan_judge(b, &pkt, NULL), "%s", line);
				differ += fate != HF_FATE_ALLOW_UNTRACKED;
			}
		}
	}
	return differ;
}

Test(addrs, tags_decide_as_nets_do_with_fewer_entries)
{
	char *text = text_of("");
	struct hf_plan *tags, *nets;
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx6dx", 0, text);
	tags = build(&h, 1, NULL);
	nets = build(&h, UINT32_MAX, NULL);
	cr_assert_neq(find_table(tags, "sources"), SIZE_MAX);
	cr_assert_neq(find_table(tags, "destinations"), SIZE_MAX);
	cr_assert_eq(find_table(nets, "sources"), SIZE_MAX);
	cr_expect_lt(hf_plan_n_entries(tags), hf_plan_n_entries(nets));
	cr_expect_gt(compare(tags, nets, places, sizeof(places) / sizeof(places[0])), 100);
	(void)compare(tags, nets, places6, sizeof(places6) / sizeof(places6[0]));
	hf_plan_free(tags);
	hf_plan_free(nets);
	hf_host_fini(&h);
	free(text);
}

/* What changes is the entry of that net; no rule's. */
Test(addrs, a_member_more_is_one_entry_of_the_table)
{
	char *text = text_of(""), *more = text_of(", 203.0.113.64/32");
	struct hf_host before, after;
	struct hf_plan *one, *two;
	struct hf_diff *d;
	size_t i, n = 0;

	hf_host_init(&before, "mlx5-cx6dx", 0, text);
	hf_host_init(&after, "mlx5-cx6dx", 0, more);
	one = build(&before, 1, NULL);
	two = build(&after, 1, one);
	cr_assert_eq(hf_diff_build(one, two, NULL, &d, NULL), 0);
	for (i = 0; i < hf_diff_n_ops(d); i++) {
		const struct hf_diff_op *op = hf_diff_op(d, i);
		const char *name = hf_plan_table(op->plan, op->entry.table)->name;

		cr_expect(strcmp(name, "sources") == 0 || strcmp(name, "destinations") == 0);
		n += op->kind == HF_DIFF_ADD || op->kind == HF_DIFF_DELETE;
	}
	cr_expect_eq(n, 2, "%zu", n); /* for either side */
	for (i = 0; i < 2; i++) {
		cr_expect(one->addrs[i] && hf_addr_maps_alike(one->addrs[i], two->addrs[i]));
		cr_expect(!hf_addr_maps_alike(one->addrs[i], two->addrs[!i]));
	}
	hf_diff_free(d);
	hf_plan_free(one);
	hf_plan_free(two);
	hf_host_fini(&before);
	hf_host_fini(&after);
	free(text);
	free(more);
}

/* Sets i with i % 7 common members, and one of its own. */
static char *many_sets(size_t n, size_t members)
{
	char *text = NULL;
	size_t size, i, k;
	FILE *f = open_memstream(&text, &size);

	cr_assert_not_null(f);
	for (i = 0; i < n; i++) {
		fprintf(f,
			"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\n"
			"metadata: {name: s%zu, labels: {s: s%zu}}\nspec: {nets: [10.9.%zu.1/32",
			i, i, i);
		for (k = 0; k < i % 7 && k < members; k++)
			fprintf(f, ", 10.8.%zu.0/24", k);
		for (k = 0; k < members; k++)
			fprintf(f, ", 10.7.%zu.%zu/32", i, k);
		fputs("]}\n", f);
	}
	fputs("---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
	      "metadata: {name: p}\nspec: {selector: has(host), types: [Ingress], ingress: [",
		f);
	for (i = 0; i < 3 * n; i++)
		fprintf(f,
			"{action: %s, protocol: TCP, source: {selector: s == 's%zu'}, "
			"destination: {ports: [%zu]}}, ",
			i % 2 ? "Allow" : "Deny", i % n, 1 + i);
	fputs("]}\n", f);
	fclose(f);
	return text;
}

/* Nothing behind the table changes, so each operation by itself is all or nothing. */
Test(addrs, where_one_table_changes_nothing_is_covered)
{
	struct hf_host before, after;
	struct hf_plan *one, *two;
	char *text = many_sets(20, 8);
	struct hf_diff *d;
	char *at;
	size_t i;

	hf_host_init(&before, "mlx5-cx6dx", 0, text);
	at = strstr(text, "10.7.3.2/32");
	cr_assert_not_null(at);
	at[3] = '6'; /* another address in its place */
	hf_host_init(&after, "mlx5-cx6dx", 0, text);
	one = build(&before, 1, NULL);
	two = build(&after, 1, one);
	cr_assert_eq(hf_diff_build(one, two, NULL, &d, NULL), 0);
	cr_expect_eq(hf_diff_n_ops(d), 2);
	for (i = 0; i < hf_diff_n_ops(d); i++) {
		const struct hf_diff_op *op = hf_diff_op(d, i);

		cr_expect_eq(op->kind, i ? HF_DIFF_DELETE : HF_DIFF_ADD);
		cr_expect_eq(op->entry.table, find_table(op->plan, "sources"));
	}
	hf_diff_free(d);
	hf_plan_free(one);
	hf_plan_free(two);
	hf_host_fini(&before);
	hf_host_fini(&after);
	free(text);
}

/* Too many sets for a bit each: then classes have numbers, which they keep. */
Test(addrs, classes_have_numbers_and_keep_them)
{
	char *text = many_sets(20, 8), *more = many_sets(21, 8);
	struct hf_host before, after;
	struct hf_plan *one, *two, *nets;
	size_t i, k, table, same = 0, all = 0;

	hf_host_init(&before, "mlx5-cx6dx", 0, text);
	hf_host_init(&after, "mlx5-cx6dx", 0, more);
	one = build(&before, 1, NULL);
	nets = build(&before, UINT32_MAX, NULL);
	two = build(&after, 1, one);
	table = find_table(one, "sources");
	cr_assert_neq(table, SIZE_MAX);
	cr_expect_lt(hf_plan_n_entries(one), hf_plan_n_entries(nets));
	for (i = 0; i < 20; i++) {
		for (k = 0; k < 9; k++) {
			struct hf_packet pkt;
			char line[160];

			(void)snprintf(line, sizeof(line),
				"in=eth0 src=10.%zu.%zu.%zu dst=192.0.2.10 proto=tcp dport=%zu",
				7 + i % 3, i % 3 == 1 ? k : i, k, 1 + i + 20 * (k % 3));
			cr_assert_eq(hf_packet_parse(line, &pkt, NULL), 0, "%s", line);
			cr_expect_eq(hf_plan_judge(one, &pkt, NULL),
				hf_plan_judge(nets, &pkt, NULL), "%s", line);
		}
	}
	for (i = 0; i < hf_plan_n_entries(one); i++) {
		const struct hf_entry *e = hf_plan_entry(one, i);

		if (e->table != table)
			continue;
		all++;
		for (k = 0; k < hf_plan_n_entries(two); k++) {
			const struct hf_entry *o = hf_plan_entry(two, k);

			same += o->table == table && o->tag == e->tag &&
				memcmp(&o->match, &e->match, sizeof(e->match)) == 0;
		}
	}
	/* The one set more has common members: these addresses are of another class now. */
	cr_expect_geq(same + 6, all, "%zu of %zu", same, all);
	hf_plan_free(one);
	hf_plan_free(two);
	hf_plan_free(nets);
	hf_host_fini(&before);
	hf_host_fini(&after);
	free(text);
	free(more);
}

Test(addrs, a_table_that_saves_little_is_not_there)
{
	char *text = text_of("");
	struct hf_plan *plan;
	struct hf_host h;

	hf_host_init(&h, "mlx5-cx5-noregc", 0, text); /* no tags at all */
	plan = build(&h, 1, NULL);
	cr_expect_eq(find_table(plan, "sources"), SIZE_MAX);
	hf_plan_free(plan);
	hf_host_fini(&h);
	hf_host_init(&h, "mlx5-cx6dx", 0,
		"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
		"metadata: {name: p}\nspec: {selector: has(host), types: [Ingress], ingress: [\n"
		"{action: Allow, source: {nets: [10.0.0.1/32, 10.0.0.3/32]}}]}\n");
	plan = build(&h, 0, NULL);
	cr_expect_eq(find_table(plan, "sources"), SIZE_MAX);
	hf_plan_free(plan);
	hf_host_fini(&h);
	free(text);
}

/* The same partition as that which is kept up to date one member at a time. */
Test(addrs, parts_are_the_classes)
{
	char *text = many_sets(20, 8), *nested = text_of("");
	const char *const texts[] = {text, nested};
	size_t t, i, k;

	for (t = 0; t < 2; t++) {
		struct hf_classes *classes;
		struct addr_parts parts;
		struct hf_host h;
		bool *all;

		hf_host_init(&h, "none", 0, texts[t]);
		all = malloc(hf_rules_n_sets(h.rules) + 1);
		cr_assert_not_null(all);
		memset(all, true, hf_rules_n_sets(h.rules) + 1);
		cr_assert_eq(hf_classes_build(h.rules, all, &classes, NULL), 0);
		cr_assert_eq(hf_addr_parts_build(h.rules, all, &parts), 0);
		cr_assert_gt(parts.n_nets, 9);
		for (i = 0; i < parts.n_nets; i++) {
			const struct addr_class *c = &parts.classes[parts.nets[i].class];
			size_t n;
			const uint32_t *sets = hf_classes_sets(
				classes, hf_classes_find(classes, &parts.nets[i].net.addr), &n);

			if (i + 1 < parts.n_nets &&
				hf_addr_equal(&parts.nets[i].net.addr, &parts.nets[i + 1].net.addr))
				continue; /* the first address is that of a net inside */
			cr_assert_eq(n, c->n, "net %zu", i);
			for (k = 0; k < n; k++)
				cr_assert_eq(sets[k], parts.sets[c->first + k], "net %zu", i);
		}
		hf_addr_parts_fini(&parts);
		hf_classes_free(classes);
		free(all);
		hf_host_fini(&h);
	}
	free(text);
	free(nested);
}
