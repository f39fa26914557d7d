/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * flow/dump: one line a flow, in the words of ovs-appctl dpctl/dump-flows. What the NIC holds comes
 * first, entry by entry; then what software judges, one line for each policy rule that is not
 * wholly in hardware.
 */

#include "commands.h"
#include "daemon.h"
#include "filter.h"

#include "flow/sync.h"
#include "port/port.h"
#include "soft/soft.h"

#include <hepflow/base/text.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MATCH_SIZE 512
#define LIST_SIZE  128

/* Kinds of flows, as the words of type=. */
enum {
	KIND_WHOLE = 1, /* the NIC decides */
	KIND_PART = 2,	/* the NIC matches, software decides */
	KIND_SOFT = 4,	/* only software knows it */
};

static const struct {
	const char *word;
	unsigned int kinds;
} types[] = {
	{"all", KIND_WHOLE | KIND_PART | KIND_SOFT},
	{"offloaded", KIND_WHOLE},
	{"partially-offloaded", KIND_PART},
	{"non-offloaded", KIND_SOFT},
	{"dpdk", KIND_WHOLE | KIND_PART},
	{"ovs", KIND_SOFT},
	{"tc", 0},
};

/* What the rules in force say of an origin. */
struct origin {
	uint8_t wish; /* enum hf_offload */
	bool fits;    /* the filter, by what some rule of it matches */
};

struct dump {
	const struct hf_daemon *d;
	FILE *out;
	json_t *list; /* NULL: text */
	bool more;
	unsigned int kinds;
	struct hf_filter filter;
	size_t n_origins; /* as the rules number them; an entry may have none */
	struct origin *origins;
};

#define USED_NEVER   UINT64_MAX
#define USED_UNKNOWN (UINT64_MAX - 1)

/* What one line says. */
struct line {
	const char *match;
	const char *uid;
	bool known;
	uint64_t packets;
	uint64_t bytes;
	uint64_t used_ms; /* or one of those below */
	unsigned int kind;
	const char *origin; /* "": none */
	uint8_t wish;	    /* enum hf_offload */
	const char *reason; /* NULL: none */
	const char *actions;
	bool transfer;	/* a rule between ports */
	bool delivered; /* what it takes the NIC hands to the host, past software */
};

static int read_types(const char *text, unsigned int *ret, struct hf_err *err)
{
	char word[LIST_SIZE];
	unsigned int kinds = 0;
	const char *p = text;
	size_t i, len;

	for (;;) {
		len = strcspn(p, ",");
		if (len < sizeof(word)) {
			memcpy(word, p, len);
			word[len] = '\0';
		} else {
			word[0] = '\0';
		}
		for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
			if (strcmp(types[i].word, word) == 0)
				break;
		}
		if (i == sizeof(types) / sizeof(types[0]))
			return hf_fail(err, -EINVAL,
				"Failed to parse type (%.*s) (Invalid argument)",
				(int)(len < LIST_SIZE ? len : LIST_SIZE), p);
		kinds |= types[i].kinds;
		if (p[len] == '\0')
			break;
		p += len + 1;
	}
	*ret = kinds;
	return 0;
}

