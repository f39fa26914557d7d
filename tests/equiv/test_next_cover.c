/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Tables that follow each other, where nearly every rule covers others: nets lie within each other,
 * policies move, sets have one net and then several. tests/equiv/test_next.c has whole worlds, in
 * which that is rare.
 */

#include "same.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>

#include <hf_test.h>
#include <hf_test_rand.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS	   6 /* by default: a second */
#define STEPS	   150
#define POLICIES   10
#define RULES	   7
#define SETS	   3
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define PICK(r, a) ((a)[hf_rand_below(r, COUNT(a))])

HF_SUITE(next_cover, .timeout = 3600);

struct host {
	struct hf_rand rand;
	struct hf_policy *policy;
	struct hf_model *model;
	struct hf_rules *rules;
	char *rule[POLICIES][RULES]; /* NULL: none */
	unsigned int order[POLICIES];
	bool there[POLICIES];
	bool loop_guard; /* accepting takes a block of its own for each rule */
};

static const char *const nets[] = {"10.0.0.0/8", "10.0.0.0/9", "10.1.0.0/16", "10.1.1.0/24",
	"10.1.1.7/32", "10.128.0.0/9", "192.0.2.0/24", "192.0.2.128/25", "'fd00::/8'",
	"'fd00:1::/32'"};

__attribute__((format(printf, 2, 3))) static void read_text(struct host *h, const char *fmt, ...)
{
	struct hf_err err = {0};
	char *text;
	va_list ap;

	va_start(ap, fmt);
	cr_assert_geq(vasprintf(&text, fmt, ap), 0);
	va_end(ap);
	cr_assert_eq(hf_policy_read_text(h->policy, "host.yaml", text, strlen(text), &err), 0, "%s",
		err.text);
	free(text);
}

static char *make_side(struct hf_rand *r, bool v6)
{
	char *text = NULL;
	const char *net = PICK(r, nets);
	int rc;

	if (hf_rand_chance(r, 1, 4))
		rc = asprintf(
			&text, "selector: \"s == '%u'\"", (unsigned int)hf_rand_below(r, SETS));
	else if (hf_rand_chance(r, 1, 8))
		rc = asprintf(&text, "notNets: [%s]", v6 ? nets[9] : nets[hf_rand_below(r, 8)]);
	else
		rc = asprintf(&text, "nets: [%s%s]",
			(net[0] == '\'') == v6 ? net : nets[v6 ? 8 : 3],
			!v6 && hf_rand_chance(r, 1, 5) ? ", 192.0.2.0/26" : "");
	cr_assert_geq(rc, 0);
	return text;
}

static char *make_rule(struct hf_rand *r)
{
	static const char *const actions[] = {"Allow", "Allow", "Deny", "Pass", "Log"};
	static const char *const protos[] = {
		"", ", protocol: TCP", ", protocol: TCP", ", protocol: UDP", ", protocol: 47"};
	static const char *const ports[] = {"", "", ", ports: [80]", ", ports: ['1:1024']",
		", ports: [80, 443]", ", notPorts: [80]"};
	unsigned int proto = (unsigned int)hf_rand_below(r, COUNT(protos));
	bool v6 = hf_rand_chance(r, 1, 6), ported = proto > 0 && proto < 4;
	char *side = make_side(r, v6), *text;

	cr_assert_geq(asprintf(&text, "{action: %s%s, %s: {%s%s}}", PICK(r, actions), protos[proto],
			      hf_rand_chance(r, 2, 3) ? "source" : "destination", side,
			      ported ? PICK(r, ports) : ""),
		0);
	free(side);
	return text;
}

static void write_policy(struct host *h, size_t i)
{
	char *text = NULL;
	size_t size, k;
	FILE *f = open_memstream(&text, &size);
	bool any = false;

	cr_assert_not_null(f);
	fprintf(f,
		"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
		"metadata: {name: p%zu}\nspec:\n  tier: %s\n  order: %u\n  selector: all()\n"
		"  types: [Ingress]\n  applyOnForward: %s\n",
		i, i % 3 ? "default" : "first", h->order[i], i % 2 ? "true" : "false");
	for (k = 0; k < RULES; k++) {
		if (!h->rule[i][k])
			continue;
		fprintf(f, "%s    - %s\n", any ? "" : "  ingress:\n", h->rule[i][k]);
		any = true;
	}
	cr_assert_eq(fclose(f), 0);
	read_text(h, "%s", text);
	free(text);
}

static void write_set(struct host *h, size_t i)
{
	unsigned int n = (unsigned int)hf_rand_below(&h->rand, 4);

	read_text(h,
		"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\n"
		"metadata: {name: s%zu, labels: {s: '%zu'}}\nspec: {nets: [%s%s%s%s%s]}\n",
		i, i, n > 0 ? PICK(&h->rand, nets) : "", n > 1 ? ", " : "",
		n > 1 ? PICK(&h->rand, nets) : "", n > 2 ? ", " : "",
		n > 2 ? PICK(&h->rand, nets) : "");
}

