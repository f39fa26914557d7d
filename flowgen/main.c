/* SPDX-License-Identifier: BSD-3-Clause */

#include "cli.h"

#include <hepflow/base/opts.h>
#include <hepflow/err.h>

#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct hf_opt options[] = {
	{'n', "node", "NODE", "the host to look at; default: the only node in the input",
		offsetof(struct cli, node)},
	{0, "host", "HOSTFACTS", "file with the facts of the host, read like any other FILE",
		offsetof(struct cli, host)},
	{'p', "profile", "PROFILE", "NIC profile: a name, or a path to its YAML",
		offsetof(struct cli, profile)},
	{'i', "iface", "IFACE", "the uplink the NIC serves; default: the first",
		offsetof(struct cli, iface)},
	{0, "fallback", "WHERE", "where packets go that hardware leaves: software or kernel",
		offsetof(struct cli, fallback)},
	{0, "eswitch", "WIRE:HOST",
		"plan for the e-switch between these ports: the wire's, and the host's end",
		offsetof(struct cli, eswitch)},
	{0, "reserve-queues", NULL,
		"tell verdicts by receive queues of their own where the NIC has no other way",
		offsetof(struct cli, reserve)},
	{0, "capacity", "N", "use at most so many entries; default: what the profile says",
		offsetof(struct cli, capacity)},
	{0, "weights", "FILE",
		"JSON with the packets each rule decided: what is busy goes to the NIC first",
		offsetof(struct cli, weights)},
	{0, "short-denies", NULL, "one NIC entry for what a tracked rule denies, without its count",
		offsetof(struct cli, short_denies)},
	{0, "strict-invalid", NULL, "count INVALID among the states a packet may be in",
		offsetof(struct cli, strict_invalid)},
	{0, "format", "FORMAT", "text (the default), json, testpmd, dot or junit",
		offsetof(struct cli, format)},
	{0, "packets", "PACKETFILE",
		"packets of eval and validate, one a line; - reads standard input",
		offsetof(struct cli, packets)},
	{0, "device", "DEVARGS", "the port to validate on; default: a virtual NIC of the profile",
		offsetof(struct cli, device)},
	{0, "calico-version", "vX.YY", "the Calico release to be like; default: the newest",
		offsetof(struct cli, calico)},
	{0, "prove", NULL, "diff: prove every step from the old plan to the new one",
		offsetof(struct cli, prove)},
	{'q', "quiet", NULL, "no notes and no warnings", offsetof(struct cli, quiet)},
	{'h', "help", NULL, "this text", offsetof(struct cli, help)},
	{'V', "version", NULL, "which flowgen this is", offsetof(struct cli, version)},
};

#define STAGE_FORM                                                                                 \
	"[-n NODE] [--host HOSTFACTS] [-p PROFILE] [--fallback software|kernel]\n"                 \
	"                  [--format text|json|testpmd|dot] FILE|DIR..."

static const struct verb {
	const char *name;
	const char *help;
	const char *form;
	int (*run)(const struct cli *cli); /* returns an exit code */
} verbs[] = {
	{"policy", "print the objects as read", STAGE_FORM, cli_policy},
	{"model", "print what applies to one host", STAGE_FORM, cli_model},
	{"rules", "print the tables: first match decides", STAGE_FORM, cli_rules},
	{"plan", "print what the NIC takes over, and why not the rest", STAGE_FORM, cli_plan},
	{"flows", "print the plan as dpdk-testpmd commands", STAGE_FORM, cli_flows},
	{"eval", "judge packets by the reference",
		"[-n NODE] [--host HOSTFACTS] [--packets PACKETFILE|-]\n"
		"                  [--format text|json] FILE|DIR... [PACKET...]",
		cli_eval},
	{"explain", "say step by step what happens to one packet",
		"[-n NODE] [--host HOSTFACTS] [-p PROFILE] FILE|DIR... PACKET", cli_explain},
	{"validate", "have dpdk-testpmd install the flows, and send it packets",
		"[-n NODE] [--host HOSTFACTS] -p PROFILE [--device DEVARGS]\n"
		"                  [--packets PACKETFILE] [--format text|json|junit] FILE|DIR...",
		cli_validate},
	{"check", "prove that NIC and rules decide what policy says",
		"[-n NODE] [--host HOSTFACTS] -p PROFILE FILE|DIR...", cli_check},
	{"diff",
		"what a change of policy changes in the NIC, and which packets meet another "
		"verdict",
		"[-n NODE] [--host HOSTFACTS] -p PROFILE [--prove] OLD NEW", cli_diff},
};

static int help(void)
{
	size_t i;

	puts("flowgen: Calico host-endpoint policy, from YAML to NIC flows\n");
	for (i = 0; i < N(verbs); i++)
		printf("  flowgen %-9s%s\n                    %s\n", verbs[i].name, verbs[i].form,
			verbs[i].help);
	puts("");
	hf_opts_print(options, N(options), stdout);
	puts("\nA PACKET is a line of key=value, as \"in=eth0 src=198.51.100.7 dst=192.0.2.10 "
	     "proto=tcp dport=22\".");
	return cli_finish();
}

static int version(void)
{
	puts("flowgen " HF_VERSION);
	return cli_finish();
}

static const struct verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < N(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct verb *verb;
	struct hf_err err = {0};
	struct cli cli = {0};
	int first;

	if (hf_opts_parse(options, N(options), argc, argv, &cli, &first, &err) < 0)
		return cli_usage("%s", err.text);
	if (cli.help)
		return help();
	if (cli.version)
		return version();
	if (first == argc)
		return cli_usage("no verb given");
	cli.verb = argv[first];
	cli.args = argv + first + 1;
	cli.n_args = (size_t)(argc - first - 1);
	verb = find_verb(cli.verb);
	if (!verb)
		return cli_usage("unknown verb '%s'", cli.verb);
	return verb->run(&cli);
}