static int read_args(const struct hf_rpc_call *call, struct dump *dump, struct hf_err *err)
{
	size_t i;

	dump->kinds = KIND_WHOLE | KIND_PART | KIND_SOFT;
	for (i = 0; i < call->n_args; i++) {
		const char *a = call->args[i];
		int rc = 0;

		if (strcmp(a, "-m") == 0 || strcmp(a, "--more") == 0)
			dump->more = true;
		else if (strncmp(a, "type=", 5) == 0)
			rc = read_types(a + 5, &dump->kinds, err);
		else if (strncmp(a, "filter=", 7) == 0)
			rc = hf_filter_parse(a + 7, &dump->filter, err);
		else if (strcmp(a, "--names") != 0) /* names are always shown */
			rc = hf_fail(err, -EINVAL, "unknown argument '%.80s'", a);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void put_value(struct hf_text *t, const struct hf_field_info *info, const uint8_t *spec,
	const uint8_t *mask, bool v6)
{
	struct hf_addr a = {.family = v6 ? 6 : 4};
	char buf[HF_ADDRSTR_SIZE];
	uint32_t v = 0, m = 0, full = 0;
	size_t i, size = v6 ? 16 : 4;
	bool all = true;

	if (info->size == 16) { /* an address; IPv4 is the first four bytes */
		memcpy(a.b, spec, size);
		hf_text_put(t, "%s", hf_addr_print(&a, buf));
		for (i = 0; i < size; i++)
			all = all && mask[i] == 0xff;
		memcpy(a.b, mask, size);
		if (!all)
			hf_text_put(t, "/%s", hf_addr_print(&a, buf));
		return;
	}
	for (i = 0; i < info->size && i < 4; i++) {
		v = v << 8 | spec[i];
		m = m << 8 | mask[i];
		full = full << 8 | 0xff;
	}
	if (m == full)
		hf_text_put(t, "%" PRIu32, v);
	else
		hf_text_put(t, "0x%" PRIx32 "/0x%" PRIx32, v, m);
}

static bool is_masked(const struct hf_field_info *info, const struct hf_pattern *p)
{
	const uint8_t *mask = (const uint8_t *)&p->mask + info->offset;
	size_t i;

	for (i = 0; i < info->size; i++) {
		if (mask[i])
			return true;
	}
	return false;
}

/* "ipv4(dst=192.0.2.10,proto=6)" of one layer. */
static void put_layer(struct hf_text *t, const struct hf_pattern *p, enum hf_layer layer)
{
	unsigned int f, n = 0;

	for (f = 0; f < HF_F_MAX_; f++) {
		const struct hf_field_info *info = hf_field_info((enum hf_field)f);
		const char *dot = strchr(info->name, '.');

		if (info->layer != layer || f == HF_F_TCP_FLAGS || !is_masked(info, p))
			continue;
		if (n == 0)
			hf_text_put(t, ",%s(", hf_layer_name(layer));
		hf_text_put(t, "%s%s=", n ? "," : "", dot ? dot + 1 : info->name);
		put_value(t, info, (const uint8_t *)&p->spec + info->offset,
			(const uint8_t *)&p->mask + info->offset, layer == HF_LAYER_IPV6);
		n++;
	}
	if (n > 0)
		hf_text_put(t, ")");
	else if (layer != HF_LAYER_ETH)
		hf_text_put(t, ",%s()", hf_layer_name(layer));
}

/* "+syn-ack": flags that must and must not be set. */
static void put_flags(struct hf_text *t, uint8_t spec, uint8_t mask)
{
	static const char *const names[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"};
	unsigned int i;

	if (!mask)
		return;
	hf_text_put(t, ",tcp_flags(");
	for (i = 0; i < 8; i++) {
		if (mask & 1u << i)
			hf_text_put(t, "%c%s", spec & 1u << i ? '+' : '-', names[i]);
	}
	hf_text_put(t, ")");
}

static void make_match(const struct hf_plan *plan, const struct hf_entry *e, char *buf, size_t size)
{
	/* in_port() says it. */
	const uint32_t ports =
		HF_LAYER_BIT(HF_LAYER_PORT_ID) | HF_LAYER_BIT(HF_LAYER_REPRESENTED_PORT);
	struct hf_text t = {.buf = buf, .size = size};
	unsigned int l;

	hf_text_put(&t, "recirc_id(%u),in_port(%s)", hf_plan_table(plan, e->table)->group,
		hf_plan_iface(plan));
	if (e->match.layers & HF_LAYER_BIT(HF_LAYER_IPV4))
		hf_text_put(&t, ",eth_type(0x0800)");
	else if (e->match.layers & HF_LAYER_BIT(HF_LAYER_IPV6))
		hf_text_put(&t, ",eth_type(0x86dd)");
	for (l = 0; l < HF_LAYER_MAX_; l++) {
		if (e->match.layers & ~ports & HF_LAYER_BIT(l))
			put_layer(&t, &e->match, (enum hf_layer)l);
	}
	put_flags(&t, e->match.spec.tcp_flags, e->match.mask.tcp_flags);
}

/* A name that stays the same while the flow does: FNV-1a over what tells it apart, as a UUID. */
static void make_uid(const char *match, uint32_t priority, char buf[static 40])
{
	uint64_t h[2] = {0xcbf29ce484222325u, 0x84222325cbf29ce4u};
	const char *p;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		for (p = match; *p; p++)
			h[i] = (h[i] ^ (uint8_t)*p) * 0x100000001b3u;
		h[i] = (h[i] ^ priority) * 0x100000001b3u;
	}
	(void)snprintf(buf, 40, "%08x-%04x-%04x-%04x-%012" PRIx64, (uint32_t)(h[0] >> 32),
		(uint16_t)(h[0] >> 16), (uint16_t)h[0], (uint16_t)(h[1] >> 48),
		h[1] & 0xffffffffffffu);
}

static const char *const wish_names[] = {
	[HF_OFFLOAD_PREFER] = "prefer",
	[HF_OFFLOAD_REQUIRE] = "require",
	[HF_OFFLOAD_FORBID] = "forbid",
};

static void print_text(const struct dump *dump, const struct line *l)
{
	FILE *out = dump->out;

	if (dump->more)
		fprintf(out, "ufid:%s, ", l->uid);
	fprintf(out, "%s, ", l->match);
	if (l->known)
		fprintf(out, "packets:%" PRIu64 ", bytes:%" PRIu64, l->packets, l->bytes);
	else
		fputs("packets:unknown, bytes:unknown", out);
	if (l->used_ms == USED_NEVER)
		fputs(", used:never", out);
	else if (l->used_ms == USED_UNKNOWN)
		fputs(", used:unknown", out);
	else
		fprintf(out, ", used:%" PRIu64 ".%03" PRIu64 "s", l->used_ms / 1000,
			l->used_ms % 1000);
	if (dump->more && l->kind != KIND_SOFT)
		fprintf(out, ", offloaded:%s", l->kind == KIND_WHOLE ? "yes" : "partial");
	if (dump->more)
		fprintf(out, ", dp:%s", l->kind == KIND_SOFT ? "ovs" : "dpdk");
	if (dump->more && l->transfer)
		fprintf(out, ", transfer:yes%s", l->delivered ? ", delivered:yes" : "");
	if (l->origin[0])
		fprintf(out, ", policy:%s", l->origin);
	if (dump->more && l->wish != HF_OFFLOAD_PREFER)
		fprintf(out, ", offload:%s", wish_names[l->wish]);
	if (l->reason)
		fprintf(out, ", reason:%s", l->reason);
	fprintf(out, ", actions:%s\n", l->actions);
}

static void put(const struct dump *dump, const char *in_port, const struct line *l)
{
	json_t *j;

	if (!(dump->kinds & l->kind) || !hf_filter_fits_names(&dump->filter, in_port, l->origin,
						l->reason ? l->reason : ""))
		return;
	if (!dump->list) {
		print_text(dump, l);
		return;
	}
	j = json_pack("{s:s, s:s, s:b, s:b, s:s, s:s, s:s, s:s?, s:s?}", "ufid", l->uid, "match",
		l->match, "transfer", l->transfer, "delivered", l->delivered, "offloaded",
		l->kind == KIND_WHOLE  ? "yes"
		: l->kind == KIND_PART ? "partial"
				       : "no",
		"wish", wish_names[l->wish], "actions", l->actions, "policy",
		l->origin[0] ? l->origin : NULL, "reason", l->reason);
	(void)json_object_set_new(
		j, "packets", l->known ? json_integer((json_int_t)l->packets) : json_null());
	(void)json_object_set_new(
		j, "bytes", l->known ? json_integer((json_int_t)l->bytes) : json_null());
	(void)json_array_append_new(dump->list, j);
}

static void put_entry(
	const struct dump *dump, const struct hf_wire *w, const struct hf_plan *plan, size_t i)
{
	const struct hf_entry *e = hf_plan_entry(plan, i);
	struct hf_sync_count c;
	char match[MATCH_SIZE], uid[40], reason[64], jump[32];
	struct line l = {.match = match, .uid = uid, .kind = KIND_WHOLE, .reason = NULL};

	if (!hf_filter_fits_pattern(&dump->filter, &e->match))
		return;
	c = hf_sync_count_entry(w->sync, i, &l.used_ms);
	if (!c.known)
		l.used_ms = USED_UNKNOWN;
	l.known = c.known;
	l.packets = c.packets;
	l.bytes = c.bytes;
	l.origin = hf_plan_origin(plan, e->origin);
	l.wish = e->origin < dump->n_origins ? dump->origins[e->origin].wish : HF_OFFLOAD_PREFER;
	l.transfer = hf_plan_eswitch(plan)->on;
	l.delivered = e->forward;
	make_match(plan, e, match, sizeof(match));
	make_uid(match, e->priority, uid);
	switch (e->fate) {
	case HF_FATE_PUNT:
		l.kind = KIND_PART;
		l.actions = "userspace()";
		l.reason = hf_reason_print(e->reason, e->detail, reason);
		break;
	case HF_FATE_ALLOW:
		l.actions = e->forward ? "host" : "mark(1),host";
		break;
	case HF_FATE_ALLOW_UNTRACKED:
		l.actions = e->forward ? "host" : "mark(2),host";
		break;
	case HF_FATE_DENY:
		l.actions = "drop";
		break;
	case HF_FATE_JUMP:
		(void)snprintf(
			jump, sizeof(jump), "recirc(%u)", hf_plan_table(plan, e->jump)->group);
		l.actions = jump;
		break;
	}
	if (e->reserved) {
		(void)snprintf(jump, sizeof(jump), "queue(%u)",
			0u + hf_port_n_queues(w->outer) + hf_reserved_queue(e->fate));
		l.actions = jump;
	}
	put(dump, w->outer_conf->name, &l);
}

static void put_origin(const struct dump *dump, const struct hf_wire *w, const struct hf_account *a,
	const char *origin)
{
	struct hf_soft_count c = hf_soft_count_origin(dump->d->soft, a->origin);
	char match[MATCH_SIZE], uid[40], code[64], reason[HF_ERR_SIZE + 16];
	struct line l = {.match = match, .uid = uid, .known = true};

	if (!dump->origins[a->origin].fits)
		return;
	(void)snprintf(match, sizeof(match), "in_port(%s)", w->outer_conf->name);
	(void)snprintf(reason, sizeof(reason), "%s%s", w->reject[0] ? "pmd-reject:" : "",
		w->reject[0] ? w->reject : hf_reason_print(a->reason, a->detail, code));
	make_uid(origin, 0, uid);
	l.packets = c.packets;
	l.bytes = c.bytes;
	l.used_ms = c.packets ? USED_UNKNOWN : USED_NEVER; /* software notes no times */
	l.kind = KIND_SOFT;
	l.origin = origin;
	l.wish = dump->origins[a->origin].wish;
	l.reason = reason;
	l.actions = "userspace()";
	put(dump, w->outer_conf->name, &l);
}

static void dump_wire(const struct dump *dump, size_t i)
{
	const struct hf_wire *w = &dump->d->wires[i];
	const struct hf_plan *plan = dump->d->now->plans[i];
	size_t k;

	if (!plan)
		return;
	for (k = 0; w->sync && !w->reject[0] && k < hf_plan_n_entries(plan); k++)
		put_entry(dump, w, plan, k);
	for (k = 0; k < hf_plan_n_accounts(plan); k++) {
		const struct hf_account *a = hf_plan_account(plan, k);

		if (a->share != HF_SHARE_WHOLE || w->reject[0])
			put_origin(dump, w, a, hf_plan_origin(plan, a->origin));
	}
}

/* One look at every rule. What no rule carries (the end of a tier, no profile) fits everything. */
static int read_origins(struct dump *dump)
{
	const struct hf_rules *rules = dump->d->now->rules;
	size_t n = hf_rules_n_origins(rules), i, k;
	bool *carried = calloc(n + 1, sizeof(*carried));

	dump->n_origins = n;
	dump->origins = calloc(n + 1, sizeof(*dump->origins));
	if (!carried || !dump->origins) {
		free(carried);
		return -ENOMEM;
	}
	for (i = 0; i < hf_rules_n_blocks(rules); i++) {
		const struct hf_block *b = hf_rules_block(rules, i);

		for (k = 0; k < b->n_rules; k++) {
			const struct hf_rule *r = &b->rules[k];
			struct origin *o = &dump->origins[r->origin];

			carried[r->origin] = true;
			o->wish = r->offload;
			o->fits = o->fits || hf_filter_fits_match(&dump->filter, rules, &r->match);
		}
	}
	for (i = 0; i < n; i++)
		dump->origins[i].fits = dump->origins[i].fits || !carried[i];
	free(carried);
	return 0;
}

int cmd_flow_dump(void *arg, const struct hf_rpc_call *call, struct hf_err *err)
{
	struct dump dump = {.d = arg, .out = call->out};
	size_t i;
	int rc = read_args(call, &dump, err);

	if (rc < 0)
		return rc;
	rc = read_origins(&dump);
	if (rc < 0) {
		free(dump.origins);
		return hf_fail(err, rc, "out of memory");
	}
	for (i = 0; i < dump.d->n_wires; i++) {
		if (dump.d->wires[i].sync)
			hf_sync_poll(dump.d->wires[i].sync);
	}
	if (call->json)
		dump.list = json_array();
	else
		fputs("flow-dump from the main thread:\n", call->out);
	for (i = 0; i < dump.d->n_wires; i++)
		dump_wire(&dump, i);
	free(dump.origins);
	if (!call->json)
		return 0;
	return commands_print_json(
		call, json_pack("{s:i, s:o}", "schema", 1, "flows", dump.list), err);
}
