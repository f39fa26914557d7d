/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * hw-profile probe and learn: what the driver of a port really takes. Stock dpdk-testpmd starts the
 * port and is asked micro-rules (hepflow/micro.h).
 */

#include "cmd.h"

#include <hepflow/detect.h>
#include <hepflow/err.h>
#include <hepflow/micro.h>
#include <hepflow/profile.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WHY_SIZE 512
#define DRIVER	 "Driver name: " /* app/test-pmd/config.c, "show port info" */

struct probe {
	struct hf_testpmd *pmd;
	struct hf_micro *list;
	size_t n;
};

static void probe_fini(struct probe *p)
{
	hf_testpmd_close(p->pmd);
	free(p->list);
}

/* Whether the driver takes some rule of the list's first group. */
static size_t count_taken(const struct probe *p)
{
	size_t i, n = 0;

	for (i = 0; i < p->n; i++)
		n += hf_micro_taken(&p->list[i]);
	return n;
}

static int open_port(struct probe *p, const char *devargs, bool async, struct hf_err *err)
{
	struct hf_testpmd_opts opts = {.device = devargs, .async = async};

	hf_testpmd_close(p->pmd);
	p->pmd = NULL;
	return hf_testpmd_open(&opts, &p->pmd, err);
}

static int ask_all(struct probe *p, uint32_t group, struct hf_err *err)
{
	int rc;

	free(p->list);
	p->list = NULL;
	p->n = 0;
	rc = hf_micro_list(group, &p->list, &p->n, err);
	return rc < 0 ? rc : hf_micro_ask(p->pmd, p->list, p->n, err);
}

/* The scratch group of a card, as its profile has it. */
static uint32_t scratch_group(const struct hf_nic *nic)
{
	size_t i;

	for (i = 0; i < nic->n_engines; i++) {
		if (nic->engine[i].groups > HF_MICRO_GROUP)
			return HF_MICRO_GROUP;
	}
	return 0;
}

static const char *word_of(bool taken)
{
	return taken ? "accept" : "reject";
}

/* The rules about one thing on which driver and profile differ, in one line, with the first. */
static size_t print_about(const struct probe *p, const struct hf_nic *nic, size_t at)
{
	const struct hf_micro *first = NULL;
	enum hf_reject why, first_why = HF_REJECT_NONE;
	size_t i, n = 0;

	for (i = 0; i < at; i++) {
		if (strcmp(p->list[i].about, p->list[at].about) == 0)
			return 0; /* has had its line */
	}
	for (i = at; i < p->n; i++) {
		const struct hf_micro *m = &p->list[i];

		if (strcmp(m->about, p->list[at].about) != 0 ||
			(hf_nic_accept(nic, &m->flow, &why) != NULL) == hf_micro_taken(m))
			continue;
		if (!first) {
			first = m;
			first_why = why;
		}
		n++;
	}
	if (!first)
		return 0;
	printf("%s\tdriver %s, profile %s%s%s\t%zu rule%s\n\t%s\n", first->about,
		word_of(hf_micro_taken(first)), word_of(!hf_micro_taken(first)),
		hf_micro_taken(first) ? " " : "",
		hf_micro_taken(first) ? hf_reject_name(first_why) : "", n, n == 1 ? "" : "s",
		first->rule);
	return n;
}

/* Refusals whose answer is another one than the profile gives. */
static size_t count_other_words(const struct probe *p, const struct hf_nic *nic)
{
	enum hf_reject why;
	size_t i, n = 0;

	for (i = 0; i < p->n; i++) {
		const struct hf_micro *m = &p->list[i];
		const struct hf_nic_error *e;

		if (hf_micro_taken(m) || hf_nic_accept(nic, &m->flow, &why))
			continue;
		e = hf_nic_error_of(nic, why, &m->flow);
		n += e->err != m->answer.err ||
		     strcmp(e->no_message ? "" : e->message, m->answer.message) != 0;
	}
	return n;
}

static int compare(const struct probe *p, const struct hf_nic *nic)
{
	size_t i, n = 0, words = count_other_words(p, nic);

	for (i = 0; i < p->n; i++)
		n += print_about(p, nic, i);
	if (n == 0)
		printf("same: %zu rules, %zu accepted, as %s says", p->n, count_taken(p),
			nic->name);
	else
		printf("%zu of %zu rules differ from %s", n, p->n, nic->name);
	if (words)
		printf("; %zu are refused in other words", words);
	putchar('\n');
	return n == 0 ? 0 : CMD_DIFFERENT;
}

/* The shipped profile of a port: the one that was named, or what "match" says. */
static int find_profile(const struct cmd_options *opts, const char *devargs, struct hf_nic **ret,
	struct hf_err *err)
{
	struct hf_detect_opts where = {.sysfs = opts->sysfs, .verbs = opts->verbs};
	char why[WHY_SIZE], name[HF_NIC_NAME_SIZE];
	int rc;

