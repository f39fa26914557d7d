/* SPDX-License-Identifier: BSD-3-Clause */

/* A learned profile as YAML (docs/hw-profiles.md): no more of the format than learning fills in. */

#include <hepflow/micro.h>

#include "profiles.h"

#include <inttypes.h>
#include <string.h>

struct writer {
	FILE *out;
	const char *src;
	const struct hf_nic *nic;
};

static const char *bit_name(const struct hf_names *names, unsigned int i)
{
	if (names == &hf_names_layer)
		return hf_layer_name((enum hf_layer)i);
	if (names == &hf_names_field)
		return hf_field_info((enum hf_field)i)->name;
	return names->name[i];
}

/* "KEY: [a, b]", with what stands in front of it; nothing for an empty set. */
static void put_set(const struct writer *w, const char **before, const char *key, uint64_t set,
	const struct hf_names *names)
{
	const char *comma = "";
	unsigned int i;

	if (set == 0)
		return;
	fprintf(w->out, "%s%s: [", *before, key);
	for (i = 0; i < names->n; i++) {
		if (!(set >> i & 1u))
			continue;
		fprintf(w->out, "%s%s", comma, bit_name(names, i));
		comma = ", ";
	}
	fputc(']', w->out);
	*before = ", ";
}

static void put_seq(
	const struct writer *w, const struct hf_nic_seq *seq, const struct hf_names *names)
{
	size_t i;

	for (i = 0; i < seq->n; i++)
		fprintf(w->out, "%s%s", i ? "/" : "", bit_name(names, seq->v[i]));
	if (seq->n == 0)
		fputs("any", w->out);
}

/* Double-quoted: a driver's words, or device arguments, may have anything in them. */
static void put_text(const struct writer *w, const char *text)
{
	fputc('"', w->out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', w->out);
		fputc(*text >= ' ' && *text <= '~' ? *text : ' ', w->out);
	}
	fputc('"', w->out);
}

static void put_src(const struct writer *w, const char *end)
{
	fputs("src: ", w->out);
	put_text(w, w->src);
	fputs(end, w->out);
}

static const char *yes(bool v)
{
	return v ? "true" : "false";
}

static void put_identity(const struct writer *w)
{
	const struct hf_nic *nic = w->nic;
	size_t i;

	fprintf(w->out, "format: 1\nname: %s\nchips: ", nic->name);
	put_text(w, nic->chips);
	fputs("\ndriver: ", w->out);
	put_text(w, nic->driver);
	fputs("\ndevargs: ", w->out);
	put_text(w, nic->devargs);
	fputs("\npci: {ids: [", w->out);
	for (i = 0; i < nic->n_pci; i++)
		fprintf(w->out, "%s\"%04x:%04x\"", i ? ", " : "", nic->pci[i].vendor,
			nic->pci[i].device);
	fputs("], ", w->out);
	put_src(w, "}\n");
	fprintf(w->out, "attributes: {ingress: %s, egress: %s, transfer: %s, ", yes(nic->ingress),
		yes(nic->egress), yes(nic->transfer));
	put_src(w, "}\n");
	/* The safe side. */
	fputs("parsing: {fragments_match_l4: false, extensions_match_l4: false, "
	      "src: cannot be learned}\n",
		w->out);
	fprintf(w->out,
		"lifecycle: {flush_on_stop: true, bifurcated: false, isolate: false, "
		"async: %s, async_only: %s, src: only async can be learned}\n",
		yes(nic->async), yes(nic->async_only));
}

static void put_when(const struct writer *w, const struct hf_nic_when *when)
{
	const struct {
		const char *key;
		uint64_t set;
		const struct hf_names *names;
	} sets[] = {
		{"items", when->items, &hf_names_layer},
		{"no_items", when->no_items, &hf_names_layer},
		{"frag", when->frag, &hf_names_frag},
		{"fields", when->fields, &hf_names_field},
		{"and_fields", when->and_fields, &hf_names_field},
		{"no_fields", when->no_fields, &hf_names_field},
		{"partial", when->partial, &hf_names_field},
		{"full", when->full, &hf_names_field},
		{"all_actions", when->all_actions, &hf_names_act},
		{"no_actions", when->no_actions, &hf_names_act},
		{"first_action", when->first_action, &hf_names_act},
		{"directions", when->directions, &hf_names_direction},
	};
	const struct {
		const char *key;
		bool on;
	} flags[] = {
		{"root", when->root},
		{"not_root", when->not_root},
		{"range", when->range},
		{"priority", when->priority},
	};
	const char *before = "";
	size_t i;

	fputs("when: {", w->out);
	for (i = 0; i < sizeof(sets) / sizeof(*sets); i++)
		put_set(w, &before, sets[i].key, sets[i].set, sets[i].names);
	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (!flags[i].on)
			continue;
		fprintf(w->out, "%s%s: true", before, flags[i].key);
		before = ", ";
	}
	fputs("}, ", w->out);
}

