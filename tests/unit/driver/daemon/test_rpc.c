/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test.h"

#include "daemon/rpc.h"

#include <hepflow/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(rpc);

static int cmd_echo(void *, const struct hf_rpc_call *call, struct hf_err *)
{
	size_t i;

	for (i = 0; i < call->n_args; i++)
		fprintf(call->out, "%s%s", i ? "|" : "", call->args[i]);
	if (call->json)
		fputs("+json", call->out);
	return 0;
}

static int cmd_json(void *, const struct hf_rpc_call *call, struct hf_err *)
{
	fputs(call->json ? "{\"a\":[1]}" : "one", call->out);
	return 0;
}

static int cmd_fail(void *, const struct hf_rpc_call *call, struct hf_err *err)
{
	fputs("lost", call->out);
	return hf_fail(err, -EIO, "it \"failed\"");
}

static struct hf_rpc_later *later;

static int cmd_later(void *, const struct hf_rpc_call *call, struct hf_err *err)
{
	return hf_rpc_defer(call, &later, err) < 0 ? -ENOMEM : HF_RPC_LATER;
}

static const struct hf_rpc_command commands[] = {
	{"echo", "[ARG...]", 1, 3, true, cmd_echo},
	{"fail", "", 0, 0, false, cmd_fail},
	{"json", "", 0, 0, true, cmd_json},
	{"later", "", 0, 0, false, cmd_later},
	{"quiet", "", 0, 2, false, cmd_echo},
	{"set-options", "", 1, 2, false, hf_rpc_set_options},
};

static const struct hf_rpc rpc = {.n = 6, .commands = commands};

static struct hf_rpc_session session;

static void answers(const char *request, const char *want)
{
	char *reply;
	size_t size;

	cr_assert_eq(hf_rpc_answer(&rpc, &session, request, strlen(request), &reply, &size), 0,
		"%s", request);
	cr_assert_str_eq(reply, want);
	cr_assert_eq(size, strlen(want));
	free(reply);
}

Test(rpc, results_end_with_a_newline)
{
	answers("{\"id\":0,\"method\":\"echo\",\"params\":[\"a\",\"b c\"]}",
		"{\"id\":0,\"result\":\"a|b c\\n\",\"error\":null}");
	answers("{\"id\":7,\"method\":\"echo\",\"params\":[\"x\\n\"]}",
		"{\"id\":7,\"result\":\"x\\n\",\"error\":null}");
	answers("{\"id\":\"s\",\"method\":\"quiet\",\"params\":[]}",
		"{\"id\":\"s\",\"result\":\"\",\"error\":null}");
}

static void put_reply(void *arg, const char *reply, size_t size)
{
	cr_assert_eq(strlen(reply), size);
	(void)snprintf(arg, 256, "%s", reply);
}

Test(rpc, reply_may_come_later)
{
	static const char request[] = "{\"id\":7,\"method\":\"later\",\"params\":[]}";
	const struct hf_err err = {.text = "no"};
	char *reply, text[256];
	size_t size;
	int rc;

	for (rc = 0; rc > -2; rc--) {
		cr_assert_eq(
			hf_rpc_answer(&rpc, &session, request, strlen(request), &reply, &size), 0);
		cr_assert_null(reply);
		cr_assert_eq(session.later, later);
		session.later = NULL;
		later->send = put_reply;
		later->arg = text;
		fputs("done", later->out);
		hf_rpc_finish(later, rc, &err);
		cr_assert_str_eq(text, rc ? "{\"id\":7,\"result\":null,\"error\":\"no\\n\"}"
					  : "{\"id\":7,\"result\":\"done\\n\",\"error\":null}");
	}
	/* Whoever asked is gone. */
	cr_assert_eq(hf_rpc_answer(&rpc, &session, request, strlen(request), &reply, &size), 0);
	session.later = NULL;
	hf_rpc_finish(later, 0, &err);
}

Test(rpc, error_texts_are_those_of_ovs)
{
	answers("{\"id\":0,\"method\":\"fail\",\"params\":[]}",
		"{\"id\":0,\"result\":null,\"error\":\"it \\\"failed\\\"\\n\"}");
	answers("{\"id\":0,\"method\":\"no\",\"params\":[]}",
		"{\"id\":0,\"result\":null,\"error\":\"\\\"no\\\" is not a valid command (use "
		"\\\"list-commands\\\" to see a list of valid commands)\\n\"}");
	answers("{\"id\":0,\"method\":\"echo\",\"params\":[]}",
		"{\"id\":0,\"result\":null,\"error\":\"\\\"echo\\\" command requires at least 1 "
		"arguments\\n\"}");
	answers("{\"id\":0,\"method\":\"echo\",\"params\":[\"1\",\"2\",\"3\",\"4\"]}",
		"{\"id\":0,\"result\":null,\"error\":\"\\\"echo\\\" command takes at most 3 "
		"arguments\\n\"}");
	answers("{\"id\":0,\"method\":\"echo\",\"params\":[1]}",
		"{\"id\":0,\"result\":null,\"error\":\"\\\"echo\\\" command has non-string "
		"argument\\n\"}");
}

Test(rpc, format_is_no_argument_of_commands_that_know_json)
{
	answers("{\"id\":0,\"method\":\"echo\",\"params\":[\"--format=json\",\"a\"]}",
		"{\"id\":0,\"result\":\"a+json\\n\",\"error\":null}");
}

