/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * flowgen validate: stock dpdk-testpmd installs the flows of a plan, each on top of those before it
 * as hepflowd does; then packets are sent through them.
 */

#include "cli_validate.h"

#include <hepflow/err.h>
#include <hepflow/flows.h>
#include <hepflow/frames.h>
#include <hepflow/ref.h>
#include <hepflow/rules.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACKETS_MAX    20000 /* what testpmd says of so many fits its output's limit */
#define REPLAY_SECONDS 60

struct run {
	struct cli_validation v; /* what is found */
	const struct cli *cli;
	bool vnic; /* a virtual NIC, which tells what it installed */
	struct hf_testpmd *pmd;
};

/* A packet that only opens a connection cannot belong to one (docs/architecture.md). */
static bool contradicts_itself(const struct hf_packet *p)
{
	static const uint8_t v4[] = {8, 13, 15, 17}, v6[] = {128, 139};

	if (p->ct != HF_CT_ESTABLISHED && p->ct != HF_CT_RELATED)
		return false;
	if (p->proto == HF_PROTO_TCP)
		return (p->tcp_flags & (HF_TCP_SYN | HF_TCP_ACK)) == HF_TCP_SYN;
	if (p->proto == HF_PROTO_ICMP && p->src.family == 4)
		return memchr(v4, p->icmp_type, sizeof(v4)) != NULL;
	return p->proto == HF_PROTO_ICMPV6 && p->src.family == 6 &&
	       memchr(v6, p->icmp_type, sizeof(v6)) != NULL;
}

/*
 * What the line claims of invalid state, services and routing is not on the wire, and not in the
 * host facts that the plan was made from.
 */
static bool is_hidden(const struct hf_packet *p)
{
	return p->ct == HF_CT_INVALID || p->ct == HF_CT_UNTRACKED || p->has_dnat || p->out[0] ||
	       contradicts_itself(p);
}

static enum hf_fate reference_fate(const struct run *run, const struct hf_ref_result *r)
{
	enum hf_verdict v = r->verdict;

	if (v == HF_VERDICT_NO_DECISION)
		v = hf_rules_kernel_policy(run->v.built.rules, r->from, r->class);
	if (v == HF_VERDICT_ALLOW_UNTRACKED)
		return HF_FATE_ALLOW_UNTRACKED;
	return v == HF_VERDICT_ALLOW ? HF_FATE_ALLOW : HF_FATE_DENY;
}

static int take_packet(
	void *arg, const char *name, size_t number, const char *line, struct hf_err *err)
{
	struct run *run = arg;
	struct cli_probe p = {.number = number};
	struct hf_ref_result result;
	int rc;

	if (line[0] == '#' || line[strspn(line, " \t")] == '\0')
		return 0;
	rc = cli_parse_packet(name, number, line, &p.pkt, err);
	if (rc < 0)
		return rc;
	if (hf_ref_eval(run->v.built.model, &p.pkt, NULL, NULL, &result, err) < 0)
		return cli_place_error(name, number, line, err);
	if (strcmp(p.pkt.in, hf_plan_iface(run->v.built.plan)) != 0) {
		run->v.n_elsewhere++;
		return 0;
	}
	if (is_hidden(&p.pkt)) {
		run->v.n_hidden++;
		return 0;
	}
	if (run->v.probes.n == PACKETS_MAX)
		return hf_fail(
			err, -E2BIG, "%s:%zu:1: more than %d packets", name, number, PACKETS_MAX);
	p.fate = reference_fate(run, &result);
	if (hf_vec_push(&run->v.probes, p))
		return hf_fail(err, -ENOMEM, "out of memory");
	run->v.probes.v[run->v.probes.n - 1].line = strdup(line);
	if (!run->v.probes.v[run->v.probes.n - 1].line)
		return hf_fail(err, -ENOMEM, "out of memory");
	return 0;
}

