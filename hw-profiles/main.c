/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * hw-profile: what NIC profiles there are, what is in them, and which rules they take.
 * docs/man/hw-profile.1
 */

#include "cmd.h"

#include <hepflow/base/opts.h>

#include <hepflow/err.h>
#include <hepflow/nic.h>
#include <hepflow/profile.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL 320 /* text of one column of the table: the names of all engines fit */

static const struct hf_opt table[] = {
	{'f', "format", "text|json", "how to print", offsetof(struct cmd_options, format)},
	{'r', "rules", "FILE|-", "rules to try, one a line; default: standard input",
		offsetof(struct cmd_options, rules)},
	{'p', "profile", "NAME", "what to probe against; default: the port's own",
		offsetof(struct cmd_options, profile)},
	{0, "sysfs", "DIR", "where to look for cards; default: /sys",
		offsetof(struct cmd_options, sysfs)},
	{0, "verbs", "FILE", "verbs devices, one a line, instead of asking libibverbs",
		offsetof(struct cmd_options, verbs)},
	{'h', "help", NULL, "print this", offsetof(struct cmd_options, help)},
	{'V', "version", NULL, "print the version", offsetof(struct cmd_options, version)},
};

#define N_OPTIONS (sizeof(table) / sizeof(*table))

int cmd_fail(const struct hf_err *err)
{
	fprintf(stderr, "hw-profile: %s\n", err->text);
	return err->code == -ENOENT ? CMD_NOT_FOUND : CMD_USAGE;
}

static void usage(FILE *out)
{
	fputs("usage: hw-profile [OPTIONS] list\n"
	      "       hw-profile [OPTIONS] show NAME|FILE\n"
	      "       hw-profile [OPTIONS] check FILE...\n"
	      "       hw-profile [OPTIONS] detect\n"
	      "       hw-profile [OPTIONS] match PCIADDR|DEVARGS\n"
	      "       hw-profile [--rules FILE|-] try NAME|FILE\n"
	      "       hw-profile [--profile NAME|FILE] probe DEVARGS\n"
	      "       hw-profile learn DEVARGS >FILE\n\n",
		out);
	hf_opts_print(table, N_OPTIONS, out);
}

int cmd_usage(void)
{
	usage(stderr);
	return CMD_USAGE;
}

/* Greatest number of usable priorities in any group; 1 where there is no order. */
static uint32_t priorities(const struct hf_nic *nic)
{
	uint32_t most = 0;
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		const struct hf_engine *e = &nic->engine[i];
		uint32_t n = e->prios_root - e->prio_first;

		n = e->prios > n ? e->prios : n;
		most = n > most ? n : most;
	}
	return most;
}

static uint32_t groups(const struct hf_nic *nic)
{
	uint32_t most = 0;
	size_t i;

	for (i = 0; i < nic->n_engines; i++)
		most = nic->engine[i].groups > most ? nic->engine[i].groups : most;
	return most;
}

static bool can(const struct hf_nic *nic, enum hf_act act)
{
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		if (nic->engine[i].actions & HF_ACT_BIT(act))
			return true;
	}
	return false;
}

/* Names of the bits of a set, with a separator. */
static void print_set(uint32_t set, unsigned int max, bool layers, const char *sep)
{
	const char *with = "";
	unsigned int i;

	for (i = 0; i < max; i++) {
		if (!(set >> i & 1u))
			continue;
		printf("%s%s", with,
			layers ? hf_layer_name((enum hf_layer)i) : hf_act_name((enum hf_act)i));
		with = sep;
	}
}

static json_t *set_json(uint32_t set)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < HF_ACT_MAX_; i++) {
		if (set >> i & 1u)
			json_array_append_new(list, json_string(hf_act_name((enum hf_act)i)));
	}
	return list;
}

static json_t *seqs_json(const struct hf_nic_seq *seqs, size_t n)
{
	json_t *lists = json_array();
	size_t i;
	size_t k;

	for (i = 0; i < n; i++) {
		json_t *list = json_array();

		for (k = 0; k < seqs[i].n; k++)
			json_array_append_new(
				list, json_string(hf_layer_name((enum hf_layer)seqs[i].v[k])));
		json_array_append_new(lists, list);
	}
	return lists;
}