	if (opts->profile)
		return hf_profile_find(opts->profile, ret, err);
	rc = hf_port_match(devargs, &where, ret, why, sizeof(why), err);
	if (rc < 0)
		return rc;
	if (!*ret)
		return hf_fail(err, -EINVAL, "%s: %s: name a profile with --profile", devargs, why);
	if (strncmp(devargs, "net_vnic", 8) != 0)
		return 0;
	/* A virtual NIC may play a file; what it claims to be is what was shipped by that name. */
	(void)snprintf(name, sizeof(name), "%s", (*ret)->name);
	hf_profile_free(*ret);
	*ret = NULL;
	return hf_profile_find(name, ret, err);
}

/* What does not run is no profile that is not there. */
static int fail(struct hf_err *err)
{
	(void)cmd_fail(err);
	return CMD_USAGE;
}

int cmd_probe(const struct cmd_options *opts, int argc, char **argv)
{
	struct hf_err err = {0};
	struct hf_nic *nic = NULL;
	struct probe p = {0};
	int rc;

	if (argc != 1)
		return cmd_usage();
	if (find_profile(opts, argv[0], &nic, &err) < 0)
		return cmd_fail(&err);
	rc = open_port(&p, argv[0], nic->async_only, &err);
	if (rc == 0)
		rc = ask_all(&p, scratch_group(nic), &err);
	rc = rc < 0 ? fail(&err) : compare(&p, nic);
	probe_fini(&p);
	hf_profile_free(nic);
	return rc;
}

/*
 * Sees whether rules are made one by one or by templates, and whether there are groups: those that
 * a jump leads to.
 */
static int ask_unknown(struct probe *p, const char *devargs, bool *ret_async, struct hf_err *err)
{
	int rc = open_port(p, devargs, false, err);
	size_t i;

	*ret_async = false;
	if (rc == 0)
		rc = ask_all(p, 0, err);
	if (rc == 0 && count_taken(p) == 0) {
		struct hf_err ignored = {0}; /* most drivers have no flow queues */

		*ret_async = open_port(p, devargs, true, &ignored) == 0;
		if (!*ret_async)
			return open_port(p, devargs, false, err);
		rc = ask_all(p, 0, err);
		*ret_async = count_taken(p) > 0;
	}
	for (i = 0; rc == 0 && i < p->n; i++) {
		if (strcmp(p->list[i].about, "jump from group 0") == 0 &&
			hf_micro_taken(&p->list[i]))
			return ask_all(p, HF_MICRO_GROUP, err);
	}
	return rc;
}

static int read_driver(struct probe *p, struct hf_nic *nic, struct hf_err *err)
{
	const char *text, *mark;
	int rc = hf_testpmd_ask(p->pmd, "show port info 0", &text, err);

	if (rc < 0)
		return rc;
	mark = strstr(text, DRIVER);
	if (mark)
		(void)snprintf(nic->driver, sizeof(nic->driver), "%.*s",
			(int)strcspn(mark + strlen(DRIVER), " \r\n"), mark + strlen(DRIVER));
	return 0;
}

/* Of a real card its mode and its PCI id. */
static int read_card(
	const struct cmd_options *opts, const char *devargs, struct hf_nic *nic, struct hf_err *err)
{
	struct hf_detect_opts where = {.sysfs = opts->sysfs, .verbs = opts->verbs};
	const char *args = strchr(devargs, ',');
	struct hf_machine m;
	size_t i;
	int rc;

	if (strncmp(devargs, "net_", 4) == 0)
		return 0;
	if (args)
		(void)snprintf(nic->devargs, sizeof(nic->devargs), "%.*s",
			(int)sizeof(nic->devargs) - 1, args + 1);
	rc = hf_machine_look(&where, &m, err);
	for (i = 0; rc == 0 && i < m.n_cards; i++) {
		if (strncmp(m.cards[i].pci, devargs, strcspn(devargs, ",")) == 0)
			nic->pci[nic->n_pci++] = m.cards[i].id;
	}
	if (rc == 0)
		hf_machine_fini(&m);
	return rc;
}

int cmd_learn(const struct cmd_options *opts, int argc, char **argv)
{
	struct hf_nic *nic = calloc(1, sizeof(*nic));
	struct hf_err err = {0};
	struct probe p = {0};
	char src[WHY_SIZE];
	size_t missed = 0;
	int rc = 0;

	if (argc != 1) {
		free(nic);
		return cmd_usage();
	}
	if (!nic)
		rc = hf_fail(&err, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = ask_unknown(&p, argv[0], &nic->async_only, &err);
	if (rc == 0)
		rc = read_driver(&p, nic, &err);
	if (rc == 0)
		rc = read_card(opts, argv[0], nic, &err);
	if (rc < 0) {
		rc = fail(&err);
	} else {
		nic->async = nic->async_only;
		(void)snprintf(nic->name, sizeof(nic->name), "learned");
		(void)snprintf(nic->chips, sizeof(nic->chips), "learned from %.60s", argv[0]);
		(void)snprintf(src, sizeof(src), "hw-profile learn %.400s", argv[0]);
		hf_micro_learn(p.list, p.n, nic, &missed);
		puts("# Learned: what the driver takes. Whether it is matched as asked nobody has "
		     "seen.");
		hf_micro_write(nic, src, stdout);
		fprintf(stderr,
			"hw-profile: %zu micro-rules, %zu accepted; the profile says "
			"otherwise of %zu\n",
			p.n, count_taken(&p), missed);
	}
	probe_fini(&p);
	hf_profile_free(nic);
	return rc;
}
