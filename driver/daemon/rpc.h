/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * RPC: the control protocol of Open vSwitch (unixctl) without the sockets.
 *
 * A request is one JSON object, {"id":0,"method":"status","params":["a","b c"]}, requests follow
 * each other without any framing. The reply is {"id":0,"result":"text\n","error":null} or
 * {"id":0,"result":null,"error":"text\n"}; see ovsdb-server(7), and lib/unixctl.c of Open vSwitch
 * for the texts that clients know. Stock ovs-appctl is a client.
 *
 * Commands are a table. The argument "--format=json" is taken out of the parameters and given to
 * the command as a flag where it has a JSON form; where it has none, the text becomes
 * {"reply-format": "plain", "reply": TEXT}, as in Open vSwitch. After "set-options --format json",
 * which clients since Open vSwitch 3.4 send, results on that connection are JSON values, no texts.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct hf_err;

#define HF_RPC_SIZE_MAX (64u << 10) /* bytes of a request: a packet line has a few hundred */
#define HF_RPC_ARGS_MAX 32u

/* What a client has asked of its connection. Starts as {0}. */
struct hf_rpc_session {
	bool json;
	struct hf_rpc_later *later; /* the reply it waits for; struct hf_rpc_later */
};

struct hf_rpc_call {
	struct hf_rpc_session *session;
	size_t n_args;
	const char *const *args;
	bool json;
	FILE *out;		     /* in memory; becomes the result */
	struct hf_rpc_later **later; /* for hf_rpc_defer() */
};

struct hf_rpc_command {
	const char *name;
	const char *usage;
	size_t min; /* arguments */
	size_t max;
	bool json; /* has a JSON form */
	/* 0, or a negative errno with the text of the error reply in err; HF_RPC_LATER. */
	int (*run)(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
};

struct hf_rpc {
	size_t n;
	const struct hf_rpc_command *commands; /* sorted by name */
	void *arg;			       /* for run */
};

/* Where one request ends in a stream. Starts as {0}. */
struct hf_rpc_scan {
	size_t seen; /* bytes of the request looked at */
	unsigned int depth;
	bool in_string;
	bool escaped;
};

/*
 * Looks at n bytes of a stream from its beginning, of which scan->seen are known. Returns the
 * length of the first request, 0 if more bytes are needed, or -EBADMSG (no object) or -EMSGSIZE.
 */
long hf_rpc_find_end(struct hf_rpc_scan *scan, const char *buf, size_t n);

/*
 * Answers one request. *ret is the reply, to be freed. -EBADMSG: it is no request, and the peer
 * deserves no answer but a closed connection; -ENOMEM.
 */
int hf_rpc_answer(const struct hf_rpc *rpc, struct hf_rpc_session *session, const char *text,
	size_t size, char **ret, size_t *ret_size);

/*
 * A reply that comes later. A command that takes its time calls hf_rpc_defer() and returns
 * HF_RPC_LATER; whoever has the answer writes to out and calls hf_rpc_finish(), which ends it.
 *
 * hf_rpc_answer() gives no reply then (*ret is NULL) but session->later, and the peer waits: its
 * next request is not looked at. send is for who has the connection, and is called once, with
 * bytes that are lent. Should the connection end before, it sets send to NULL and forgets it.
 */
#define HF_RPC_LATER 1
struct hf_rpc_later {
	FILE *out;
	void (*send)(void *arg, const char *reply, size_t size);
	void *arg;
};
/* -ENOMEM. */
int hf_rpc_defer(const struct hf_rpc_call *call, struct hf_rpc_later **ret, struct hf_err *err);
/* rc and err as of hf_rpc_command.run(). */
void hf_rpc_finish(struct hf_rpc_later *take_later, int rc, const struct hf_err *err);

/* The commands set-options and list-commands, for tables. */
int hf_rpc_set_options(void *arg, const struct hf_rpc_call *call, struct hf_err *err);
void hf_rpc_list(const struct hf_rpc *rpc, FILE *out);
