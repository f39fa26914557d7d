/* SPDX-License-Identifier: BSD-3-Clause */

/* The connections that software knows: conntrack/dump, conntrack/flush. */

#include "commands.h"

#include "daemon.h"
#include "handover.h"

#include "flow/ops.h"
#include "soft/soft.h"

#include <hepflow/err.h>

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FLUSH_WAIT_MS 2000 /* the worker takes some thousand places a millisecond */

static const char *wire_name(const struct hf_daemon *d, unsigned int wire)
{
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (d->wires[i].soft == wire)
			return d->wires[i].outer_conf->name;
	}
	return "?";
}

/* One end's view: "src=A,dst=B,sport=1,dport=2", or ICMP's numbers. Who answers is a backend if it
 * was chosen here. */
static void print_tuple(const struct hf_soft_conn *c, bool reply, FILE *out)
{
	const struct hf_addr *called = reply && c->translated ? &c->backend : &c->dst;
	uint16_t port = reply && c->translated ? c->backend_port : c->dport;
	char src[HF_ADDRSTR_SIZE], dst[HF_ADDRSTR_SIZE];
	bool icmp = c->proto == HF_PROTO_ICMP || c->proto == HF_PROTO_ICMPV6;

	fprintf(out, "%s=(src=%s,dst=%s", reply ? "reply" : "orig",
		hf_addr_print(reply ? called : &c->src, src),
		hf_addr_print(reply ? &c->src : called, dst));
	if (icmp)
		fprintf(out, ",id=%u", c->sport);
	else if (hf_proto_has_ports(c->proto))
		fprintf(out, ",sport=%" PRIu16 ",dport=%" PRIu16, reply ? port : c->sport,
			reply ? c->sport : port);
	if (icmp && !reply)
		fprintf(out, ",type=%d,code=%d", c->dport >> 8, c->dport & 0xff);
	fprintf(out, ",packets=%" PRIu64 ",bytes=%" PRIu64 ")", c->packets[reply], c->bytes[reply]);
}

static json_t *tuple_json(const struct hf_soft_conn *c, bool reply)
{
	char src[HF_ADDRSTR_SIZE], dst[HF_ADDRSTR_SIZE];
	bool icmp = c->proto == HF_PROTO_ICMP || c->proto == HF_PROTO_ICMPV6;
	json_t *j = json_pack("{s:s, s:s, s:I, s:I}", "src",
		hf_addr_print(reply ? &c->dst : &c->src, src), "dst",
		hf_addr_print(reply ? &c->src : &c->dst, dst), "packets",
		(json_int_t)c->packets[reply], "bytes", (json_int_t)c->bytes[reply]);

	if (icmp)
		(void)json_object_set_new(j, "id", json_integer(c->sport));
	else if (hf_proto_has_ports(c->proto))
		(void)json_object_update_new(
			j, json_pack("{s:i, s:i}", "sport", reply ? c->dport : c->sport, "dport",
				   reply ? c->sport : c->dport));
	if (icmp && !reply)
		(void)json_object_update_new(
			j, json_pack("{s:i, s:i}", "type", c->dport >> 8, "code", c->dport & 0xff));
	return j;
}

static json_t *conn_json(const struct hf_daemon *d, const struct hf_soft_conn *c)
{
	char proto[12];
	json_t *j = json_pack("{s:s, s:s, s:b, s:b, s:s?, s:o, s:o}", "proto",
		hf_proto_name(c->proto, proto), "wire", wire_name(d, c->wire), "replied",
		c->replied, "assured", c->assured, "state", c->state[0] ? c->state : NULL, "orig",
		tuple_json(c, false), "reply", tuple_json(c, true));
	unsigned int dir;

	for (dir = 0; dir < 2; dir++) {
		struct hf_flow_hits hits;

		if (!hf_handover_find(d, c, dir == 1, &hits))
			continue;
		(void)json_object_set_new(json_object_get(j, dir ? "reply" : "orig"), "offloaded",
			json_pack("{s:I, s:I}", "packets", (json_int_t)hits.packets, "bytes",
				(json_int_t)hits.bytes));
	}
	return j;
}