static json_t *items_json(const struct hf_engine *e)
{
	json_t *list = json_array();
	unsigned int l;

	for (l = 0; l < HF_LAYER_MAX_; l++) {
		if (e->layers & HF_LAYER_BIT(l))
			json_array_append_new(list, json_string(hf_layer_name((enum hf_layer)l)));
	}
	return list;
}

/* Of rules that it is asked for; empty: all of the NIC's. */
static json_t *directions_json(const struct hf_engine *e)
{
	json_t *list = json_array();

	if (e->directions & HF_DIR_INGRESS)
		json_array_append_new(list, json_string("ingress"));
	if (e->directions & HF_DIR_EGRESS)
		json_array_append_new(list, json_string("egress"));
	if (e->directions & HF_DIR_TRANSFER)
		json_array_append_new(list, json_string("transfer"));
	return list;
}

static json_t *engine_json(const struct hf_engine *e)
{
	json_t *fields = json_object();
	unsigned int f;

	for (f = 0; f < HF_F_MAX_; f++) {
		if (e->field[f] != HF_MASK_NONE)
			json_object_set_new(fields, hf_field_info((enum hf_field)f)->name,
				json_string(hf_mask_kind_name((enum hf_mask_kind)e->field[f])));
	}
	return json_pack("{s:s, s:o, s:I, s:b, s:I, s:I, s:I, s:s, s:s, s:b, s:b, s:b, s:o, s:o, "
			 "s:o, s:o, s:o, s:I, s:I, s:I}",
		"name", e->name, "directions", directions_json(e), "groups", (json_int_t)e->groups,
		"groups_ignored", e->group_ignored, "priorities_first", (json_int_t)e->prio_first,
		"priorities_root", (json_int_t)(e->prios_root - e->prio_first), "priorities_others",
		(json_int_t)e->prios, "order", hf_prio_order_name(e->order), "shape",
		hf_shape_rule_name(e->shape), "type_scope", e->type_scope, "depth_rank",
		e->depth_rank, "range_ignored", e->range_ignored, "items", items_json(e),
		"patterns", seqs_json(e->patterns, e->n_patterns), "fields", fields, "actions",
		set_json(e->actions), "drop_with", set_json(e->drop_with), "mark_max",
		(json_int_t)e->mark_max, "capacity", (json_int_t)e->capacity, "masks",
		(json_int_t)e->masks);
}

static json_t *nic_json(const struct hf_nic *nic)
{
	json_t *aliases = json_array();
	json_t *pci = json_array();
	json_t *firmware = json_array();
	json_t *engines = json_array();
	char id[16];
	size_t i;

	for (i = 0; i < nic->n_aliases; i++)
		json_array_append_new(aliases, json_string(nic->aliases[i]));
	for (i = 0; i < nic->n_pci; i++) {
		(void)snprintf(id, sizeof(id), "%04x:%04x", nic->pci[i].vendor, nic->pci[i].device);
		json_array_append_new(pci, json_string(id));
	}
	for (i = 0; i < nic->n_firmware; i++)
		json_array_append_new(firmware, json_integer(nic->firmware[i]));
	for (i = 0; i < nic->n_engines; i++)
		json_array_append_new(engines, engine_json(&nic->engine[i]));
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, "
		"s:b, s:b, s:o}",
		"name", nic->name, "chips", nic->chips, "driver", nic->driver, "devargs",
		nic->devargs, "aliases", aliases, "pci", pci, "firmware", firmware, "ingress",
		nic->ingress, "egress", nic->egress, "transfer", nic->transfer,
		"fragments_match_l4", nic->fragments_match_l4, "extensions_match_l4",
		nic->ext_match_l4, "flush_on_stop", nic->flush_on_stop, "bifurcated",
		nic->bifurcated, "isolate", nic->isolate, "async", nic->async, "async_only",
		nic->async_only, "engines", engines);
}

