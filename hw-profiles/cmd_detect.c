/* SPDX-License-Identifier: BSD-3-Clause */

/* hw-profile detect and match: which cards are here, and which profile is whose. */

#include "cmd.h"

#include <hepflow/detect.h>
#include <hepflow/err.h>
#include <hepflow/nic.h>
#include <hepflow/profile.h>

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHY_SIZE  256
#define WORD_SIZE 256 /* of device arguments: a path at most */

/* What the verbs need: cards, and all profiles. */
struct machine {
	struct hf_verbs *verbs;
	size_t n_verbs;
	struct hf_card *cards;
	size_t n_cards;
	struct hf_nic **nics;
	size_t n_nics;
};

static int look(const struct cmd_options *opts, struct machine *ret, struct hf_err *err)
{
	const char *sysfs = opts->sysfs ? opts->sysfs : "/sys";
	int rc = 0;

	memset(ret, 0, sizeof(*ret));
	if (opts->sysfs && access(sysfs, R_OK | X_OK) < 0)
		return hf_fail(err, -EINVAL, "%s: %s", sysfs, strerror(errno));
	rc = hf_profile_all(&ret->nics, &ret->n_nics, err);
	if (rc == 0)
		rc = hf_verbs_list(opts->verbs, &ret->verbs, &ret->n_verbs, err);
	if (rc == 0)
		rc = hf_cards_scan(
			sysfs, ret->verbs, ret->n_verbs, &ret->cards, &ret->n_cards, err);
	return rc;
}

static void machine_fini(struct machine *m)
{
	free(m->cards);
	free(m->verbs);
	hf_profile_free_all(m->nics, m->n_nics);
}

static void print_card(const struct machine *m, const struct hf_card *card)
{
	char why[WHY_SIZE];
	const struct hf_nic *nic = hf_card_match(card, m->nics, m->n_nics, why, sizeof(why));
	size_t i;

	printf("%s\n", card->pci);
	printf("  id        %04x:%04x, subsystem %04x:%04x\n", card->id.vendor, card->id.device,
		card->subsystem.vendor, card->subsystem.device);
	printf("  driver    %s\n", card->driver[0] ? card->driver : "-");
	printf("  netdevs  ");
	for (i = 0; i < card->n_netdevs; i++)
		printf(" %s", card->netdevs[i]);
	printf("%s\n", card->n_netdevs == 0 ? " -" : "");
	if (card->has_verbs)
		printf("  verbs     %s, part 0x%04x, firmware %s\n", card->verbs.name,
			card->verbs.part_id, card->verbs.firmware);
	printf("  profile   %s: %s\n", nic ? nic->name : "none", why);
	if (nic && nic->devargs[0])
		printf("  devargs   %s,%s\n", card->pci, nic->devargs);
}

static json_t *card_json(const struct machine *m, const struct hf_card *card)
{
	char why[WHY_SIZE], id[16], subsystem[16];
	const struct hf_nic *nic = hf_card_match(card, m->nics, m->n_nics, why, sizeof(why));
	json_t *netdevs = json_array(), *verbs = NULL;
	size_t i;

	(void)snprintf(id, sizeof(id), "%04x:%04x", card->id.vendor, card->id.device);
	(void)snprintf(subsystem, sizeof(subsystem), "%04x:%04x", card->subsystem.vendor,
		card->subsystem.device);
	for (i = 0; i < card->n_netdevs; i++)
		json_array_append_new(netdevs, json_string(card->netdevs[i]));
	if (card->has_verbs)
		verbs = json_pack("{s:s, s:I, s:s}", "name", card->verbs.name, "part_id",
			(json_int_t)card->verbs.part_id, "firmware", card->verbs.firmware);
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o*, s:s, s:s, s:s}", "pci", card->pci, "id",
		id, "subsystem", subsystem, "driver", card->driver, "netdevs", netdevs, "verbs",
		verbs, "profile", nic ? nic->name : "none", "why", why, "devargs",
		nic ? nic->devargs : "");
}

static int print_json(const struct machine *m)
{
	json_t *list = json_array(), *root;
	size_t i;
	int rc;

	for (i = 0; i < m->n_cards; i++)
		json_array_append_new(list, card_json(m, &m->cards[i]));
	root = json_pack("{s:i, s:o}", "schema", 1, "nics", list);
	rc = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
	json_decref(root);
	if (rc < 0) {
		fprintf(stderr, "hw-profile: out of memory\n");
		return CMD_USAGE;
	}
	putchar('\n');
	return 0;
}

int cmd_detect(const struct cmd_options *opts, int argc, char **)
{
	struct hf_err err = {0};
	struct machine m;
	size_t i;
	int rc;

	if (argc != 0)
		return cmd_usage();
	if (look(opts, &m, &err) < 0) {
		rc = cmd_fail(&err);
	} else if (opts->json) {
		rc = print_json(&m);
	} else {
		rc = 0;
		for (i = 0; i < m.n_cards; i++)
			print_card(&m, &m.cards[i]);
		if (m.n_cards == 0)
			puts("no network cards found");
	}
	machine_fini(&m);
	return rc;
}

