/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The profiles against verdicts of the real drivers' own code.
 *
 * FILE has tab-separated lines "model dpdk verdict errno type message rule",
 * rules as testpmd takes them. A row counts when a profile has its model as name or alias and its
 * DPDK is the version that the profiles describe. Where verdict or answer differ the row must stand
 * in disagreements.txt with the reason why it may, and each line there must be needed.
 *
 * Exit code 77: there is no such file. Usage: hw-profiles-vectors FILE DISAGREEMENTS
 */

#include "profiles.h"

#include <hepflow/err.h>
#include <hepflow/profile.h>
#include <hepflow/testpmd_rule.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SKIP	   77
#define DPDK	   "22.11.11" /* what the profiles describe; Debian 12 */
#define COLUMNS	   7
#define MODELS_MAX 64
#define NOTES_MAX  512
/* Share of verdicts that must agree, listed ones not counted as agreement. What is missing to the
 * whole are items and actions that no flow of ours can say, so that they are refused. */
#define SHARE_MIN 85

enum {
	MODEL,
	VERSION,
	VERDICT,
	ERRNO,
	TYPE,
	MESSAGE,
	RULE,
};

struct model {
	char name[HF_NIC_NAME_SIZE];
	struct hf_nic *nic; /* NULL: no profile has it */
	size_t rows;
	size_t same_verdict;
	size_t unsayable; /* rules that no flow of ours can say */
	size_t answers;	  /* sayable, refused by both, and the profile gives the answer */
	size_t same_answer;
	size_t listed;
	size_t apart; /* rows that say nothing about the profile; not among rows */
};

/* A line of disagreements.txt: model, "verdict", "answer" or "apart", reason, rule. */
struct note {
	char *model;
	char *kind;
	char *rule;
	bool used;
};

struct state {
	struct model models[MODELS_MAX];
	size_t n_models;
	struct note notes[NOTES_MAX];
	size_t n_notes;
	size_t failures;
};

/* Splits in place; the number of columns. */
static size_t columns(char *line, char *ret[], size_t max)
{
	size_t n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	while (line && n < max)
		ret[n++] = strsep(&line, "\t");
	return line ? max + 1 : n;
}

static int read_notes(struct state *s, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -errno;
	}
	while (getline(&line, &cap, file) >= 0) {
		struct note *note = &s->notes[s->n_notes];
		char *col[4];

		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (s->n_notes == NOTES_MAX || columns(line, col, 4) != 4 || !col[2][0]) {
			fprintf(stderr, "%s: not \"model kind reason rule\": %s\n", path, line);
			free(line);
			(void)fclose(file); /* it was only read */
			return -EINVAL;
		}
		note->model = strdup(col[0]);
		note->kind = strdup(col[1]);
		note->rule = strdup(col[3]);
		s->n_notes++;
	}
	free(line);
	(void)fclose(file); /* it was only read */
	return 0;
}

static bool noted(struct state *s, const char *model, const char *kind, const char *rule)
{
	size_t i;

	for (i = 0; i < s->n_notes; i++) {
		struct note *note = &s->notes[i];

		if (strcmp(note->model, model) == 0 && strcmp(note->kind, kind) == 0 &&
			strcmp(note->rule, rule) == 0) {
			note->used = true;
			return true;
		}
	}
	return false;
}

static struct model *model_of(struct state *s, const char *name)
{
	struct hf_err err;
	struct model *m;
	size_t i;

	for (i = 0; i < s->n_models; i++) {
		if (strcmp(s->models[i].name, name) == 0)
			return &s->models[i];
	}
	if (s->n_models == MODELS_MAX)
		return NULL;
	m = &s->models[s->n_models++];
	(void)snprintf(m->name, sizeof(m->name), "%s", name);
	if (hf_profile_find(name, &m->nic, &err) < 0 && err.code != -ENOENT) {
		fprintf(stderr, "%s\n", err.text);
		s->failures++;
	}
	return m;
}

static void disagree(
	struct state *s, struct model *m, const char *kind, char *const col[], const char *ours)
{
	if (noted(s, m->name, kind, col[RULE])) {
		m->listed++;
		return;
	}
	printf("%s: %s differs: driver %s %s %s '%s', profile %s\n\t%s\n", m->name, kind,
		col[VERDICT], col[ERRNO], col[TYPE], col[MESSAGE], ours, col[RULE]);
	s->failures++;
}