static void put_field(const struct writer *w, const struct hf_engine *e, enum hf_field f)
{
	enum hf_mask_kind kind = (enum hf_mask_kind)e->field[f];
	const char *before = ", ";
	size_t i, k;

	fprintf(w->out, "      %s: {mask: %s", hf_field_info(f)->name, hf_mask_kind_name(kind));
	if (kind == HF_MASK_WIDEN || kind == HF_MASK_IGNORE)
		fputs(", danger: true", w->out);
	for (i = 0; i < e->n_limits; i++) {
		if (e->limits[i].field != f)
			continue;
		fputs(", not: [", w->out);
		for (k = 0; k < e->limits[i].n; k++)
			fprintf(w->out, "%s0x%x", k ? ", " : "", e->limits[i].v[k]);
		fputs("]", w->out);
	}
	if (f == HF_F_IP4_FRAG)
		put_set(w, &before, "forms", e->frag_forms, &hf_names_frag);
	fputs(", ", w->out);
	put_src(w, "}\n");
}

static void put_match(const struct writer *w, const struct hf_engine *e)
{
	unsigned int f;
	size_t i;

	fputs("    match:\n      patterns: [", w->out);
	for (i = 0; i < e->n_patterns; i++) {
		fputs(i ? ", " : "", w->out);
		put_seq(w, &e->patterns[i], &hf_names_layer);
	}
	fputs("]\n", w->out);
	if (e->range_ignored)
		fputs("      range_ignored: true\n", w->out);
	fputs("      ", w->out);
	put_src(w, "\n    fields:\n");
	for (f = 0; f < HF_F_MAX_; f++) {
		if (e->field[f] != HF_MASK_NONE)
			put_field(w, e, (enum hf_field)f);
	}
}

static void put_actions(const struct writer *w, const struct hf_engine *e)
{
	const char *before = "      ";
	size_t i;

	fputs("    actions:\n", w->out);
	put_set(w, &before, "known", e->actions, &hf_names_act);
	fputs("\n      lists: [", w->out);
	for (i = 0; i < e->n_lists; i++) {
		fputs(i ? ", " : "", w->out);
		put_seq(w, &e->lists[i], &hf_names_act);
	}
	fputs("]\n", w->out);
	if (e->actions & HF_ACT_BIT(HF_ACT_MARK))
		fprintf(w->out, "      mark_max: 0x%x\n", e->mark_max);
	if (e->jump_forward)
		fputs("      jump_forward: true\n", w->out);
	fputs("      ", w->out);
	put_src(w, "\n");
}

static void put_engine(const struct writer *w, const struct hf_engine *e)
{
	size_t i;

	fprintf(w->out, "engines:\n  - name: %s\n    groups: {count: %" PRIu32 ", ignored: %s, ",
		e->name, e->groups, yes(e->group_ignored));
	put_src(w, "}\n    # Which number wins cannot be learned.\n");
	fprintf(w->out, "    priorities: {root: %" PRIu32, e->prios_root);
	if (e->prios)
		fprintf(w->out, ", others: %" PRIu32, e->prios);
	if (e->prio_taken)
		fprintf(w->out, ", taken: %" PRIu32, e->prio_taken);
	if (e->prio_taken_others)
		fprintf(w->out, ", taken_others: %" PRIu32, e->prio_taken_others);
	fputs(", order: none, ", w->out);
	put_src(w, "}\n");
	put_match(w, e);
	put_actions(w, e);
	if (e->n_refuse)
		fputs("    refuse:\n", w->out);
	for (i = 0; i < e->n_refuse; i++) {
		fputs("      - {", w->out);
		put_when(w, &e->refuse[i].when);
		fprintf(w->out, "reason: %s, ", hf_reject_name(e->refuse[i].reject));
		put_src(w, "}\n");
	}
	if (e->n_danger)
		fputs("    # Taken; nobody has seen that it is matched.\n    danger:\n", w->out);
	for (i = 0; i < e->n_danger; i++) {
		fputs("      - {", w->out);
		put_when(w, &e->danger[i].when);
		fprintf(w->out, "field: %s, ", hf_field_info(e->danger[i].field)->name);
		put_src(w, "}\n");
	}
}

static void put_error(const struct writer *w, const char *reason, const struct hf_nic_error *e)
{
	const char *name = strerrorname_np(e->err);

	/* What the reader does not know by name is an errno no flow function should return. */
	fprintf(w->out, "  %s: {errno: %s, type: %s, message: ", reason,
		name && hf_errno_find(name) > 0 ? name : "EIO", hf_names_error_type.name[e->type]);
	if (e->no_message)
		fputs("null", w->out);
	else
		put_text(w, e->message);
	fputs(", ", w->out);
	put_src(w, "}\n");
}

void hf_micro_write(const struct hf_nic *nic, const char *src, FILE *out)
{
	struct writer w = {.out = out, .src = src, .nic = nic};
	unsigned int r;

	put_identity(&w);
	if (nic->n_engines > 0)
		put_engine(&w, &nic->engine[0]);
	else
		fputs("engines: []\n", out);
	if (!nic->error[HF_REJECT_NONE].given)
		return;
	fputs("errors:\n", out);
	put_error(&w, "default", &nic->error[HF_REJECT_NONE]);
	for (r = HF_REJECT_NONE + 1; r < HF_REJECT_MAX_; r++) {
		if (nic->error[r].given)
			put_error(&w, hf_reject_name((enum hf_reject)r), &nic->error[r]);
	}
}
