/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * flowgen check: the proof, uplink by uplink, that what the NIC decides is what policy says, or a
 * packet that shows the contrary.
 */

#include "cli.h"

#include <hepflow/check.h>
#include <hepflow/err.h>
#include <hepflow/facts.h>
#include <hepflow/nic.h>
#include <hepflow/plan.h>
#include <hepflow/rules.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 512 /* longer than any packet line with every key, and most patterns */

static void print_entry(const struct hf_plan *plan, size_t i)
{
	const struct hf_entry *e = hf_plan_entry(plan, i);
	const struct hf_table *t = hf_plan_table(plan, e->table);
	char text[LINE_SIZE];

	(void)hf_pattern_print(&e->match, text, sizeof(text));
	printf("entry %zu of %s, table %u \"%s\" priority %u: %s -> %s", i, hf_plan_iface(plan),
		t->group, t->name, e->priority, text, hf_fate_name(e->fate));
}

static void print_wrong(const struct hf_plan *plan, const struct hf_check_wrong *w)
{
	char text[LINE_SIZE];

	(void)hf_packet_print(&w->pkt, text, sizeof(text)); /* fits */
	printf("packet: %s\n", text);
	if (w->has_ext)
		printf("  with IPv6 extension header %u in front\n", w->extension);
	if (w->answer)
		puts("  which answers what the NIC has delivered: software knows no connection");
	if (w->foreign_tag)
		printf("policy: belongs to a VLAN interface of %s\n", hf_plan_iface(plan));
	else
		printf("policy: %s\n", hf_verdict_name(w->verdict));
	if (w->entry == SIZE_MAX) {
		puts("hardware: dropped, no entry of its table matches");
		return;
	}
	printf("hardware: %s by ", hf_fate_name(w->fate));
	print_entry(plan, w->entry);
	puts("");
}

static void print_shares(const struct hf_check *c)
{
	static const char *const families[] = {"IPv4", "IPv6"};
	static const enum hf_class classes[] = {HF_CLASS_HOST, HF_CLASS_WORKLOAD, HF_CLASS_REMOTE};
	size_t f;
	unsigned int k;

	puts("  left to software, packets that nothing in policy and plan tells apart counting as "
	     "one;"
	     "\n  and what of all is left although policy has one verdict whatever the "
	     "connection's state:");
	for (f = 0; f < 2; f++) {
		for (k = 0; k < sizeof(classes) / sizeof(classes[0]); k++) {
			const struct hf_check_share *share = &c->family[f].share[classes[k]];

			if (!share->any)
				continue;
			printf("    %s to %-8s  %5.1f %%  %5.1f %%\n", families[f],
				hf_class_name(classes[k]), 100 * share->punted,
				100 * share->decidable);
		}
	}
}

/* Of packets that no entry matches, the plan's account of what decides about them says why. */
static const char *why_left(const struct cli_built *built, const struct hf_plan *plan,
	const struct hf_check_left *left, char buf[static 64])
{
	struct hf_key key;
	const char *origin;
	size_t i;

	if (left->reason)
		return hf_reason_print(left->reason, HF_F_MAX_, buf);
	if (hf_rules_sort(built->rules, &left->pkt, &key, NULL) < 0)
		return "no entry";
	origin = hf_rules_origin(built->rules, hf_rules_lookup(built->rules, &key).origin);
	for (i = 0; i < hf_plan_n_accounts(plan); i++) {
		const struct hf_account *a = hf_plan_account(plan, i);

		if (a->reason && strcmp(hf_plan_origin(plan, a->origin), origin) == 0)
			return hf_reason_print(a->reason, a->detail, buf);
	}
	return "no entry";
}

static void print_left(
	const struct cli_built *built, const struct hf_plan *plan, const struct hf_check *c)
{
	size_t n = 0, f, i;
	char text[LINE_SIZE], reason[64];

	for (f = 0; f < 2; f++) {
		for (i = 0; i < c->family[f].n_left; i++) {
			const struct hf_check_left *l = &c->family[f].left[i];

			if (n++ == 0)
				puts("  left although this NIC could decide: share of the class' "
				     "packets; why; one of them");
			(void)hf_packet_print(&l->pkt, text, sizeof(text)); /* fits */
			printf("    %s to %-8s  %5.1f %%  %s  (%s)\n", f ? "IPv6" : "IPv4",
				hf_class_name(l->class), 100 * l->share,
				why_left(built, plan, l, reason), text);
		}
	}
	if (n == 0)
		puts("  maximal: nothing is left that this NIC could decide");
}

static void print_unreached(const struct hf_plan *plan, const struct hf_check *c)
{
	size_t i;

	for (i = 0; i < c->n_entries; i++) {
		if (c->reached[i])
			continue;
		printf("  never met: ");
		print_entry(plan, i);
		puts("");
	}
}

/* Returns an exit code. */
static int print_check(
	const struct cli_built *built, const struct hf_plan *plan, const struct hf_check *c)
{
	printf("%s on %s: ", hf_plan_iface(plan), hf_plan_nic(plan));
	switch (c->answer) {
	case HF_CHECK_PROVEN:
		printf("proven, %zu entries\n", c->n_entries);
		print_shares(c);
		print_left(built, plan, c);
		print_unreached(plan, c);
		return CLI_OK;
	case HF_CHECK_REFUTED:
		puts("WRONG");
		print_wrong(plan, &c->wrong);
		return CLI_FAILED;
	case HF_CHECK_UNDECIDED:
		break;
	}
	printf("undecided: %s\n", hf_check_limit_name(c->limit));
	return CLI_FAILED;
}

