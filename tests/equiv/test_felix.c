/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Policy from files and the same policy as Felix sends it must judge every packet alike: verdict,
 * origin and class. Both wire forms, sets in pieces, services and host facts from files.
 *
 * HF_SEED chooses the worlds, HF_SEEDS their number.
 */

#include "felix_stream.h"
#include "world.h"

#include <hepflow/err.h>
#include <hepflow/felix.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>

#include <hf_test.h>

#include <stdlib.h>
#include <string.h>

#define WORLDS		  600
#define PACKETS_PER_WORLD 150
#define NAMES_MAX	  16

HF_SUITE(felix, .timeout = 3600);

static struct hf_policy *policy_of(const char *text)
{
	struct hf_policy *policy;
	struct hf_err err;

	cr_assert_eq(hf_policy_new(&policy, &err), 0);
	cr_assert_eq(hf_policy_read_text(policy, "world.yaml", text, strlen(text), &err), 0, "%s",
		err.text);
	return policy;
}

/* Documents that no Felix sends: they come from files either way. */
static char *host_text(struct hf_world *world)
{
	static const char *const kinds[] = {"HostFacts", "Service", "EndpointSlice"};
	char *text, want[32];
	size_t i, k;
	bool keep;

	for (i = 0; i < world->docs.n; i++) {
		keep = false;
		for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			(void)snprintf(want, sizeof(want), "kind: %s\n", kinds[k]);
			keep = keep || strstr(world->docs.v[i].head, want);
		}
		world->docs.v[i].dropped = !keep;
	}
	text = hf_world_text(world);
	for (i = 0; i < world->docs.n; i++)
		world->docs.v[i].dropped = false;
	return text;
}

static struct hf_rules *rules_of(const struct hf_model *model)
{
	struct hf_rules *rules;
	struct hf_err err;

	cr_assert_eq(hf_rules_build(model, &rules, &err), 0, "%s", err.text);
	return rules;
}

static void feed(struct hf_felix *felix, const struct hf_felix_stream *stream)
{
	enum hf_felix_event event;
	struct hf_err err;
	size_t i;

	for (i = 0; i < stream->msgs.n; i++) {
		cr_assert_not(hf_felix_in_sync(felix));
		cr_assert_eq(hf_felix_take(felix, stream->msgs.v[i].data, stream->msgs.v[i].size,
				     &event, &err),
			0, "%s", err.text);
	}
	cr_assert_eq(event, HF_FELIX_IN_SYNC);
	cr_assert(hf_felix_in_sync(felix));
}

static int take_frame(void *arg, const uint8_t *frame, size_t size)
{
	enum hf_felix_event event;

	cr_assert_eq(hf_felix_frame_size(frame, size), (long)size);
	return hf_felix_take(
		arg, frame + HF_FELIX_HEAD_SIZE, size - HF_FELIX_HEAD_SIZE, &event, NULL);
}

/* Another one that has heard the same, from the first. */
static struct hf_felix *heard_again(struct hf_felix *take_f)
{
	struct hf_felix *other;

	cr_assert_eq(hf_felix_new(&other, NULL), 0);
	cr_assert_eq(hf_felix_print(take_f, take_frame, other), 0);
	cr_assert(hf_felix_in_sync(other));
	hf_felix_free(take_f);
	return other;
}

static struct hf_model *model_of_stream(
	const struct hf_felix_stream *stream, const char *host, const struct hf_model_opts *opts)
{
	struct hf_policy *policy = policy_of(host);
	struct hf_felix *felix;
	struct hf_model *model;
	struct hf_err err;

	cr_assert_eq(hf_felix_new(&felix, &err), 0);
	feed(felix, stream);
	felix = heard_again(felix);
	cr_assert_eq(hf_felix_read(felix, HF_WORLD_NODE, policy, &err), 0, "%s", err.text);
	hf_felix_free(felix); /* the objects must not point into it */
	cr_assert_eq(hf_model_build(policy, opts, &model, &err), 0, "%s", err.text);
	hf_policy_free(policy);
	return model;
}

