/* SPDX-License-Identifier: BSD-3-Clause */

#include "model/build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOSTNAME_SIZE 256 /* HOST_NAME_MAX of Linux is 64; Kubernetes node names reach 253 */

int hf_build_oom(struct hf_build *b)
{
	return hf_fail(b->err, -ENOMEM, "model: out of memory");
}

char *hf_build_digits(char *at, uint32_t v)
{
	char digits[HF_DIGITS_MAX];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n > 0)
		*at++ = digits[--n];
	return at;
}

const char *hf_build_place(struct hf_build *b, const struct hf_place *place)
{
	size_t len;
	char *text;

	if (!place->line || !place->file)
		return "";
	len = strlen(place->file);
	text = hf_arena_alloc(b->arena, len + 2 * (sizeof(":") + HF_DIGITS_MAX));
	if (!text)
		return NULL;
	memcpy(text, place->file, len);
	text[len] = ':';
	len = (size_t)(hf_build_digits(&text[len + 1], place->line) - text);
	text[len] = ':';
	*hf_build_digits(&text[len + 1], place->col) = '\0';
	return text;
}

static int cmp_meta(const struct hf_meta *meta, const char *ns, const char *name)
{
	int c = strcmp(meta->ns ? meta->ns : "", ns ? ns : "");

	return c ? c : strcmp(meta->name, name);
}

/* Every kind begins with its struct hf_meta. */
const void *hf_build_find(const void *v, size_t n, size_t size, const char *ns, const char *name)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const void *obj = (const char *)v + mid * size;
		int c = cmp_meta(obj, ns, name);

		if (c == 0)
			return obj;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Node names met in the input; only two are needed to say that they differ. */
struct nodes {
	const char *name[2];
	unsigned int n;
};

static void node_met(struct nodes *nodes, const char *name)
{
	unsigned int i;

	for (i = 0; i < nodes->n; i++) {
		if (strcmp(nodes->name[i], name) == 0)
			return;
	}
	if (nodes->n < 2)
		nodes->name[nodes->n++] = name;
}

static int choose_node(struct hf_build *b, const char *node)
{
	const struct hf_objects *o = b->objs;
	struct nodes nodes = {0};
	char host[HOSTNAME_SIZE] = "";
	size_t i;

	for (i = 0; !node && i < o->facts.n; i++)
		node_met(&nodes, o->facts.v[i].meta.name);
	for (i = 0; !node && !o->facts.n && i < o->hep.n; i++)
		node_met(&nodes, o->hep.v[i].node);
	for (i = 0; !node && !o->facts.n && i < o->wep.n; i++)
		node_met(&nodes, o->wep.v[i].node);
	if (nodes.n > 1)
		return hf_fail(b->err, -EINVAL,
			"the input is about several nodes ('%s', '%s'%s): name one", nodes.name[0],
			nodes.name[1], o->facts.n > 2 ? ", ..." : "");
	if (!node && nodes.n)
		node = nodes.name[0];
	if (!node) {
		if (gethostname(host, sizeof(host) - 1) < 0)
			return hf_fail(b->err, -errno, "host name: %s", strerror(errno));
		node = host;
	}
	b->m->node = hf_arena_strdup(b->arena, node);
	return b->m->node ? 0 : hf_build_oom(b);
}

static int find_facts(struct hf_build *b)
{
	b->facts = HF_BUILD_FIND(b->objs->facts, NULL, b->m->node);
	if (b->facts)
		return 0;
	return hf_warn(b, "no-host-facts", b->m->node,
		"no HostFacts for node '%s': interfaces are those that endpoints name, addresses "
		"those of its host endpoints and Node object",
		b->m->node);
}

/* Moves what grew while building into the model. */
static int freeze(struct hf_build *b)
{
	struct hf_model *m = b->m;
	m->n_warnings = b->warnings.n;
	m->warnings = hf_arena_dup(b->arena, b->warnings.v, b->warnings.n * sizeof(char *));
	return m->warnings ? hf_next_freeze(b) : hf_build_oom(b);
}