static int print_json(struct hf_nic *const *nics, size_t n)
{
	json_t *list = json_array();
	json_t *root;
	size_t i;
	int rc;

	for (i = 0; i < n; i++)
		json_array_append_new(list, nic_json(nics[i]));
	root = json_pack("{s:i, s:o}", "schema", 1, "profiles", list);
	rc = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
	json_decref(root);
	if (rc < 0) {
		fprintf(stderr, "hw-profile: out of memory\n");
		return CMD_USAGE;
	}
	putchar('\n');
	return 0;
}

static void list_pci(const struct hf_nic *nic, char ret[CELL])
{
	if (nic->n_pci == 0)
		(void)snprintf(ret, CELL, "-");
	else if (nic->n_pci == 1)
		(void)snprintf(ret, CELL, "%04x:%04x", nic->pci[0].vendor, nic->pci[0].device);
	else
		(void)snprintf(ret, CELL, "%04x:%04x +%zu", nic->pci[0].vendor, nic->pci[0].device,
			nic->n_pci - 1);
}

static void list_tables(const struct hf_nic *nic, char ret[CELL])
{
	size_t used = 0;
	size_t i;

	(void)snprintf(ret, CELL, "-");
	for (i = 0; i < nic->n_engines && used < CELL; i++)
		used += (size_t)snprintf(
			ret + used, CELL - used, "%s%s", i ? "," : "", nic->engine[i].name);
}

static void list_number(uint32_t v, char ret[CELL])
{
	if (v > 1)
		(void)snprintf(ret, CELL, "%u", v);
	else
		(void)snprintf(ret, CELL, "-");
}

/* No driver of DPDK 22.11 matches a range of ports; the column is there for those that will. */
static const char *const heads[] = {
	"NAME", "CHIPS", "PCI", "TABLES", "PRIORITIES", "GROUPS", "RANGES", "COUNTERS"};

#define N_HEADS (sizeof(heads) / sizeof(*heads))

static void list_row(const struct hf_nic *nic, char ret[N_HEADS][CELL])
{
	(void)snprintf(ret[0], CELL, "%s", nic->name);
	(void)snprintf(ret[1], CELL, "%s", nic->chips);
	list_pci(nic, ret[2]);
	list_tables(nic, ret[3]);
	list_number(priorities(nic), ret[4]);
	list_number(groups(nic), ret[5]);
	(void)snprintf(ret[6], CELL, "-");
	(void)snprintf(ret[7], CELL, "%s", can(nic, HF_ACT_COUNT) ? "yes" : "-");
}

static int print_table(struct hf_nic *const *nics, size_t n)
{
	char(*cell)[N_HEADS][CELL] = calloc(n + 1, sizeof(*cell));
	size_t width[N_HEADS] = {0};
	size_t i;
	size_t c;

	if (!cell) {
		fprintf(stderr, "hw-profile: out of memory\n");
		return CMD_USAGE;
	}
	for (c = 0; c < N_HEADS; c++)
		(void)snprintf(cell[0][c], CELL, "%s", heads[c]);
	for (i = 0; i < n; i++)
		list_row(nics[i], cell[i + 1]);
	for (i = 0; i <= n; i++) {
		for (c = 0; c < N_HEADS; c++) {
			size_t len = strlen(cell[i][c]);

			width[c] = len > width[c] ? len : width[c];
		}
	}
	for (i = 0; i <= n; i++) {
		for (c = 0; c + 1 < N_HEADS; c++)
			printf("%-*s  ", (int)width[c], cell[i][c]);
		printf("%s\n", cell[i][N_HEADS - 1]);
	}
	free(cell);
	return 0;
}

static int run_list(const struct cmd_options *opts, int argc, char **)
{
	struct hf_err err = {0};
	struct hf_nic **nics;
	size_t n;
	int rc;

	if (argc != 0)
		return cmd_usage();
	rc = hf_profile_all(&nics, &n, &err);
	if (rc < 0)
		return cmd_fail(&err);
	rc = opts->json ? print_json(nics, n) : print_table(nics, n);
	hf_profile_free_all(nics, n);
	return rc;
}

