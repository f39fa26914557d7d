/* SPDX-License-Identifier: BSD-3-Clause */

#include "rpc.h"

#include <hepflow/err.h>

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NAME_WIDTH 23 /* of OVS */

/* Looks at one byte; true when it ends the request. */
static bool scan_byte(struct hf_rpc_scan *s, char c)
{
	if (s->in_string) {
		if (s->escaped)
			s->escaped = false;
		else if (c == '\\')
			s->escaped = true;
		else if (c == '"')
			s->in_string = false;
		return false;
	}
	if (c == '"')
		s->in_string = true;
	else if (c == '{' || c == '[')
		s->depth++;
	else if (c == '}' || c == ']')
		return --s->depth == 0;
	return false;
}

long hf_rpc_find_end(struct hf_rpc_scan *scan, const char *buf, size_t n)
{
	for (; scan->seen < n; scan->seen++) {
		char c = buf[scan->seen];

		if (scan->seen >= HF_RPC_SIZE_MAX)
			return -EMSGSIZE;
		if (scan->depth == 0 && (c == ' ' || c == '\n' || c == '\r' || c == '\t'))
			continue;
		if (scan->depth == 0 && c != '{')
			return -EBADMSG;
		if (scan_byte(scan, c))
			return (long)(scan->seen + 1);
	}
	return 0;
}

static const struct hf_rpc_command *find(const struct hf_rpc *rpc, const char *name)
{
	size_t i;

	for (i = 0; i < rpc->n; i++) {
		if (strcmp(rpc->commands[i].name, name) == 0)
			return &rpc->commands[i];
	}
	return NULL;
}

/* Sorts the parameters out. The texts are those of OVS. */
static int read_params(const struct hf_rpc_command *cmd, const json_t *params, const char **args,
	size_t *ret_n, bool *ret_json, struct hf_err *err)
{
	size_t i, n = 0;
	const json_t *v;

	json_array_foreach(params, i, v)
	{
		const char *text = json_string_value(v);

		if (!text)
			return hf_fail(
				err, -EINVAL, "\"%s\" command has non-string argument", cmd->name);
		if (cmd->json && strcmp(text, "--format=json") == 0)
			*ret_json = true;
		else if (cmd->json && strcmp(text, "--format=text") == 0)
			*ret_json = false;
		else if (n < HF_RPC_ARGS_MAX)
			args[n++] = text;
		else
			break;
	}
	if (n < cmd->min)
		return hf_fail(err, -EINVAL, "\"%s\" command requires at least %zu arguments",
			cmd->name, cmd->min);
	if (n > cmd->max || i < json_array_size(params))
		return hf_fail(err, -EINVAL, "\"%s\" command takes at most %zu arguments",
			cmd->name, cmd->max);
	*ret_n = n;
	return 0;
}

static int run(const struct hf_rpc *rpc, const char *name, const json_t *params, FILE *out,
	struct hf_err *err)
{
	const struct hf_rpc_command *cmd = find(rpc, name);
	const char *args[HF_RPC_ARGS_MAX];
	struct hf_rpc_call call = {.args = args, .out = out};
	int rc;

	if (!cmd)
		return hf_fail(err, -ENOENT,
			"\"%s\" is not a valid command (use \"list-commands\" to see a list of "
			"valid commands)",
			name);
	rc = read_params(cmd, params, args, &call.n_args, &call.json, err);
	return rc < 0 ? rc : cmd->run(rpc->arg, &call, err);
}

/* Text as the protocol wants it: never empty-handed about the last newline. */
static json_t *text_value(const char *text, size_t len)
{
	if (len == 0 || text[len - 1] == '\n')
		return json_stringn(text, len);
	return json_sprintf("%.*s\n", (int)len, text);
}

static int reply(
	const json_t *id, int rc, const char *text, size_t len, char **ret, size_t *ret_size)
{
	json_t *value = text_value(text, len), *message;

	/* Policy names are checked; what else is not UTF-8 cannot be said in JSON. */
	if (!value)
		value = json_string("(the text is not UTF-8)\n");
	message = rc < 0 ? json_pack("{s:O, s:n, s:o}", "id", id, "result", "error", value)
			 : json_pack("{s:O, s:o, s:n}", "id", id, "result", value, "error");
	*ret = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	if (!*ret)
		return -ENOMEM;
	*ret_size = strlen(*ret);
	return 0;
}

static int answer(const struct hf_rpc *rpc, const json_t *request, char **ret, size_t *ret_size)
{
	const json_t *id = json_object_get(request, "id");
	const char *method = json_string_value(json_object_get(request, "method"));
	const json_t *params = json_object_get(request, "params");
	struct hf_err err = {0};
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int rc;

	if (!method || !id || json_is_null(id) || !json_is_array(params))
		return -EBADMSG;
	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	rc = run(rpc, method, params, out, &err);
	if (fclose(out) != 0)
		rc = hf_fail(&err, -ENOMEM, "out of memory");
	if (rc < 0)
		rc = reply(id, rc, err.text, strlen(err.text), ret, ret_size);
	else
		rc = reply(id, rc, text, len, ret, ret_size);
	free(text);
	return rc;
}

int hf_rpc_answer(
	const struct hf_rpc *rpc, const char *text, size_t size, char **ret, size_t *ret_size)
{
	json_t *request = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	int rc;

	if (!request)
		return -EBADMSG;
	rc = answer(rpc, request, ret, ret_size);
	json_decref(request);
	return rc;
}

void hf_rpc_list(const struct hf_rpc *rpc, FILE *out)
{
	size_t i;

	fputs("The available commands are:\n", out);
	for (i = 0; i < rpc->n; i++)
		fprintf(out, "  %-*s %s\n", NAME_WIDTH, rpc->commands[i].name,
			rpc->commands[i].usage);
}
