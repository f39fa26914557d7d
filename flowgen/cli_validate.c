/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * flowgen validate: stock dpdk-testpmd installs the flows of a plan, each on top of those before it
 * as hepflowd does; then packets are sent through them.
 */

#include "cli.h"

#include <hepflow/base/vec.h>
#include <hepflow/err.h>
#include <hepflow/flows.h>
#include <hepflow/frames.h>
#include <hepflow/net.h>
#include <hepflow/plan.h>
#include <hepflow/ref.h>
#include <hepflow/rules.h>
#include <hepflow/testpmd_child.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RULE_SIZE      2048  /* as of hf_flows_print_testpmd(); testpmd takes a quarter of it */
#define PACKETS_MAX    20000 /* what testpmd says of so many fits its output's limit */
#define REPLAY_SECONDS 60

/* A packet and what the reference says of it. */
struct probe {
	char *line;
	size_t number;
	struct hf_packet pkt;
	enum hf_fate fate; /* the reference's verdict */
};

struct run {
	const struct cli *cli;
	struct cli_built built;
	bool vnic; /* a virtual NIC, which tells what it installed */
	struct hf_testpmd *pmd;
	HF_VEC(struct probe) probes;
	size_t n_elsewhere; /* packets that do not arrive at this NIC */
	size_t n_hidden;    /* that say of themselves what no NIC sees */
	size_t n_rejected;
	size_t n_danger;
	size_t n_wrong;
	size_t n_fates[HF_FATE_JUMP];
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
		v = hf_rules_kernel_policy(run->built.rules, r->from, r->class);
	if (v == HF_VERDICT_ALLOW_UNTRACKED)
		return HF_FATE_ALLOW_UNTRACKED;
	return v == HF_VERDICT_ALLOW ? HF_FATE_ALLOW : HF_FATE_DENY;
}

static int take_packet(
	void *arg, const char *name, size_t number, const char *line, struct hf_err *err)
{
	struct run *run = arg;
	struct probe p = {.number = number};
	struct hf_ref_result result;
	int rc;

	if (line[0] == '#' || line[strspn(line, " \t")] == '\0')
		return 0;
	rc = cli_parse_packet(name, number, line, &p.pkt, err);
	if (rc < 0)
		return rc;
	if (hf_ref_eval(run->built.model, &p.pkt, NULL, NULL, &result, err) < 0)
		return cli_place_error(name, number, line, err);
	if (strcmp(p.pkt.in, hf_plan_iface(run->built.plan)) != 0) {
		run->n_elsewhere++;
		return 0;
	}
	if (is_hidden(&p.pkt)) {
		run->n_hidden++;
		return 0;
	}
	if (run->probes.n == PACKETS_MAX)
		return hf_fail(
			err, -E2BIG, "%s:%zu:1: more than %d packets", name, number, PACKETS_MAX);
	p.fate = reference_fate(run, &result);
	if (hf_vec_push(&run->probes, p))
		return hf_fail(err, -ENOMEM, "out of memory");
	run->probes.v[run->probes.n - 1].line = strdup(line);
	if (!run->probes.v[run->probes.n - 1].line)
		return hf_fail(err, -ENOMEM, "out of memory");
	return 0;
}