/* The value of KEY among "DEVICE,KEY=VALUE,..." or "KEY=VALUE,..."; false when it is not there. */
static bool find_arg(const char *devargs, const char *key, char ret[static WORD_SIZE])
{
	size_t n = strlen(key);
	const char *p;

	for (p = devargs; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		if (strncmp(p, key, n) != 0 || p[n] != '=')
			continue;
		(void)snprintf(ret, WORD_SIZE, "%.*s", (int)strcspn(p + n + 1, ","), p + n + 1);
		return true;
	}
	return false;
}

/*
 * Whether the port would be in the mode that the profile is about. An argument that is not given is
 * told of, one that is given otherwise is another mode, which no profile describes.
 */
static bool mode_fits(const struct hf_nic *nic, const char *devargs)
{
	char args[HF_NIC_TEXT_SIZE], value[WORD_SIZE], *save = NULL, *arg;

	(void)snprintf(args, sizeof(args), "%s", nic->devargs); /* the same size */
	for (arg = strtok_r(args, ",", &save); arg; arg = strtok_r(NULL, ",", &save)) {
		char *equals = strchr(arg, '=');

		if (!equals)
			continue;
		*equals = '\0';
		if (!find_arg(devargs, arg, value)) {
			fprintf(stderr,
				"hw-profile: %s describes ports with %s=%s: give them that\n",
				nic->name, arg, equals + 1);
		} else if (strcmp(value, equals + 1) != 0) {
			fprintf(stderr,
				"hw-profile: %s describes ports with %s=%s, not %s: 'none' would "
				"serve\n",
				nic->name, arg, equals + 1, value);
			return false;
		}
	}
	return true;
}

static int match_card(const struct cmd_options *opts, const char *devargs, const char *pci)
{
	const struct hf_nic *nic = NULL;
	struct hf_err err = {0};
	char why[WHY_SIZE];
	struct machine m;
	size_t i;
	int rc;

	if (look(opts, &m, &err) < 0) {
		machine_fini(&m);
		return cmd_fail(&err);
	}
	(void)snprintf(why, sizeof(why), "no network card is there");
	for (i = 0; i < m.n_cards; i++) {
		if (strcmp(m.cards[i].pci, pci) == 0)
			nic = hf_card_match(&m.cards[i], m.nics, m.n_nics, why, sizeof(why));
	}
	fprintf(stderr, "hw-profile: %s: %s%s\n", pci, why, nic ? "" : ": 'none' would serve");
	rc = nic && mode_fits(nic, devargs) ? 0 : CMD_NOT_FOUND;
	if (rc == 0)
		puts(nic->name);
	machine_fini(&m);
	return rc;
}

/* net_vnic says whom it plays; other virtual devices have the profile of their driver, if any. */
static int match_virtual(const char *devargs)
{
	char value[WORD_SIZE], driver[WORD_SIZE];
	size_t len = strcspn(devargs, "0123456789,"), n, i;
	struct hf_err err = {0};
	struct hf_nic *nic, **nics;
	int rc = CMD_NOT_FOUND;

	(void)snprintf(driver, sizeof(driver), "%.*s", (int)len, devargs);
	if (strcmp(driver, "net_vnic") == 0) {
		if (!find_arg(devargs, "profile", value)) {
			fprintf(stderr, "hw-profile: %s: net_vnic needs profile=NAME\n", devargs);
			return CMD_USAGE;
		}
		if (hf_profile_find(value, &nic, &err) < 0)
			return cmd_fail(&err);
		puts(nic->name);
		hf_profile_free(nic);
		return 0;
	}
	if (hf_profile_all(&nics, &n, &err) < 0)
		return cmd_fail(&err);
	for (i = 0; i < n && rc != 0; i++) {
		if (nics[i]->n_pci > 0 || strcmp(nics[i]->driver, driver) != 0)
			continue; /* a driver of real cards is not asked for by a device name */
		puts(nics[i]->name);
		rc = 0;
	}
	hf_profile_free_all(nics, n);
	if (rc != 0)
		fprintf(stderr, "hw-profile: no profile is about %s: 'none' would serve\n", driver);
	return rc;
}

/* "0000:3b:00.0" of "0000:3b:00.0,...", "3b:00.0", "pci:0000:3b:00.0"; false when it is none. */
static bool parse_pci(const char *text, char *ret, size_t size)
{
	unsigned int domain = 0, bus, slot, function;
	int end = 0;

	if (strncmp(text, "pci:", 4) == 0)
		text += 4;
	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4) {
		domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3)
			return false;
	}
	if (text[end] != '\0' && text[end] != ',')
		return false;
	(void)snprintf(ret, size, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

int cmd_match(const struct cmd_options *opts, int argc, char **argv)
{
	char pci[16];

	if (argc != 1)
		return cmd_usage();
	if (strncmp(argv[0], "net_", 4) == 0)
		return match_virtual(argv[0]);
	if (parse_pci(argv[0], pci, sizeof(pci)))
		return match_card(opts, argv[0], pci);
	fprintf(stderr, "hw-profile: '%s' is neither a PCI address nor a virtual device\n",
		argv[0]);
	return CMD_USAGE;
}