static void show_patterns(const struct hf_engine *e)
{
	size_t i;
	size_t k;

	if (e->n_patterns == 0) {
		printf("  items      ");
		print_set(e->layers, HF_LAYER_MAX_, true, ", ");
		printf(" in wire order\n");
		return;
	}
	for (i = 0; i < e->n_patterns; i++) {
		printf("  %-10s ", i == 0 ? "patterns" : "");
		for (k = 0; k < e->patterns[i].n; k++)
			printf("%s%s", k ? " / " : "",
				hf_layer_name((enum hf_layer)e->patterns[i].v[k]));
		printf("%s\n", e->patterns[i].n == 0 ? "any" : "");
	}
}

static void show_limits(const struct hf_engine *e, enum hf_field f)
{
	static const char *const words[] = {
		[HF_LIMIT_NOT] = "not",
		[HF_LIMIT_ONLY] = "only",
		[HF_LIMIT_MASK] = "masks",
		[HF_LIMIT_BITS] = "bits",
	};
	size_t i;
	size_t k;

	for (i = 0; i < e->n_limits; i++) {
		if (e->limits[i].field != f)
			continue;
		printf(", %s", words[e->limits[i].kind]);
		for (k = 0; k < e->limits[i].n; k++)
			printf(" 0x%x", e->limits[i].v[k]);
	}
}

static void show_fields(const struct hf_engine *e)
{
	const char *head = "fields";
	unsigned int f;

	for (f = 0; f < HF_F_MAX_; f++) {
		enum hf_mask_kind kind = (enum hf_mask_kind)e->field[f];
		bool danger =
			kind == HF_MASK_WIDEN || kind == HF_MASK_NARROW || kind == HF_MASK_IGNORE;

		if (kind == HF_MASK_NONE)
			continue;
		printf("  %-10s %-20s %s%s", head, hf_field_info((enum hf_field)f)->name,
			hf_mask_kind_name(kind), danger ? " (danger)" : "");
		show_limits(e, (enum hf_field)f);
		printf("\n");
		head = "";
	}
}

static void show_actions(const struct hf_engine *e)
{
	size_t i;
	size_t k;

	printf("  actions    ");
	for (i = 0; i < e->n_lists; i++) {
		printf("%s", i ? ", " : "");
		for (k = 0; k < e->lists[i].n; k++)
			printf("%s%s", k ? " / " : "", hf_act_name((enum hf_act)e->lists[i].v[k]));
	}
	if (e->n_lists == 0)
		print_set(e->actions, HF_ACT_MAX_, false, ", ");
	if (e->drop_with) {
		printf("; with drop only ");
		print_set(e->drop_with, HF_ACT_MAX_, false, ", ");
	}
	if (e->mark_max)
		printf("; marks up to 0x%x", e->mark_max);
	printf("\n");
	if (e->n_refuse)
		printf("  refuses    %zu further combinations\n", e->n_refuse);
	if (e->n_danger)
		printf("  danger     %zu combinations are installed otherwise\n", e->n_danger);
}

static void show_engine(const struct hf_engine *e)
{
	printf("\ntable %s\n", e->name);
	printf("  groups     %u%s\n", e->groups, e->group_ignored ? " (not looked at)" : "");
	printf("  priorities %u in group 0", e->prios_root - e->prio_first);
	if (e->prios)
		printf(", %u in others", e->prios);
	if (e->order == HF_PRIO_NONE)
		printf(", overlapping rules are in no order\n");
	else
		printf(", the %s number wins%s\n", hf_prio_order_name(e->order),
			e->depth_rank ? ", then L4 before L3 before L2" : "");
	if (e->shape == HF_SHAPE_PER_TYPE)
		printf("  shape      one set of fields per packet type\n");
	if (e->shape == HF_SHAPE_GLOBAL)
		printf("  shape      one set of masks for all rules\n");
	if (e->type_scope)
		printf("  scope      only packets of the very type that the items spell\n");
	if (e->capacity)
		printf("  capacity   %u rules\n", e->capacity);
	if (e->masks)
		printf("  masks      %u different sets of masks at once\n", e->masks);
	show_patterns(e);
	show_fields(e);
	show_actions(e);
}