static void compare(const struct hf_rules *a, const struct hf_rules *b, const struct hf_packet *pkt,
	const char *where)
{
	struct hf_key ka, kb;
	struct hf_decision da, db;
	int rca = hf_rules_sort(a, pkt, &ka, NULL), rcb = hf_rules_sort(b, pkt, &kb, NULL);
	char line[512];

	(void)hf_packet_print(pkt, line, sizeof(line));
	cr_assert_eq(rca, rcb, "%s: %s", where, line);
	if (rca < 0)
		return;
	da = hf_rules_lookup(a, &ka);
	db = hf_rules_lookup(b, &kb);
	cr_assert(ka.class == kb.class && da.verdict == db.verdict &&
			  strcmp(hf_rules_origin(a, da.origin), hf_rules_origin(b, db.origin)) == 0,
		"%s: %s: files say %s %s, Felix %s %s", where, line, hf_verdict_name(da.verdict),
		hf_rules_origin(a, da.origin), hf_verdict_name(db.verdict),
		hf_rules_origin(b, db.origin));
}

static void run_world(uint64_t seed, size_t i, bool twisted)
{
	struct hf_felix_stream stream;
	const char *names[NAMES_MAX];
	struct hf_model *ma, *mb;
	struct hf_rules *a, *b;
	struct hf_policy *policy;
	struct hf_world world;
	struct hf_rand rand;
	struct hf_packet pkt;
	struct hf_err err;
	uint32_t *all_sets;
	char *text, *host, where[64];
	size_t k, n;

	(void)snprintf(where, sizeof(where), "HF_SEED=%llu world %zu%s", (unsigned long long)seed,
		i, twisted ? " twisted" : "");
	hf_rand_init(&rand, seed, i);
	hf_world_init(&world, &rand);
	text = hf_world_text(&world);
	host = host_text(&world);
	policy = policy_of(text);
	cr_assert_eq(hf_model_build(policy,
			     &(struct hf_model_opts){.node = HF_WORLD_NODE, .calico = world.calico},
			     &ma, &err),
		0, "%s: %s", where, err.text);
	all_sets = calloc(ma->n_sets, sizeof(*all_sets));
	if (twisted)
		hf_world_twist(ma, all_sets, seed ^ i);
	hf_felix_stream_fit(ma);
	hf_felix_stream_init(&stream, hf_policy_objects(policy), ma, i % 2, &rand);
	mb = model_of_stream(&stream, host,
		&(struct hf_model_opts){.node = HF_WORLD_NODE, .calico = world.calico});
	a = rules_of(ma);
	b = rules_of(mb);
	n = hf_rules_n_ifaces(a);
	cr_assert_eq(n, hf_rules_n_ifaces(b), "%s: interfaces", where);
	cr_assert_leq(n, NAMES_MAX);
	for (k = 0; k < n; k++)
		names[k] = hf_rules_iface(a, k)->name;
	if (getenv("HF_VERBOSE")) {
		hf_rules_print(a, stderr);
		hf_rules_print(b, stderr);
	}
	for (k = 0; k < PACKETS_PER_WORLD; k++) {
		hf_world_packet(&rand, names, n, &pkt);
		compare(a, b, &pkt, where);
	}
	hf_rules_free(a);
	hf_rules_free(b);
	hf_model_free(ma);
	hf_model_free(mb);
	hf_felix_stream_fini(&stream);
	hf_policy_free(policy);
	hf_world_fini(&world);
	free(all_sets);
	free(text);
	free(host);
}

static size_t n_worlds(void)
{
	const char *text = getenv("HF_SEEDS");

	return text ? strtoul(text, NULL, 10) : WORLDS;
}

Test(felix, says_what_files_say)
{
	uint64_t seed = hf_test_seed();
	size_t i;

	for (i = 0; i < n_worlds(); i++)
		run_world(seed, i, false);
}

Test(felix, rules_that_no_file_can_hold)
{
	uint64_t seed = hf_test_seed();
	size_t i;

	for (i = 0; i < n_worlds() / 2; i++)
		run_world(seed, i, true);
}