/* As Open vSwitch has it since 3.4. */
Test(rpc, what_has_no_json_form_is_wrapped)
{
	answers("{\"id\":0,\"method\":\"quiet\",\"params\":[\"--format=json\",\"a\"]}",
		"{\"id\":0,\"result\":\"{\\n  \\\"reply-format\\\": \\\"plain\\\",\\n  "
		"\\\"reply\\\": "
		"\\\"a\\\\n\\\"\\n}\\n\",\"error\":null}");
}

Test(rpc, a_connection_can_be_turned_to_json)
{
	answers("{\"id\":0,\"method\":\"set-options\",\"params\":[\"--format\",\"yaml\"]}",
		"{\"id\":0,\"result\":null,\"error\":\"--format is text or json\\n\"}");
	answers("{\"id\":0,\"method\":\"set-options\",\"params\":[\"--colour\"]}",
		"{\"id\":0,\"result\":null,\"error\":\"unknown option '--colour'\\n\"}");
	answers("{\"id\":0,\"method\":\"json\",\"params\":[]}",
		"{\"id\":0,\"result\":\"one\\n\",\"error\":null}");
	answers("{\"id\":0,\"method\":\"set-options\",\"params\":[\"--format\",\"json\"]}",
		"{\"id\":0,\"result\":\"\",\"error\":null}");
	answers("{\"id\":0,\"method\":\"json\",\"params\":[]}",
		"{\"id\":0,\"result\":{\"a\":[1]},\"error\":null}");
	answers("{\"id\":0,\"method\":\"quiet\",\"params\":[\"a\"]}",
		"{\"id\":0,\"result\":{\"reply-format\":\"plain\",\"reply\":\"a\\n\"},\"error\":"
		"null}");
	answers("{\"id\":0,\"method\":\"json\",\"params\":[\"--format=text\"]}",
		"{\"id\":0,\"result\":\"one\\n\",\"error\":null}");
}

Test(rpc, more_arguments_than_there_is_room_for_are_too_many)
{
	char text[2048] = "{\"id\":0,\"method\":\"quiet\",\"params\":[\"a\"";
	int i;

	for (i = 0; i < 100; i++)
		strcat(text, ",\"a\"");
	strcat(text, "]}");
	answers(text, "{\"id\":0,\"result\":null,\"error\":\"\\\"quiet\\\" command takes at most 2 "
		      "arguments\\n\"}");
}

Test(rpc, what_is_no_request_gets_no_answer)
{
	static const char *const bad[] = {
		"{}",
		"{\"id\":null,\"method\":\"echo\",\"params\":[]}",
		"{\"id\":0,\"method\":1,\"params\":[]}",
		"{\"id\":0,\"method\":\"echo\",\"params\":{}}",
		"{\"id\":0,\"method\":\"echo\"}",
		"{\"id\":0,\"id\":1,\"method\":\"echo\",\"params\":[\"a\"]}",
		"{nonsense}",
		"{\"id\":0,\"method\":\"echo\",\"params\":[\"\xff\"]}",
	};
	char *reply;
	size_t size, i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(hf_rpc_answer(&rpc, &session, bad[i], strlen(bad[i]), &reply, &size),
			-EBADMSG, "%s", bad[i]);
}

Test(rpc, end_is_found_whatever_the_pieces)
{
	static const char stream[] = " \n{\"a\":\"}\\\"}\",\"b\":[{},[]]}{\"id\":1}";
	const size_t first = strlen(" \n{\"a\":\"}\\\"}\",\"b\":[{},[]]}");
	size_t step, n;

	for (step = 1; step <= sizeof(stream) - 1; step++) {
		struct hf_rpc_scan scan = {0};
		long end = 0;

		for (n = 0; end == 0;
			n = n + step < sizeof(stream) - 1 ? n + step : sizeof(stream) - 1)
			end = hf_rpc_find_end(&scan, stream, n);
		cr_assert_eq(end, (long)first, "in steps of %zu: %ld", step, end);
	}
}

Test(rpc, streams_without_an_object_are_refused)
{
	static char big[HF_RPC_SIZE_MAX + 2];
	struct hf_rpc_scan scan = {0};

	cr_assert_eq(hf_rpc_find_end(&scan, "[1]", 3), -EBADMSG);
	scan = (struct hf_rpc_scan){0};
	cr_assert_eq(hf_rpc_find_end(&scan, "GET / HTTP/1.0", 14), -EBADMSG);
	memset(big, ' ', sizeof(big));
	big[0] = '{';
	scan = (struct hf_rpc_scan){0};
	cr_assert_eq(hf_rpc_find_end(&scan, big, HF_RPC_SIZE_MAX), 0);
	cr_assert_eq(hf_rpc_find_end(&scan, big, HF_RPC_SIZE_MAX + 1), -EMSGSIZE);
}

Test(rpc, list_has_the_form_of_ovs)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	hf_rpc_list(&rpc, out);
	cr_assert_eq(fclose(out), 0);
	cr_assert_str_eq(text, "The available commands are:\n"
			       "  echo                    [ARG...]\n"
			       "  fail                    \n"
			       "  json                    \n"
			       "  later                   \n"
			       "  quiet                   \n"
			       "  set-options             \n");
	free(text);
}