/* The frames as a file for net_pcap; path is a template of mkstemps(). */
static int write_frames(const struct run *run, char *path, struct hf_err *err)
{
	struct hf_packet *pkts = calloc(run->v.probes.n + 1, sizeof(*pkts));
	int fd = mkstemps(path, 5), rc = 0;
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	size_t i;

	if (!pkts)
		rc = hf_fail(err, -ENOMEM, "out of memory");
	else if (!out)
		rc = hf_fail(err, -EIO, "%s: %s", path, strerror(errno));
	for (i = 0; rc == 0 && i < run->v.probes.n; i++)
		pkts[i] = run->v.probes.v[i].pkt;
	if (rc == 0 && hf_frames_write(pkts, run->v.probes.n, out) < 0)
		rc = hf_fail(err, -EIO, "%s: %s", path, strerror(errno));
	if (out)
		(void)fclose(out); /* flushed already */
	free(pkts);
	return rc;
}

static int open_port(struct run *run, struct hf_err *err)
{
	struct hf_testpmd_opts opts = {.profile = run->cli->profile,
		.device = run->cli->device,
		.n_rx_queues = 1,
		.async = run->v.built.nic->async_only};
	char path[] = "/tmp/hepflow-XXXXXX.pcap", source[128];
	int rc = 0;

	if (run->cli->packets) {
		rc = write_frames(run, path, err);
		/* Of two send queues, as the NIC of an e-switch keeps one to itself. It fits. */
		(void)snprintf(source, sizeof(source),
			"net_pcap0,rx_pcap=%s,tx_pcap=/dev/null,tx_pcap=/dev/null", path);
		opts.source = source;
	}
	if (rc == 0)
		rc = hf_testpmd_open(&opts, &run->pmd, err);
	if (run->cli->packets)
		(void)unlink(path); /* net_pcap has it open */
	return rc;
}

static const char *origin(const struct hf_plan *plan, size_t i)
{
	const struct hf_entry *e = hf_plan_entry(plan, i);
	const char *text = hf_plan_origin(plan, e->origin);

	return text[0] ? text : hf_plan_table(plan, e->table)->name;
}

/* Whether the virtual NIC says that it installed something else. */
static int check_danger(struct run *run, struct cli_tried *t, struct hf_err *err)
{
	const char *text, *mark, *from;
	char command[64];
	int rc;

	(void)snprintf(command, sizeof(command), "flow dump 0 rule %u", t->answer.rule);
	rc = hf_testpmd_ask(run->pmd, command, &text, err);
	if (rc < 0)
		return rc;
	mark = strstr(text, " not matched as asked");
	if (!mark)
		return 0;
	for (from = mark; from > text && from[-1] != ' '; from--)
		;
	run->v.n_danger++;
	(void)snprintf(t->danger, sizeof(t->danger), "%.*s", (int)(mark - from), from);
	return 0;
}

static int install(struct run *run, size_t i, struct hf_err *err)
{
	struct cli_tried t = {.origin = origin(run->v.built.plan, i)};
	char rule[CLI_RULE_SIZE];
	struct hf_flow flow;
	int rc;

	hf_plan_flow(run->v.built.plan, run->v.built.nic, i, 1, &flow);
	(void)hf_flow_print_testpmd(&flow, 0, rule, sizeof(rule));
	rc = hf_testpmd_create(run->pmd, rule, &t.answer, err);
	if (rc < 0)
		return rc;
	if (t.answer.word != HF_TESTPMD_ACCEPT)
		run->v.n_rejected++;
	else if (run->vnic)
		rc = check_danger(run, &t, err);
	if (hf_vec_push(&run->v.tried, t))
		return hf_fail(err, -ENOMEM, "out of memory");
	run->v.tried.v[run->v.tried.n - 1].rule = strdup(rule);
	if (!run->v.tried.v[run->v.tried.n - 1].rule)
		return hf_fail(err, -ENOMEM, "out of memory");
	return rc;
}

static enum hf_fate fate_seen(const struct hf_frame_seen *seen)
{
	if (!seen->received)
		return HF_FATE_DENY;
	if (!seen->marked)
		return HF_FATE_PUNT;
	return seen->mark == HF_MARK_ALLOW_UNTRACKED ? HF_FATE_ALLOW_UNTRACKED : HF_FATE_ALLOW;
}