static void print_conn(const struct hf_daemon *d, const struct hf_soft_conn *c, FILE *out)
{
	static const char *const dirs[] = {"orig", "reply"};
	struct hf_flow_hits hits;
	unsigned int dir;
	char proto[12];

	fprintf(out, "%s,", hf_proto_name(c->proto, proto));
	print_tuple(c, false, out);
	fputc(',', out);
	print_tuple(c, true, out);
	fprintf(out, ",zone=%s", wire_name(d, c->wire));
	fprintf(out, ",status=%s%s", c->replied ? "SEEN_REPLY" : "NEW",
		c->assured ? "|ASSURED" : "");
	if (c->state[0])
		fprintf(out, ",protoinfo=(state=%s)", c->state);
	for (dir = 0; dir < 2; dir++) {
		if (hf_handover_find(d, c, dir == 1, &hits))
			fprintf(out, ",offloaded=(dir=%s,packets=%" PRIu64 ",bytes=%" PRIu64 ")",
				dirs[dir], hits.packets, hits.bytes);
	}
	fputc('\n', out);
}

static int parse_port(const char *text, uint16_t *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < 1 || n > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)n;
	return 0;
}

static int parse_wire(const struct hf_daemon *d, const char *text, struct hf_soft_filter *f)
{
	size_t i;

	for (i = 0; i < d->n_wires; i++) {
		if (strcmp(d->wires[i].outer_conf->name, text) != 0)
			continue;
		f->any_wire = false;
		f->wire = d->wires[i].soft;
		return 0;
	}
	return -ENOENT;
}

/* One KEY=VALUE. */
static int parse_term(const struct hf_daemon *d, const char *arg, struct hf_soft_filter *f)
{
	const char *value = strchr(arg, '=');
	size_t len = value ? (size_t)(value - arg) : 0;
	size_t i;

	static const char *const keys[] = {"wire", "proto", "src", "dst", "sport", "dport"};

	for (i = 0; value && i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strlen(keys[i]) == len && strncmp(keys[i], arg, len) == 0)
			break;
	}
	if (!value)
		return -EINVAL;
	value++;
	switch (i) {
	case 0:
		return parse_wire(d, value, f);
	case 1:
		return hf_proto_parse(value, &f->proto);
	case 2:
		return hf_prefix_parse(value, &f->src, NULL);
	case 3:
		return hf_prefix_parse(value, &f->dst, NULL);
	case 4:
		return parse_port(value, &f->sport);
	case 5:
		return parse_port(value, &f->dport);
	default:
		return -EINVAL;
	}
}

static int parse_filter(const struct hf_daemon *d, const struct hf_rpc_call *call,
	struct hf_soft_filter *ret, struct hf_err *err)
{
	size_t i;

	*ret = (struct hf_soft_filter){.any_wire = true};
	for (i = 0; i < call->n_args; i++) {
		if (parse_term(d, call->args[i], ret) < 0)
			return hf_fail(err, -EINVAL,
				"'%.80s': not one of wire=NAME proto=PROTO src=PREFIX dst=PREFIX "
				"sport=PORT dport=PORT",
				call->args[i]);
	}
	return 0;
}

int cmd_conntrack_dump(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	const struct hf_daemon *d = arg;
	struct hf_soft_iter iter = {0};
	struct hf_soft_filter f;
	json_t *list;
	struct hf_soft_conn c;
	int rc = parse_filter(d, call, &f, err);

	if (rc < 0)
		return rc;
	list = call->json ? json_array() : NULL;
	while (hf_soft_next_conn(d->soft, &iter, &c)) {
		if (!hf_soft_filter_fits(&f, &c))
			continue;
		if (call->json)
			(void)json_array_append_new(list, conn_json(d, &c));
		else
			print_conn(d, &c, call->out);
	}
	if (!call->json)
		return 0;
	return commands_print_json(
		call, json_pack("{s:i, s:o}", "schema", 1, "connections", list), err);
}

int cmd_conntrack_flush(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	static const struct timespec moment = {.tv_nsec = 1000000};
	const struct hf_daemon *d = arg;
	struct hf_soft_filter f;
	unsigned int w;
	int ms = 0, rc = parse_filter(d, call, &f, err);

	if (rc < 0)
		return rc;
	for (w = 0; w < d->n_workers; w++) {
		if (atomic_load(&d->workers[w].forget))
			return hf_fail(err, -EBUSY, "worker %u is not done with the last flush", w);
	}
	for (w = 0; w < d->n_workers; w++) {
		d->workers[w].filter = f;
		atomic_store(&d->workers[w].forget, true);
	}
	for (w = 0; w < d->n_workers && ms < FLUSH_WAIT_MS;) {
		if (!atomic_load(&d->workers[w].forget)) {
			w++;
			continue;
		}
		(void)nanosleep(&moment, NULL); /* woken early: just as well */
		ms++;
	}
	if (w < d->n_workers)
		return hf_fail(err, -ETIMEDOUT, "worker %u is not done yet; it goes on", w);
	return 0;
}