static void compare_answer(struct state *s, struct model *m, char *const col[], enum hf_reject why,
	const struct hf_flow *flow)
{
	const struct hf_nic_error *e = hf_nic_error_of(m->nic, why, flow);
	char ours[HF_NIC_TEXT_SIZE + 64];

	if (!e->given)
		return;
	m->answers++;
	if (-atoi(col[ERRNO]) == e->err &&
		hf_names_find(&hf_names_error_type, col[TYPE]) == e->type &&
		strcmp(col[MESSAGE], e->no_message ? "" : e->message) == 0) {
		m->same_answer++;
		return;
	}
	(void)snprintf(ours, sizeof(ours), "%s: %d %d '%s'", hf_reject_name(why), -e->err, e->type,
		e->message);
	disagree(s, m, "answer", col, ours);
}

static void compare(struct state *s, struct model *m, char *const col[])
{
	enum hf_reject why = HF_REJECT_NONE;
	const struct hf_engine *engine;
	struct hf_flow flow;
	char word[64];
	bool driver = strcmp(col[VERDICT], "ACCEPT") == 0;
	bool ours;
	enum hf_reject cannot;

	if (hf_testpmd_rule_parse(col[RULE], &flow, &cannot, word, sizeof(word)) < 0) {
		printf("cannot parse at '%s': %s\n", word, col[RULE]);
		s->failures++;
		return;
	}
	engine = hf_nic_accept(m->nic, &flow, &why);
	ours = engine && cannot == HF_REJECT_NONE;
	if (ours != driver && noted(s, m->name, "apart", col[RULE])) {
		m->apart++;
		return;
	}
	m->rows++;
	m->unsayable += cannot != HF_REJECT_NONE;
	if (ours != driver) {
		disagree(s, m, "verdict", col,
			ours	 ? "ACCEPT"
			: engine ? "cannot be said"
				 : hf_reject_name(why));
		return;
	}
	m->same_verdict++;
	if (!ours && cannot == HF_REJECT_NONE)
		compare_answer(s, m, col, why, &flow);
}

static int read_vectors(struct state *s, FILE *file)
{
	char *line = NULL;
	size_t cap = 0;
	size_t number = 0;

	while (getline(&line, &cap, file) >= 0) {
		char *col[COLUMNS];
		struct model *m;

		if (number++ == 0)
			continue; /* column names */
		if (columns(line, col, COLUMNS) != COLUMNS) {
			fprintf(stderr, "line %zu: not %d columns\n", number, COLUMNS);
			free(line);
			return -EINVAL;
		}
		m = model_of(s, col[MODEL]);
		/* Rules that testpmd itself did not understand say nothing about a driver. */
		if (!m || !m->nic || strcmp(col[VERSION], DPDK) != 0 ||
			strcmp(col[VERDICT], "PARSE-ERR") == 0)
			continue;
		compare(s, m, col);
	}
	free(line);
	return 0;
}

static void report(struct state *s)
{
	size_t covered = 0;
	size_t i;

	for (i = 0; i < s->n_models; i++) {
		const struct model *m = &s->models[i];
		size_t share;

		if (!m->nic) {
			printf("%-24s no profile\n", m->name);
			continue;
		}
		share = m->rows ? m->same_verdict * 100 / m->rows : 0;
		printf("%-24s %-16s verdicts %zu/%zu (%zu %%), answers %zu/%zu, listed %zu, "
		       "cannot be said %zu, apart %zu\n",
			m->name, m->nic->name, m->same_verdict, m->rows, share, m->same_answer,
			m->answers, m->listed, m->unsayable, m->apart);
		covered += m->rows > 0;
		if (share < SHARE_MIN) {
			printf("%s: less than %d %% of the verdicts agree\n", m->name, SHARE_MIN);
			s->failures++;
		}
	}
	for (i = 0; i < s->n_notes; i++) {
		if (s->notes[i].used)
			continue;
		printf("disagreement listed in vain: %s %s %s\n", s->notes[i].model,
			s->notes[i].kind, s->notes[i].rule);
		s->failures++;
	}
	if (covered == 0) {
		printf("no model of the file has a profile\n");
		s->failures++;
	}
}

static void fini(struct state *s)
{
	size_t i;

	for (i = 0; i < s->n_models; i++)
		hf_profile_free(s->models[i].nic);
	for (i = 0; i < s->n_notes; i++) {
		free(s->notes[i].model);
		free(s->notes[i].kind);
		free(s->notes[i].rule);
	}
}

int main(int argc, char **argv)
{
	static struct state s;
	FILE *file;

	if (argc != 3) {
		fprintf(stderr, "usage: hw-profiles-vectors FILE DISAGREEMENTS\n");
		return 2;
	}
	file = fopen(argv[1], "re");
	if (!file) {
		printf("SKIP: no vectors of real drivers at %s (HEPFLOW_VECTORS)\n", argv[1]);
		return SKIP;
	}
	if (read_notes(&s, argv[2]) < 0 || read_vectors(&s, file) < 0)
		s.failures++;
	else
		report(&s);
	(void)fclose(file); /* it was only read */
	fini(&s);
	return s.failures ? 1 : 0;
}