static void show_text(const struct hf_nic *nic)
{
	size_t i;

	printf("name       %s\nchips      %s\n", nic->name, nic->chips);
	for (i = 0; i < nic->n_aliases; i++)
		printf("alias      %s\n", nic->aliases[i]);
	printf("driver     %s\n", nic->driver[0] ? nic->driver : "-");
	printf("devargs    %s\n", nic->devargs[0] ? nic->devargs : "-");
	printf("pci       ");
	for (i = 0; i < nic->n_pci; i++)
		printf(" %04x:%04x", nic->pci[i].vendor, nic->pci[i].device);
	printf("%s\n", nic->n_pci == 0 ? " -" : "");
	if (nic->n_firmware > 0)
		printf("firmware  ");
	for (i = 0; i < nic->n_firmware; i++)
		printf(" %u.x%s", nic->firmware[i], i + 1 == nic->n_firmware ? "\n" : "");
	printf("directions%s%s%s%s\n", nic->ingress ? " ingress" : "", nic->egress ? " egress" : "",
		nic->transfer ? " transfer" : "",
		nic->ingress || nic->egress || nic->transfer ? "" : " -");
	printf("fragments  %s an L4 item\n", nic->fragments_match_l4 ? "may match" : "never match");
	printf("ipv6 ext.  %s an L4 item\n", nic->ext_match_l4 ? "may match" : "need not match");
	printf("rules      %s a stop of the port\n",
		nic->flush_on_stop ? "are lost at" : "outlive");
	if (nic->async)
		printf("templates  %s\n",
			nic->async_only ? "are the only way to make rules" : "yes");
	printf("leftovers  %s\n", nic->bifurcated ? "stay with the kernel" : "go to the DPDK port");
	for (i = 0; i < nic->n_engines; i++)
		show_engine(&nic->engine[i]);
}

static int run_show(const struct cmd_options *opts, int argc, char **argv)
{
	struct hf_err err = {0};
	struct hf_nic *nic;
	int rc = 0;

	if (argc != 1)
		return cmd_usage();
	if (hf_profile_find(argv[0], &nic, &err) < 0)
		return cmd_fail(&err);
	if (opts->json)
		rc = print_json(&nic, 1);
	else
		show_text(nic);
	hf_profile_free(nic);
	return rc;
}

static int run_check(const struct cmd_options *, int argc, char **argv)
{
	struct hf_err err = {0};
	struct hf_nic *nic;
	int rc = 0;
	int i;

	if (argc == 0)
		return cmd_usage();
	for (i = 0; i < argc; i++) {
		if (hf_profile_read(argv[i], &nic, &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			rc = CMD_USAGE;
			continue;
		}
		printf("%s: ok (%s)\n", argv[i], nic->name);
		hf_profile_free(nic);
	}
	return rc;
}

static const struct {
	const char *name;
	int (*run)(const struct cmd_options *opts, int argc, char **argv);
} verbs[] = {
	{"list", run_list},
	{"show", run_show},
	{"check", run_check},
	{"detect", cmd_detect},
	{"match", cmd_match},
	{"try", cmd_try},
	{"probe", cmd_probe},
	{"learn", cmd_learn},
};

int main(int argc, char **argv)
{
	struct cmd_options opts = {.format = "text"};
	struct hf_err err = {0};
	int first;
	size_t i;

	if (hf_opts_parse(table, N_OPTIONS, argc, argv, &opts, &first, &err) < 0) {
		usage(stderr);
		return cmd_fail(&err);
	}
	if (opts.help) {
		usage(stdout);
		return 0;
	}
	if (opts.version) {
		puts("hw-profile " HF_VERSION);
		return 0;
	}
	opts.json = strcmp(opts.format, "json") == 0;
	if (!opts.json && strcmp(opts.format, "text") != 0) {
		fprintf(stderr, "hw-profile: --format is text or json, not '%s'\n", opts.format);
		return CMD_USAGE;
	}
	for (i = 0; first < argc && i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(verbs[i].name, argv[first]) != 0)
			continue;
		i = (size_t)verbs[i].run(&opts, argc - first - 1, argv + first + 1);
		if (fflush(stdout) != 0 || ferror(stdout)) {
			fprintf(stderr, "hw-profile: cannot write: %s\n", strerror(errno));
			return CMD_USAGE;
		}
		return (int)i;
	}
	if (first < argc)
		fprintf(stderr, "hw-profile: unknown verb '%s'\n", argv[first]);
	return cmd_usage();
}