static void write_host(struct host *h, bool second)
{
	read_text(h,
		"apiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: n0}\nspec:\n"
		"  interfaces:\n    - {name: eth0, addresses: [192.0.2.10/24]}\n"
		"    - {name: eth1, addresses: [198.51.100.1/24]}\n"
		"---\napiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: first}\n"
		"spec: {order: 1%s}\n"
		"---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: h0}\n"
		"spec: {node: n0, interfaceName: eth0}\n"
		"---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: h1}\n"
		"spec: {node: n0, interfaceName: %s}\n%s",
		hf_rand_chance(&h->rand, 1, 2) ? ", defaultAction: Pass" : "",
		second ? "eth1" : "eth7",
		h->loop_guard ? "---\napiVersion: projectcalico.org/v3\nkind: BGPConfiguration\n"
				"metadata: {name: default}\n"
				"spec: {serviceClusterIPs: [{cidr: 10.96.0.0/16}]}\n"
			      : "");
}

static void change_rules(struct host *h, size_t i)
{
	size_t n = hf_rand_chance(&h->rand, 3, 4) ? 1 : RULES, k;

	while (n-- > 0) {
		k = hf_rand_below(&h->rand, RULES);
		free(h->rule[i][k]);
		h->rule[i][k] = hf_rand_chance(&h->rand, 3, 4) ? make_rule(&h->rand) : NULL;
	}
	h->there[i] = true;
	write_policy(h, i);
}

/* All that is left, into a set of its own: objects go only that way. */
static void read_anew(struct host *h)
{
	struct hf_err err = {0};
	size_t i;

	hf_policy_free(h->policy);
	cr_assert_eq(hf_policy_new(&h->policy, &err), 0, "%s", err.text);
	write_host(h, true);
	for (i = 0; i < SETS; i++)
		write_set(h, i);
	for (i = 0; i < POLICIES; i++) {
		if (h->there[i])
			write_policy(h, i);
	}
}

static void change(struct host *h)
{
	size_t i = hf_rand_below(&h->rand, POLICIES);

	switch (hf_rand_below(&h->rand, 12)) {
	case 0:
		h->there[i] = false;
		read_anew(h);
		break;
	case 1:
		write_host(h, hf_rand_chance(&h->rand, 1, 2));
		break;
	case 2:
	case 3:
		write_set(h, hf_rand_below(&h->rand, SETS));
		break;
	case 4:
		break;
	case 5:
	case 6:
		h->order[i] = (unsigned int)hf_rand_below(&h->rand, POLICIES);
		h->there[i] = true;
		write_policy(h, i);
		break;
	default:
		change_rules(h, i);
	}
}

static void check_next(struct host *h, size_t host, size_t step)
{
	struct hf_model_opts opts = {.node = "n0"};
	struct hf_rules *rules = NULL, *fresh = NULL;
	struct hf_model *model = NULL, *fresh_model = NULL;
	struct hf_err err = {0};
	char where[80];

	(void)snprintf(where, sizeof(where), "HF_SEED=%llu host %zu step %zu",
		(unsigned long long)hf_test_seed(), host, step);
	cr_assert_eq(hf_model_build(h->policy, &opts, &fresh_model, &err), 0, "%s", err.text);
	cr_assert_eq(hf_rules_build(fresh_model, &fresh, &err), 0, "%s", err.text);
	opts.previous = h->model;
	cr_assert_eq(hf_model_build(h->policy, &opts, &model, &err), 0, "%s", err.text);
	cr_assert_eq(hf_rules_follow(model, h->rules, &rules, &err), 0, "%s", err.text);
	hf_assert_same_rules(rules, fresh, where);
	if (h->rules)
		hf_assert_ids_hold(rules, h->rules, where);
	hf_rules_free(h->rules);
	hf_model_free(h->model);
	hf_rules_free(fresh);
	hf_model_free(fresh_model);
	h->rules = rules;
	h->model = model;
}

static void check_host(size_t host)
{
	struct host h = {0};
	size_t i, k;

	hf_rand_init(&h.rand, hf_test_seed(), 1000 + host);
	h.loop_guard = host % 4 == 3;
	for (i = 0; i < POLICIES; i++) {
		h.there[i] = hf_rand_chance(&h.rand, 3, 4);
		h.order[i] = (unsigned int)hf_rand_below(&h.rand, POLICIES);
		for (k = 0; k < RULES; k++)
			h.rule[i][k] = hf_rand_chance(&h.rand, 3, 4) ? make_rule(&h.rand) : NULL;
	}
	read_anew(&h);
	for (i = 0; i < STEPS; i++) {
		check_next(&h, host, i);
		change(&h);
	}
	for (i = 0; i < POLICIES; i++) {
		for (k = 0; k < RULES; k++)
			free(h.rule[i][k]);
	}
	hf_rules_free(h.rules);
	hf_model_free(h.model);
	hf_policy_free(h.policy);
}

Test(next_cover, rules_that_cover_each_other)
{
	const char *text = getenv("HF_SEEDS");
	size_t i, n = text ? strtoul(text, NULL, 10) : HOSTS;

	for (i = 0; i < n; i++)
		check_host(i);
	fprintf(stderr, "# HF_SEED=%llu: %zu hosts\n", (unsigned long long)hf_test_seed(), n);
}
