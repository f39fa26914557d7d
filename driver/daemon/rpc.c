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
		if (strcmp(text, "--format=json") == 0)
			*ret_json = true;
		else if (strcmp(text, "--format=text") == 0)
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

static int run(const struct hf_rpc *rpc, const struct hf_rpc_command *cmd, const json_t *params,
	struct hf_rpc_call *call, struct hf_err *err)
{
	const char *args[HF_RPC_ARGS_MAX];
	bool json = call->json;
	int rc = read_params(cmd, params, args, &call->n_args, &json, err);

	if (rc < 0)
		return rc;
	call->args = args;
	call->json = json && cmd->json;
	rc = cmd->run(rpc->arg, call, err);
	call->args = NULL;
	call->json = json;
	return rc;
}

/* Text as the protocol wants it: never empty-handed about the last newline. */
static json_t *text_value(const char *text, size_t len)
{
	json_t *v = len == 0 || text[len - 1] == '\n' ? json_stringn(text, len)
						      : json_sprintf("%.*s\n", (int)len, text);

	/* Policy names are checked; what else is not UTF-8 cannot be said in JSON. */
	return v ? v : json_string("(the text is not UTF-8)\n");
}

/* What a command without a JSON form has said. */
static json_t *plain_value(const char *text, size_t len)
{
	return json_pack("{s:s, s:o}", "reply-format", "plain", "reply", text_value(text, len));
}

static json_t *printed(json_t *take_value)
{
	char *text = take_value ? json_dumps(take_value, JSON_INDENT(2)) : NULL;
	json_t *v = text ? text_value(text, strlen(text)) : NULL;

	free(text);
	json_decref(take_value);
	return v;
}

/* How a result is to be said. */
struct form {
	bool json;    /* asked for */
	bool session; /* by the connection: as a value, no text */
	bool has;     /* the command has a JSON form */
};

static json_t *result_value(const struct form *f, const char *text, size_t len)
{
	if (!f->json)
		return text_value(text, len);
	if (f->session)
		return f->has ? json_loadb(text, len, 0, NULL) : plain_value(text, len);
	return f->has ? text_value(text, len) : printed(plain_value(text, len));
}

static int reply(
	const json_t *id, const char *kind, json_t *take_value, char **ret, size_t *ret_size)
{
	bool ok = strcmp(kind, "result") == 0;
	json_t *message = json_pack("{s:O, s:o, s:o}", "id", id, "result",
		ok ? take_value : json_null(), "error", ok ? json_null() : take_value);

	*ret = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	if (!*ret)
		return -ENOMEM;
	*ret_size = strlen(*ret);
	return 0;
}

/* All of a reply that is not there yet. */
struct owed {
	struct hf_rpc_later later; /* first */
	json_t *id;
	struct form form;
	char *text;
	size_t len;
};

static int say(const json_t *id, const struct form *form, const char *text, size_t len, int rc,
	const struct hf_err *err, char **ret, size_t *ret_size)
{
	if (rc < 0)
		return reply(id, "error", text_value(err->text, strlen(err->text)), ret, ret_size);
	return reply(id, "result", result_value(form, text, len), ret, ret_size);
}

int hf_rpc_defer(const struct hf_rpc_call *call, struct hf_rpc_later **ret, struct hf_err *err)
{
	struct owed *o = calloc(1, sizeof(*o));

	if (o)
		o->later.out = open_memstream(&o->text, &o->len);
	if (!o || !o->later.out) {
		free(o);
		return hf_fail(err, -ENOMEM, "out of memory");
	}
	*ret = *call->later = &o->later;
	return 0;
}

void hf_rpc_finish(struct hf_rpc_later *take_later, int rc, const struct hf_err *err)
{
	struct owed *o = (struct owed *)take_later;
	static const struct hf_err no_memory = {.text = "out of memory"};
	char *text = NULL;
	size_t size;

	if (fclose(o->later.out) != 0 && rc == 0) {
		rc = -ENOMEM;
		err = &no_memory;
	}
	if (o->later.send &&
		say(o->id, &o->form, o->text ? o->text : "", o->len, rc, err, &text, &size) == 0)
		o->later.send(o->later.arg, text, size);
	free(text);
	free(o->text);
	json_decref(o->id);
	free(o);
}

static int answer(const struct hf_rpc *rpc, struct hf_rpc_session *session, json_t *request,
	char **ret, size_t *ret_size)
{
	json_t *id = json_object_get(request, "id");
	const char *method = json_string_value(json_object_get(request, "method"));
	const json_t *params = json_object_get(request, "params");
	struct hf_rpc_later *later = NULL;
	struct hf_rpc_call call = {.session = session, .json = session->json, .later = &later};
	const struct hf_rpc_command *cmd;
	struct form form = {.session = session->json};
	struct hf_err err = {0};
	char *text = NULL;
	size_t len = 0;
	int rc;

	if (!method || !id || json_is_null(id) || !json_is_array(params))
		return -EBADMSG;
	call.out = open_memstream(&text, &len);
	if (!call.out)
		return -ENOMEM;
	cmd = find(rpc, method);
	if (cmd)
		rc = run(rpc, cmd, params, &call, &err);
	else
		rc = hf_fail(&err, -ENOENT,
			"\"%s\" is not a valid command (use \"list-commands\" to see a list of "
			"valid commands)",
			method);
	if (fclose(call.out) != 0)
		rc = hf_fail(&err, -ENOMEM, "out of memory");
	form.json = call.json;
	form.has = cmd && cmd->json;
	form.session = session->json; /* set-options answers as it says */
	if (rc == HF_RPC_LATER) {
		struct owed *o = (struct owed *)later;

		o->id = json_incref(id);
		o->form = form;
		session->later = later;
		*ret = NULL;
		rc = 0;
	} else {
		rc = say(id, &form, text, len, rc, &err, ret, ret_size);
	}
	free(text);
	return rc;
}

int hf_rpc_answer(const struct hf_rpc *rpc, struct hf_rpc_session *session, const char *text,
	size_t size, char **ret, size_t *ret_size)
{
	json_t *request = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	int rc;

	if (!request)
		return -EBADMSG;
	rc = answer(rpc, session, request, ret, ret_size);
	json_decref(request);
	return rc;
}

int hf_rpc_set_options(void *, const struct hf_rpc_call *call, struct hf_err *err)
{
	const char *format = call->n_args == 2 ? call->args[1] : "";

	if (strcmp(call->args[0], "--format") != 0)
		return hf_fail(err, -EINVAL, "unknown option '%.80s'", call->args[0]);
	if (strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
		return hf_fail(err, -EINVAL, "--format is text or json");
	call->session->json = strcmp(format, "json") == 0;
	return 0;
}

void hf_rpc_list(const struct hf_rpc *rpc, FILE *out)
{
	size_t i;

	fputs("The available commands are:\n", out);
	for (i = 0; i < rpc->n; i++)
		fprintf(out, "  %-*s %s\n", NAME_WIDTH, rpc->commands[i].name,
			rpc->commands[i].usage);
}
