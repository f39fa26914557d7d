/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <hepflow/base/arena.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Sets of the model keep their index; lists of nets in rules come behind them. */
static int list_sets(struct build *b)
{
	size_t i;

	for (i = 0; i < b->model->n_sets && b->rc == 0; i++) {
		if (hf_vec_push(&b->sets, b->model->sets[i]) < 0)
			b->rc = -ENOMEM;
	}
	return b->rc;
}

static int copy_facts(struct build *b)
{
	const struct hf_model *model = b->model;
	struct hf_rules *r = b->rules;
	struct hf_iface *ifaces = hf_arena_calloc(r->arena, model->n_ifaces, sizeof(*ifaces));
	size_t i;

	r->dests = hf_keep(b, model->dests, model->n_dests * sizeof(*r->dests));
	r->dnats = hf_keep(b, model->dnats, model->n_dnats * sizeof(*r->dnats));
	r->paths = hf_arena_calloc(r->arena, model->n_ifaces * HF_N_CLASSES, sizeof(*r->paths));
	if (!ifaces || !r->paths || b->rc < 0)
		return b->rc = -ENOMEM;
	for (i = 0; i < model->n_ifaces; i++) {
		ifaces[i] = model->ifaces[i].id;
		if (strcmp(ifaces[i].name, "lo") == 0)
			r->lo = (uint16_t)i;
	}
	r->ifaces = ifaces;
	r->n_ifaces = model->n_ifaces;
	r->n_dests = model->n_dests;
	r->n_dnats = model->n_dnats;
	r->n_paths = model->n_ifaces * HF_N_CLASSES;
	r->drop_input = model->config.drop_input;
	r->drop_output = model->config.drop_output;
	r->drop_forward = model->config.drop_forward;
	return b->rc;
}

/* What Linux calls local: broadcast and multicast are delivered to the host but not its own. */
static int add_local_set(struct build *b)
{
	static const struct hf_prefix loopback[] = {{{4, {127}}, 8}, {{6, {[15] = 1}}, 128}};
	const struct hf_model *model = b->model;
	HF_VEC(struct hf_prefix) nets = {0};
	size_t i, k;

	if (hf_vec_push(&nets, loopback[0]) < 0 || hf_vec_push(&nets, loopback[1]) < 0)
		b->rc = -ENOMEM;
	for (i = 0; i < model->n_ifaces; i++) {
		const struct hf_model_iface *iface = &model->ifaces[i];
		bool lo = i && i == b->rules->lo;

		for (k = 0; k < iface->n_addrs; k++) {
			struct hf_prefix net = iface->addrs[k];

			/* All of an IPv4 net on lo is local. */
			if (!lo || net.addr.family == 6)
				net.len = (uint8_t)hf_addr_bits(&net.addr);
			hf_prefix_mask(&net);
			if (hf_vec_push(&nets, net) < 0)
				b->rc = -ENOMEM;
		}
	}
	if (b->rc == 0)
		b->rules->local_set = hf_add_net_set(b, "addresses of this host", nets.v, nets.n);
	hf_vec_fini(&nets);
	return b->rc;
}

static int build_all(struct build *b)
{
	int rc;

	(void)hf_add_origin(b, ""); /* becomes NO_ORIGIN, for it is the first */
	if (list_sets(b) < 0 || copy_facts(b) < 0 || add_local_set(b) < 0)
		return b->rc;
	hf_find_twins(b);
	hf_build_paths(b);
	if (b->rc < 0)
		return b->rc;
	rc = hf_finish_table(b);
	return rc < 0 ? rc : hf_rules_index(b->rules);
}

static void build_fini(struct build *b)
{
	hf_free_memos(b);
	hf_free_matches(b);
	hf_free_twins(b);
	hf_vec_fini(&b->blocks);
	hf_vec_fini(&b->sets);
	hf_vec_fini(&b->origins);
	hf_arena_free(b->tmp);
}

int hf_rules_build(const struct hf_model *model, struct hf_rules **ret, struct hf_err *err)
{
	return hf_rules_follow(model, NULL, ret, err);
}

int hf_rules_follow(const struct hf_model *model, struct hf_rules *previous, struct hf_rules **ret,
	struct hf_err *err)
{
	struct build b = {.model = model};
	int rc = -ENOMEM;

	(void)previous; /* all is made anew, which is always right */
	b.rules = calloc(1, sizeof(*b.rules));
	b.tmp = hf_arena_new();
	if (b.rules)
		b.rules->arena = hf_arena_new();
	/* Nets, members and texts are the model's own: many, and nobody changes them. */
	if (b.rules && b.tmp && b.rules->arena)
		rc = hf_arena_keep(b.rules->arena, model->arena);
	if (rc == 0)
		rc = build_all(&b);
	if (rc == 0) {
		*ret = b.rules;
		b.rules = NULL;
	} else if (rc == -E2BIG) {
		(void)hf_fail(err, rc, "%s%s%s", b.too_many ? b.too_many : "",
			b.too_many && b.too_many[0] ? ": " : "",
			"the policy of this host makes too many rules");
	} else {
		(void)hf_fail(err, rc, "rules: out of memory");
	}
	build_fini(&b);
	hf_rules_free(b.rules);
	return rc;
}