static int check_plan(const struct cli_built *built, const struct hf_plan *plan)
{
	size_t n = hf_plan_n_entries(plan);
	struct hf_entry *entries = hf_plan_copy_entries(plan);
	struct hf_check_view view = {.nic = built->nic,
		.iface = hf_plan_iface(plan),
		.n_tables = hf_plan_n_tables(plan),
		.n_entries = n,
		.entries = entries,
		.drops_only = hf_plan_fallback(plan) == HF_FALLBACK_KERNEL,
		.eswitch = *hf_plan_eswitch(plan)};
	struct hf_check_opts opts = {0};
	struct hf_check check;
	struct hf_err err = {0};
	int rc;

	if (!entries)
		return cli_fail(-ENOMEM, &err);
	rc = hf_check_plan(built->model, &view, &opts, &check, &err);
	free(entries);
	if (rc == -EPROTO) {
		fprintf(stderr, "flowgen: %s\n", err.text);
		return CLI_FAILED;
	}
	if (rc < 0)
		return cli_fail(rc, &err);
	rc = print_check(built, plan, &check);
	hf_check_fini(&check);
	return rc;
}

/* Rules of policy that several in front of them cover together; one alone, and the rule is gone. */
static void print_unmet(const struct hf_rules *rules, const char *iface, const uint8_t *meets)
{
	size_t i;

	for (i = 0; i < hf_rules_n_origins(rules); i++) {
		if (meets[i] == HF_CHECK_UNMET && hf_rules_place(rules, i)[0])
			printf("  never met by what arrives by %s: %s  # %s\n", iface,
				hf_rules_origin(rules, i), hf_rules_place(rules, i));
	}
}

static int print_rules(const struct cli_built *built, const char *iface,
	const struct hf_check_rules *check, const uint8_t *meets)
{
	char text[LINE_SIZE];

	printf("%s by the rules: ", iface);
	switch (check->answer) {
	case HF_CHECK_PROVEN:
		puts("proven");
		print_unmet(built->rules, iface, meets);
		return CLI_OK;
	case HF_CHECK_REFUTED:
		(void)hf_packet_print(&check->pkt, text, sizeof(text)); /* fits */
		printf("WRONG\npacket: %s\npolicy: %s\nrules: %s\n", text,
			hf_verdict_name(check->policy), hf_verdict_name(check->rules));
		return CLI_FAILED;
	case HF_CHECK_UNDECIDED:
		break;
	}
	printf("undecided: %s\n", hf_check_limit_name(check->limit));
	return CLI_FAILED;
}

/* Without this what software decides would not be proven. */
static int check_rules(const struct cli_built *built, const char *iface)
{
	struct hf_check_opts opts = {
		.meets = calloc(hf_rules_n_origins(built->rules) + 1, sizeof(*opts.meets))};
	struct hf_check_rules check;
	struct hf_err err = {0};
	int rc;

	if (!opts.meets)
		return cli_fail(-ENOMEM, &err);
	rc = hf_check_rules(built->model, built->rules, iface, &opts, &check, &err);
	if (rc == -EPROTO) {
		fprintf(stderr, "flowgen: %s\n", err.text);
		rc = CLI_FAILED;
	} else if (rc < 0) {
		rc = cli_fail(rc, &err);
	} else {
		rc = print_rules(built, iface, &check, opts.meets);
	}
	free(opts.meets);
	return rc;
}

/* Both proofs; the worse exit code. */
static int check_both(const struct cli_built *built, const struct hf_plan *plan)
{
	int rules = check_rules(built, hf_plan_iface(plan));
	int hardware = rules == CLI_USAGE ? rules : check_plan(built, plan);

	return rules > hardware ? rules : hardware;
}

static int check_uplink(const struct cli_built *built, const char *iface)
{
	struct hf_plan_opts opts = built->plan_opts;
	struct hf_plan *plan;
	struct hf_err err = {0};
	int rc;

	opts.iface = iface;
	rc = hf_plan_build(built->rules, built->nic, &opts, &plan, &err);
	if (rc < 0)
		return cli_fail(rc, &err);
	rc = check_both(built, plan);
	hf_plan_free(plan);
	return rc;
}

/* Every uplink, the worst exit code of all. */
static int check_uplinks(const struct cli_built *built)
{
	int worst = CLI_OK, rc;
	size_t i;

	for (i = 1; i < hf_rules_n_ifaces(built->rules); i++) {
		const struct hf_iface *iface = hf_rules_iface(built->rules, i);

		if (iface->from != HF_FROM_UPLINK || strcmp(iface->name, "lo") == 0)
			continue;
		rc = check_uplink(built, iface->name);
		worst = rc > worst ? rc : worst;
	}
	return worst;
}

int cli_check(const struct cli *cli)
{
	static const char *const formats[] = {"text"};
	struct cli_built built;
	int rc, out;

	if (cli_format(cli, formats, 1) < 0)
		return CLI_USAGE;
	rc = cli_build(cli, cli->args, cli->n_args, CLI_PLAN, cli->iface, &built);
	if (rc != CLI_OK)
		return rc;
	rc = cli->iface ? check_both(&built, built.plan) : check_uplinks(&built);
	cli_built_fini(&built);
	out = cli_finish();
	return rc != CLI_OK ? rc : out;
}
