/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * flowgen eval: one verdict a packet. All output is held back until every packet has been judged,
 * so that a bad line leaves nothing behind but its message.
 */

#include "cli.h"

#include <hepflow/base/vec.h>
#include <hepflow/err.h>
#include <hepflow/net.h>
#include <hepflow/ref.h>

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Where results go. */
struct sink {
	const struct hf_model *model;
	bool json;
	size_t n;
	FILE *out;
};

static void put_text(struct sink *sink, const struct hf_ref_result *r)
{
	fprintf(sink->out, "%s\t%s->%s\t%s\n", hf_verdict_name(r->verdict), hf_from_name(r->from),
		hf_class_name(r->class), r->origin);
}

static int put_json(struct sink *sink, const char *line, const struct hf_ref_result *r)
{
	char path[32];
	json_t *obj;
	int rc;

	(void)snprintf(path, sizeof(path), "%s->%s", hf_from_name(r->from), /* fits */
		hf_class_name(r->class));
	obj = json_pack("{ssssssss}", "packet", line, "verdict", hf_verdict_name(r->verdict),
		"path", path, "origin", r->origin);
	if (!obj)
		return -ENOMEM;
	fputs(sink->n ? ",\n" : "\n", sink->out);
	rc = json_dumpf(obj, sink->out, JSON_COMPACT);
	json_decref(obj);
	return rc < 0 ? -EIO : 0;
}

static int judge(
	struct sink *sink, const char *name, size_t number, const char *line, struct hf_err *err)
{
	struct hf_ref_result result;
	struct hf_packet pkt;
	int rc = cli_parse_packet(name, number, line, &pkt, err);

	if (rc < 0)
		return rc;
	rc = hf_ref_eval(sink->model, &pkt, NULL, NULL, &result, err);
	if (rc < 0)
		return cli_place_error(name, number, line, err);
	if (sink->json)
		rc = put_json(sink, line, &result);
	else
		put_text(sink, &result);
	sink->n++;
	return rc;
}

/* One line of a packet file; comments and empty lines are kept in text, and left out of JSON. */
static int take_line(
	void *arg, const char *name, size_t number, const char *line, struct hf_err *err)
{
	struct sink *sink = arg;

	if (line[0] != '#' && line[strspn(line, " \t")] != '\0')
		return judge(sink, name, number, line, err);
	if (!sink->json)
		fprintf(sink->out, "%s\n", line);
	return 0;
}

static int judge_all(const struct cli *cli, struct sink *sink, struct hf_err *err)
{
	size_t i, number = 0;
	int rc = 0;

	if (sink->json)
		fputs("{\"schema\":1,\"results\":[", sink->out);
	if (cli->packets)
		rc = cli_read_lines(cli->packets, take_line, sink, err);
	for (i = 0; i < cli->n_args && rc == 0; i++) {
		if (cli_is_packet(cli->args[i]))
			rc = judge(sink, "PACKET", ++number, cli->args[i], err);
	}
	if (sink->json)
		fputs("\n]}\n", sink->out);
	return rc;
}

/* Judges into memory, and prints that only when all went well. */
static int judge_held_back(const struct cli *cli, const struct hf_model *model, bool json)
{
	char *text = NULL;
	size_t size = 0;
	struct hf_err err = {0};
	struct sink sink = {.model = model, .json = json, .out = open_memstream(&text, &size)};
	int rc;

	if (!sink.out)
		return cli_fail(-ENOMEM, &err);
	rc = judge_all(cli, &sink, &err);
	if (fclose(sink.out) != 0 && rc == 0)
		rc = -ENOMEM;
	if (rc == 0)
		(void)fwrite(text, 1, size, stdout); /* cli_finish() sees what was lost */
	free(text);
	return rc < 0 ? cli_fail(rc, &err) : cli_finish();
}

/* What of the operands is not a packet. */
static int list_files(const struct cli *cli, char ***ret, size_t *ret_n)
{
	HF_VEC(char *) files = {};
	size_t i;

	for (i = 0; i < cli->n_args; i++) {
		if (!cli_is_packet(cli->args[i]) && hf_vec_push(&files, cli->args[i])) {
			hf_vec_fini(&files);
			return -ENOMEM;
		}
	}
	*ret = files.v;
	*ret_n = files.n;
	return 0;
}

int cli_eval(const struct cli *cli)
{
	static const char *const formats[] = {"text", "json"};
	int format = cli_format(cli, formats, 2), rc;
	struct cli_built built;
	char **files;
	size_t n;

	if (format < 0)
		return CLI_USAGE;
	if (list_files(cli, &files, &n) < 0)
		return cli_fail(-ENOMEM, &(struct hf_err){0});
	if (!cli->packets && n == cli->n_args)
		rc = cli_usage("eval: no packet given");
	else if (cli_reads_input_twice(cli, files, n))
		rc = cli_usage("eval: standard input cannot be policy and packets");
	else
		rc = cli_build(cli, files, n, CLI_MODEL, NULL, &built);
	free(files);
	if (rc != CLI_OK)
		return rc;
	rc = judge_held_back(cli, built.model, format == 1);
	cli_built_fini(&built);
	return rc;
}