static int run(struct hf_build *b, const struct hf_model_opts *opts)
{
	static int (*const steps[])(struct hf_build *) = {
		hf_next_init,
		hf_special_sets,
		hf_scope_init,
		hf_next_sets,
		hf_order_init,
		hf_host_ifaces,
		hf_host_endpoints,
		hf_dest_build,
		hf_dnat_build,
		hf_warn_checks,
		freeze,
	};
	size_t i;
	int rc;

	rc = choose_node(b, opts ? opts->node : NULL);
	if (rc == 0)
		rc = find_facts(b);
	if (rc == 0)
		rc = hf_special_init(b, opts ? opts->calico : 0);
	for (i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		rc = steps[i](b);
	return rc;
}

static void build_fini(struct hf_build *b)
{
	size_t i;

	for (i = 0; i < b->infos.n; i++) {
		hf_vec_fini(&b->infos.v[i].addrs);
		hf_vec_fini(&b->infos.v[i].sources);
	}
	hf_vec_fini(&b->infos);
	hf_vec_fini(&b->ifaces);
	hf_vec_fini(&b->warnings);
	HASH_CLEAR(hh, b->iface_slots);
	HASH_CLEAR(hh, b->profiles);
	HASH_CLEAR(hh, b->pols_by_ref);
	hf_sets_fini(b);
	hf_arena_free(b->tmp);
}

int hf_build_objects(const struct hf_objects *objs, const struct hf_model_opts *opts,
	struct hf_model **ret, struct hf_err *err)
{
	struct hf_build b = {
		.objs = objs, .previous = opts ? opts->previous : NULL, .err = err, .where = ""};
	int rc;

	b.tmp = hf_arena_new();
	b.arena = hf_arena_new();
	if (b.arena)
		b.m = hf_arena_calloc(b.arena, 1, sizeof(*b.m));
	if (!b.tmp || !b.m) {
		hf_arena_free(b.tmp);
		hf_arena_free(b.arena);
		return hf_build_oom(&b);
	}
	b.m->arena = b.arena;
	rc = run(&b, opts);
	build_fini(&b);
	if (rc < 0)
		hf_model_free(b.m);
	else
		*ret = b.m;
	return rc;
}

int hf_model_build(const struct hf_policy *policy, const struct hf_model_opts *opts,
	struct hf_model **ret, struct hf_err *err)
{
	return hf_build_objects(hf_policy_objects(policy), opts, ret, err);
}

void hf_model_free(struct hf_model *model)
{
	if (!model)
		return;
	HASH_CLEAR(hh, model->parts);
	hf_arena_free(model->arena);
}

const char *hf_model_node(const struct hf_model *model)
{
	return model->node;
}

/* Pods stand after hosts. */
size_t hf_model_n_host_endpoints(const struct hf_model *model)
{
	size_t n = 0;

	while (n < model->n_endpoints && !model->endpoints[n]->workload)
		n++;
	return n;
}

const char *hf_model_host_endpoint(
	const struct hf_model *model, size_t i, enum hf_endpoint_status *ret_status)
{
	*ret_status = model->endpoints[i]->status;
	return model->endpoints[i]->name;
}

const struct hf_model_logs *hf_model_logs(const struct hf_model *model)
{
	return &model->config.logs;
}

static const struct hf_model_failsafes *failsafes(const struct hf_model *model, bool out)
{
	return out ? &model->config.fs_out : &model->config.fs_in;
}

size_t hf_model_n_failsafes(const struct hf_model *model, bool out)
{
	return failsafes(model, out)->n;
}

struct hf_failsafe_port hf_model_failsafe(const struct hf_model *model, bool out, size_t i)
{
	const struct hf_model_failsafe *f = &failsafes(model, out)->v[i];

	return (struct hf_failsafe_port){f->proto, f->port, f->net};
}

size_t hf_model_n_warnings(const struct hf_model *model)
{
	return model->n_warnings;
}

const char *hf_model_warning(const struct hf_model *model, size_t i)
{
	return model->warnings[i];
}