/* The NIC must do what the plan says, and must not contradict the reference. */
static void judge(struct run *run, struct cli_probe *p, const struct hf_frame_seen *seen)
{
	p->got = fate_seen(seen);
	p->planned = hf_plan_judge(run->v.built.plan, &p->pkt, NULL);
	p->wrong = p->got != p->planned || (p->got != HF_FATE_PUNT && p->got != p->fate);
	run->v.n_fates[p->got]++;
	run->v.n_wrong += p->wrong;
}

static int replay(struct run *run, struct hf_err *err)
{
	static const char *const setup[] = {"set fwd rxonly", "set verbose 1"};
	struct hf_frame_seen *seen = calloc(run->v.probes.n + 1, sizeof(*seen));
	const char *text;
	size_t i;
	int rc = seen ? 0 : hf_fail(err, -ENOMEM, "out of memory");

	for (i = 0; rc == 0 && i < sizeof(setup) / sizeof(*setup); i++)
		rc = hf_testpmd_ask(run->pmd, setup[i], &text, err);
	if (rc == 0)
		rc = hf_testpmd_forward(run->pmd, HF_FRAMES_END, REPLAY_SECONDS, &text, err);
	if (rc == 0)
		rc = hf_frames_read(text, seen, run->v.probes.n, err) < 0 ? -EIO : 0;
	for (i = 0; rc == 0 && i < run->v.probes.n; i++)
		judge(run, &run->v.probes.v[i], &seen[i]);
	free(seen);
	return rc;
}

static int validate(struct run *run, struct hf_err *err)
{
	size_t i;
	int rc = 0;

	if (run->cli->packets)
		rc = cli_read_lines(run->cli->packets, take_packet, run, err);
	if (rc == 0)
		rc = open_port(run, err);
	for (i = 0; rc == 0 && i < hf_plan_n_entries(run->v.built.plan); i++)
		rc = install(run, i, err);
	if (rc == 0 && run->cli->packets)
		rc = replay(run, err);
	hf_testpmd_close(run->pmd);
	return rc;
}

static void run_fini(struct run *run)
{
	size_t i;

	for (i = 0; i < run->v.probes.n; i++)
		free(run->v.probes.v[i].line);
	hf_vec_fini(&run->v.probes);
	for (i = 0; i < run->v.tried.n; i++)
		free(run->v.tried.v[i].rule);
	hf_vec_fini(&run->v.tried);
	cli_built_fini(&run->v.built);
}

int cli_validate(const struct cli *cli)
{
	static const char *const formats[] = {"text", "json", "junit"};
	static int (*const print[])(const struct cli_validation *) = {
		cli_print_validation_text, cli_print_validation_json, cli_print_validation_junit};
	struct run run = {.cli = cli,
		.v.cli = cli,
		.vnic = !cli->device || strncmp(cli->device, "net_vnic", 8) == 0};
	int format = cli_format(cli, formats, sizeof(formats) / sizeof(*formats)), rc;
	struct hf_err err = {0};

	if (format < 0)
		return CLI_USAGE;
	if (cli->packets && cli->device)
		return cli_usage("validate: --packets are for the virtual NIC, not for --device");
	if (cli_reads_input_twice(cli, cli->args, cli->n_args))
		return cli_usage("validate: standard input cannot be policy and packets");
	rc = cli_build(cli, cli->args, cli->n_args, CLI_PLAN, cli->iface, &run.v.built);
	if (rc != CLI_OK)
		return rc;
	rc = validate(&run, &err);
	if (rc == 0 && print[format](&run.v) < 0)
		rc = hf_fail(&err, -ENOMEM, "out of memory");
	if (rc < 0) {
		(void)cli_fail(rc, &err);
		rc = run.pmd ? CLI_FAILED : CLI_USAGE; /* it ended on the way, or never began */
	} else {
		rc = cli_finish();
		if (rc == CLI_OK && run.v.n_rejected + run.v.n_danger + run.v.n_wrong > 0)
			rc = CLI_FAILED;
	}
	run_fini(&run);
	return rc;
}