/* The frames as a file for net_pcap; path is a template of mkstemps(). */
static int write_frames(const struct run *run, char *path, struct hf_err *err)
{
	struct hf_packet *pkts = calloc(run->probes.n + 1, sizeof(*pkts));
	int fd = mkstemps(path, 5), rc = 0;
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	size_t i;

	if (!pkts)
		rc = hf_fail(err, -ENOMEM, "out of memory");
	else if (!out)
		rc = hf_fail(err, -EIO, "%s: %s", path, strerror(errno));
	for (i = 0; rc == 0 && i < run->probes.n; i++)
		pkts[i] = run->probes.v[i].pkt;
	if (rc == 0 && hf_frames_write(pkts, run->probes.n, out) < 0)
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
		.async = run->built.nic->async_only};
	char path[] = "/tmp/hepflow-XXXXXX.pcap", source[64];
	int rc = 0;

	if (run->cli->packets) {
		rc = write_frames(run, path, err);
		(void)snprintf(source, sizeof(source), "net_pcap0,rx_pcap=%s", path); /* fits */
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
static int check_danger(
	struct run *run, size_t i, uint32_t number, const char *rule, struct hf_err *err)
{
	const char *text, *mark, *from;
	char command[64];
	int rc;

	(void)snprintf(command, sizeof(command), "flow dump 0 rule %u", number);
	rc = hf_testpmd_ask(run->pmd, command, &text, err);
	if (rc < 0)
		return rc;
	mark = strstr(text, " not matched as asked");
	if (!mark)
		return 0;
	for (from = mark; from > text && from[-1] != ' '; from--)
		;
	run->n_danger++;
	printf("danger\t%.*s is not matched as asked\t%s\n\t%s\n", (int)(mark - from), from,
		origin(run->built.plan, i), rule);
	return 0;
}

static int install(struct run *run, size_t i, struct hf_err *err)
{
	struct hf_testpmd_answer answer;
	char rule[RULE_SIZE];
	struct hf_flow flow;
	int rc;

	hf_plan_flow(run->built.plan, run->built.nic, i, 1, &flow);
	(void)hf_flow_print_testpmd(&flow, 0, rule, sizeof(rule));
	rc = hf_testpmd_create(run->pmd, rule, &answer, err);
	if (rc < 0)
		return rc;
	if (answer.word == HF_TESTPMD_ACCEPT)
		return run->vnic ? check_danger(run, i, answer.rule, rule, err) : 0;
	run->n_rejected++;
	if (answer.word == HF_TESTPMD_REJECT)
		printf("reject\t%d\t%s\t%s\t%s\n\t%s\n", -answer.err, answer.type, answer.message,
			origin(run->built.plan, i), rule);
	else
		printf("bad\t%s\t%s\n\t%s\n", answer.message, origin(run->built.plan, i), rule);
	return 0;
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
static void judge(struct run *run, const struct probe *p, const struct hf_frame_seen *seen)
{
	enum hf_fate got = fate_seen(seen), planned = hf_plan_judge(run->built.plan, &p->pkt, NULL);

	run->n_fates[got]++;
	if (got == planned && (got == HF_FATE_PUNT || got == p->fate))
		return;
	run->n_wrong++;
	printf("wrong\tNIC %s, plan %s, reference %s\t%s:%zu\n\t%s\n", hf_fate_name(got),
		hf_fate_name(planned), hf_fate_name(p->fate), run->cli->packets, p->number,
		p->line);
}

static int replay(struct run *run, struct hf_err *err)
{
	static const char *const setup[] = {"set fwd rxonly", "set verbose 1"};
	struct hf_frame_seen *seen = calloc(run->probes.n + 1, sizeof(*seen));
	const char *text;
	size_t i;
	int rc = seen ? 0 : hf_fail(err, -ENOMEM, "out of memory");

	for (i = 0; rc == 0 && i < sizeof(setup) / sizeof(*setup); i++)
		rc = hf_testpmd_ask(run->pmd, setup[i], &text, err);
	if (rc == 0)
		rc = hf_testpmd_forward(run->pmd, HF_FRAMES_END, REPLAY_SECONDS, &text, err);
	if (rc == 0)
		rc = hf_frames_read(text, seen, run->probes.n, err) < 0 ? -EIO : 0;
	for (i = 0; rc == 0 && i < run->probes.n; i++)
		judge(run, &run->probes.v[i], &seen[i]);
	free(seen);
	return rc;
}

static void print_sum(const struct run *run)
{
	size_t n = hf_plan_n_entries(run->built.plan);

	printf("%s on %s: %zu rules, %zu accepted, %zu rejected, %zu installed otherwise\n",
		hf_plan_iface(run->built.plan),
		run->cli->device ? run->cli->device : hf_plan_nic(run->built.plan), n,
		n - run->n_rejected, run->n_rejected, run->n_danger);
	if (run->cli->packets)
		printf("%zu packets: %zu allowed, %zu denied, %zu punted, %zu wrong; left out: %zu "
		       "that do not arrive there, %zu with what no NIC sees\n",
			run->probes.n,
			run->n_fates[HF_FATE_ALLOW] + run->n_fates[HF_FATE_ALLOW_UNTRACKED],
			run->n_fates[HF_FATE_DENY], run->n_fates[HF_FATE_PUNT], run->n_wrong,
			run->n_elsewhere, run->n_hidden);
}

static int validate(struct run *run, struct hf_err *err)
{
	size_t i;
	int rc = 0;

	if (run->cli->packets)
		rc = cli_read_lines(run->cli->packets, take_packet, run, err);
	if (rc == 0)
		rc = open_port(run, err);
	for (i = 0; rc == 0 && i < hf_plan_n_entries(run->built.plan); i++)
		rc = install(run, i, err);
	if (rc == 0 && run->cli->packets)
		rc = replay(run, err);
	hf_testpmd_close(run->pmd);
	if (rc == 0)
		print_sum(run);
	return rc;
}

int cli_validate(const struct cli *cli)
{
	struct run run = {
		.cli = cli, .vnic = !cli->device || strncmp(cli->device, "net_vnic", 8) == 0};
	struct hf_err err = {0};
	size_t i;
	int rc;

	if (cli->format)
		return cli_usage("validate has no --format");
	if (cli->packets && cli->device)
		return cli_usage("validate: --packets are for the virtual NIC, not for --device");
	if (cli_reads_input_twice(cli, cli->args, cli->n_args))
		return cli_usage("validate: standard input cannot be policy and packets");
	rc = cli_build(cli, cli->args, cli->n_args, CLI_PLAN, cli->iface, &run.built);
	if (rc != CLI_OK)
		return rc;
	rc = validate(&run, &err);
	for (i = 0; i < run.probes.n; i++)
		free(run.probes.v[i].line);
	hf_vec_fini(&run.probes);
	cli_built_fini(&run.built);
	if (rc < 0) {
		(void)cli_fail(rc, &err);
		return run.pmd ? CLI_FAILED : CLI_USAGE; /* it ended on the way, or never began */
	}
	rc = cli_finish();
	return rc == CLI_OK && run.n_rejected + run.n_danger + run.n_wrong > 0 ? CLI_FAILED : rc;
}
