/* SPDX-License-Identifier: BSD-3-Clause */

/* hw-profile detect and match: which cards are here, and which profile is whose. */

#include "cmd.h"

#include <hepflow/detect.h>
#include <hepflow/err.h>
#include <hepflow/nic.h>
#include <hepflow/profile.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_SIZE 512

static void print_card(const struct hf_machine *m, const struct hf_card *card)
{
	char why[WHY_SIZE];
	const struct hf_nic *nic = hf_card_match(card, NULL, m->nics, m->n_nics, why, sizeof(why));
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

static json_t *card_json(const struct hf_machine *m, const struct hf_card *card)
{
	char why[WHY_SIZE], id[16], subsystem[16];
	const struct hf_nic *nic = hf_card_match(card, NULL, m->nics, m->n_nics, why, sizeof(why));
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

static int print_json(const struct hf_machine *m)
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
	struct hf_detect_opts where = {.sysfs = opts->sysfs, .verbs = opts->verbs};
	struct hf_err err = {0};
	struct hf_machine m;
	size_t i;
	int rc = 0;

	if (argc != 0)
		return cmd_usage();
	if (hf_machine_look(&where, &m, &err) < 0)
		return cmd_fail(&err);
	if (opts->json) {
		rc = print_json(&m);
	} else {
		for (i = 0; i < m.n_cards; i++)
			print_card(&m, &m.cards[i]);
		if (m.n_cards == 0)
			puts("no network cards found");
	}
	hf_machine_fini(&m);
	return rc;
}

int cmd_match(const struct cmd_options *opts, int argc, char **argv)
{
	struct hf_detect_opts where = {.sysfs = opts->sysfs, .verbs = opts->verbs};
	struct hf_err err = {0};
	char why[WHY_SIZE];
	struct hf_nic *nic;

	if (argc != 1)
		return cmd_usage();
	if (hf_port_match(argv[0], &where, &nic, why, sizeof(why), &err) < 0)
		return cmd_fail(&err);
	fprintf(stderr, "hw-profile: %s: %s%s\n", argv[0], why, nic ? "" : ": 'none' would serve");
	if (!nic)
		return CMD_NOT_FOUND;
	puts(nic->name);
	hf_profile_free(nic);
	return 0;
}
