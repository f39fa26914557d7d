/* SPDX-License-Identifier: BSD-3-Clause */

/* Sets: replacing, keeping, folders and limits. */

#include "read_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char dir[64];

static void make_dir(void)
{
	strcpy(dir, "/tmp/hf-policy-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static void drop_dir(void)
{
	char cmd[128];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	cr_assert_eq(system(cmd), 0);
	hf_test_fini();
}

HF_SUITE(set);
TestSuite(folder, .init = make_dir, .fini = drop_dir);

static const char *at(const char *name)
{
	static char path[2][512];
	static int i;

	i = !i;
	(void)snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(at(name), "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

#define TIER(name, order) CALICO("Tier", name, "{order: " order "}")

static int read_text(struct hf_policy *p, const char *name, const char *text, struct hf_err *err)
{
	return hf_policy_read_text(p, name, text, strlen(text), err);
}

Test(set, a_new_set_is_empty)
{
	struct hf_policy *p = NULL;

	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	cr_expect_eq(hf_policy_objects(p)->hep.n, 0);
	cr_expect_eq(hf_policy_objects(p)->facts.n, 0);
	cr_expect_eq(hf_policy_n_notes(p), 0);
	hf_policy_free(p);
	hf_policy_free(NULL);
}

Test(set, empty_text_and_empty_documents_are_nothing)
{
	struct hf_policy *p = read_good("---\n---\n# only a comment\n---\nnull\n");

	cr_expect_eq(hf_policy_objects(p)->tier.n, 0);
	hf_policy_free(p);
}

Test(set, a_later_read_replaces_and_keeps_the_rest)
{
	struct hf_policy *p = read_good(TIER("b", "1") "---\n" TIER("a", "1"));
	const struct hf_objects *o = hf_policy_objects(p);

	cr_assert_eq(read_text(p, "u.yaml", TIER("b", "2") "---\n" TIER("c", "2"), NULL), 0);
	cr_assert_eq(o->tier.n, 3);
	cr_expect_str_eq(o->tier.v[0].meta.name, "a");
	cr_expect_eq(o->tier.v[0].order, 1);
	cr_expect_str_eq(o->tier.v[1].meta.name, "b");
	cr_expect_eq(o->tier.v[1].order, 2);
	cr_expect_str_eq(o->tier.v[1].meta.place.file, "u.yaml");
	cr_expect_str_eq(o->tier.v[2].meta.name, "c");
	/* All of the first text is gone after this; its memory with it. */
	cr_assert_eq(read_text(p, "v.yaml", TIER("a", "3"), NULL), 0);
	cr_expect_eq(o->tier.v[0].order, 3);
	cr_expect_eq(o->tier.v[1].order, 2);
	hf_policy_free(p);
}

Test(set, replacement_goes_by_kind_namespace_and_name)
{
	struct hf_policy *p = read_good(GNP("{order: 1}") "---\n" NP("{order: 2}") "---\n" CALICO(
		"StagedGlobalNetworkPolicy", "p", "{order: 3}") "---\n" CALICO("NetworkPolicy", "p",
		"{order: 4}"));
	const struct hf_objects *o = hf_policy_objects(p);

	cr_expect_eq(o->policy.n, 4);
	/* The stored form of the same object. */
	cr_assert_eq(read_text(p, "u.yaml",
			     "apiVersion: crd.projectcalico.org/v1\nkind: GlobalNetworkPolicy\n"
			     "metadata: {name: p}\nspec: {order: 5}\n",
			     NULL),
		0);
	cr_assert_eq(o->policy.n, 4);
	cr_expect_eq(o->policy.v[0].order, 5);
	cr_expect_not(o->policy.v[0].staged);
	cr_expect_eq(o->policy.v[1].order, 3);
	cr_expect_eq(o->policy.v[2].order, 4);
	cr_expect_str_eq(o->policy.v[2].meta.ns, "default");
	cr_expect_eq(o->policy.v[3].order, 2);
	hf_policy_free(p);
}

Test(set, twice_in_one_input_is_an_error_that_names_both)
{
	expect_bad(TIER("b", "1") "---\n" TIER("a", "1") "---\n" TIER("b", "2"),
		"t.yaml:11:1: Tier 'b' is already at t.yaml:1:1");
	expect_bad(NP("{}") "---\n" NP("{}"),
		"t.yaml:6:1: NetworkPolicy 'ns1/p' is already at t.yaml:1:1");
}

Test(set, the_number_of_objects_is_limited)
{
	static const char item[] = "- {kind: A, apiVersion: b}\n";
	struct hf_policy *p = NULL;
	struct hf_err err = {0};
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	unsigned int i;

	fputs("apiVersion: v1\nkind: List\nitems:\n", f);
	for (i = 0; i <= HF_POLICY_OBJECTS_MAX; i++)
		fputs(item, f);
	fclose(f);
	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	cr_expect_eq(hf_policy_read_text(p, "t.yaml", text, size, &err), -E2BIG);
	cr_expect_str_eq(err.text, "t.yaml:200004:3: more than 200000 objects");
	cr_expect_eq(hf_policy_n_notes(p), 0);
	cr_expect_eq(hf_policy_read_text(p, "t.yaml", text, size - strlen(item), &err), 0);
	cr_expect_eq(hf_policy_n_notes(p), HF_POLICY_OBJECTS_MAX);
	hf_policy_free(p);
	free(text);
}

Test(set, a_failed_read_changes_nothing)
{
	struct hf_policy *p = read_good(
		TIER("a", "1") "---\napiVersion: apps/v1\nkind: X\nmetadata: {name: x}\n");
	const struct hf_objects *o = hf_policy_objects(p);
	const struct hf_tier_obj *v = o->tier.v;
	struct hf_err err = {0};

	cr_expect_eq(read_text(p, "u.yaml",
			     TIER("a", "2") "---\n" TIER(
				     "b", "2") "---\napiVersion: apps/v1\n"
					       "kind: Y\nmetadata: {name: y}\n---\n" TIER("c", "x"),
			     &err),
		-EINVAL);
	cr_expect_str_eq(err.text, "u.yaml:18:15: order: must be a number");
	cr_expect_eq(read_text(p, "u.yaml", TIER("b", "1") "---\n" TIER("b", "1"), &err), -EINVAL);
	cr_expect_eq(hf_policy_read(p, "/nonexistent/x.yaml", &err), -ENOENT);
	cr_expect_str_eq(err.text, "/nonexistent/x.yaml: No such file or directory");
	cr_expect_eq(o->tier.v, v);
	cr_assert_eq(o->tier.n, 1);
	cr_expect_eq(o->tier.v->order, 1);
	cr_expect_eq(hf_policy_n_notes(p), 1);
	hf_policy_free(p);
}

Test(set, an_error_may_be_unwanted)
{
	struct hf_policy *p = NULL;

	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	cr_expect_eq(read_text(p, "t.yaml", TIER("a", "x"), NULL), -EINVAL);
	cr_expect_eq(read_text(p, "t.yaml", "a: [", NULL), -EINVAL);
	hf_policy_free(p);
}

Test(folder, files_are_read_in_the_order_of_their_names)
{
	struct hf_policy *p = NULL;
	struct hf_err err = {0};
	char want[600];

	cr_assert_eq(mkdir(at("b.d"), 0755), 0);
	put("a.yaml", TIER("a", "1"));
	put("b.d/x.yml", TIER("x", "1") "---\napiVersion: apps/v1\nkind: X\n");
	put("c.json", "{\"apiVersion\": \"projectcalico.org/v3\", \"kind\": \"Tier\", "
		      "\"metadata\": {\"name\": \"c\"}}");
	put("notes.txt", "not: [yaml");
	put(".hidden.yaml", "not: [yaml");
	cr_assert_eq(mkdir(at(".git"), 0755), 0);
	put(".git/x.yaml", "not: [yaml");
	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	cr_assert_eq(hf_policy_read(p, dir, &err), 0, "%s", err.text);
	cr_assert_eq(hf_policy_objects(p)->tier.n, 3);
	(void)snprintf(want, sizeof(want), "%s/b.d/x.yml:6:1: kind X skipped", dir);
	cr_expect_str_eq(hf_policy_note(p, 0), want);
	put("d.yaml", TIER("x", "1"));
	cr_expect_eq(hf_policy_read(p, dir, &err), -EINVAL);
	(void)snprintf(want, sizeof(want), "%s/d.yaml:1:1: Tier 'x' is already at %s/b.d/x.yml:1:1",
		dir, dir);
	cr_expect_str_eq(err.text, want);
	hf_policy_free(p);
}

Test(folder, a_file_that_is_named_may_be_called_anything)
{
	struct hf_policy *p = NULL;

	put(".odd", TIER("a", "1"));
	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	cr_expect_eq(hf_policy_read(p, at(".odd"), NULL), 0);
	cr_expect_eq(hf_policy_objects(p)->tier.n, 1);
	hf_policy_free(p);
}

Test(folder, a_folder_without_policies_is_noted)
{
	struct hf_policy *p = NULL;
	char want[128];

	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	cr_assert_eq(hf_policy_read(p, dir, NULL), 0);
	cr_assert_eq(hf_policy_n_notes(p), 1);
	(void)snprintf(
		want, sizeof(want), "%s: no *.yaml, *.yml or *.json file in this folder", dir);
	cr_expect_str_eq(hf_policy_note(p, 0), want);
	hf_policy_free(p);
}

Test(folder, a_circle_of_links_is_an_error)
{
	struct hf_policy *p = NULL;
	struct hf_err err = {0};

	cr_assert_eq(symlink(dir, at("self")), 0);
	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	cr_expect_eq(hf_policy_read(p, dir, &err), -ELOOP);
	cr_expect(strstr(err.text, "/self: a folder that contains itself"), "%s", err.text);
	hf_policy_free(p);
}

Test(folder, depth_is_limited)
{
	struct hf_policy *p = NULL;
	char path[400] = "";
	int i;

	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	for (i = 1; i < HF_POLICY_DIR_DEPTH; i++) {
		strcat(path, i == 1 ? "d" : "/d");
		cr_assert_eq(mkdir(at(path), 0755), 0);
	}
	cr_expect_eq(hf_policy_read(p, dir, NULL), 0);
	strcat(path, "/d");
	cr_assert_eq(mkdir(at(path), 0755), 0);
	cr_expect_eq(hf_policy_read(p, dir, NULL), -E2BIG);
	hf_policy_free(p);
}

Test(folder, a_dangling_link_to_a_policy_is_missed)
{
	struct hf_policy *p = NULL;
	struct hf_err err = {0};

	cr_assert_eq(symlink("nowhere", at("link")), 0);
	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	cr_expect_eq(hf_policy_read(p, dir, NULL), 0);
	cr_assert_eq(symlink("nowhere", at("x.yaml")), 0);
	cr_expect_eq(hf_policy_read(p, dir, &err), -ENOENT);
	hf_policy_free(p);
}

Test(folder, a_file_beyond_the_limit_is_refused)
{
	struct hf_policy *p = NULL;
	struct hf_err err = {0};
	char want[128];
	int fd = open(at("big.yaml"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	cr_assert(fd >= 0);
	cr_assert_eq(ftruncate(fd, (off_t)HF_POLICY_FILE_MAX + 1), 0);
	close(fd);
	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	cr_expect_eq(hf_policy_read(p, at("big.yaml"), &err), -E2BIG);
	(void)snprintf(want, sizeof(want), "%s/big.yaml: more than 67108864 bytes", dir);
	cr_expect_str_eq(err.text, want);
	cr_expect_eq(hf_policy_read_text(p, "t", "", (size_t)HF_POLICY_FILE_MAX + 1, &err), -E2BIG);
	hf_policy_free(p);
}

Test(folder, standard_input_is_read_to_its_end)
{
	struct hf_policy *p = NULL;
	struct hf_err err = {0};

	put("in", TIER("a", "x"));
	cr_assert_not_null(freopen(at("in"), "r", stdin));
	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	cr_expect_eq(hf_policy_read(p, "-", &err), -EINVAL);
	cr_expect_str_eq(err.text, "stdin:4:15: order: must be a number");
	hf_policy_free(p);
}

/* 2000 policies with 10 rules, 2000 sets with 100 members. */
Test(set, a_large_input_is_read_in_linear_time)
{
	struct hf_policy *p = NULL;
	struct timespec t0, t1;
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	double seconds;
	int i, j;

	for (i = 0; i < 2000; i++) {
		fprintf(f,
			"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"
			"metadata: {name: p-%d}\nspec:\n  order: %d\n  selector: role == 'x%d'\n"
			"  ingress:\n",
			i, i, i);
		for (j = 0; j < 10; j++)
			fprintf(f,
				"  - action: Allow\n    protocol: TCP\n    source: {selector: "
				"set == 's%d'}\n    destination: {ports: [%d]}\n",
				i, j + 1);
	}
	for (i = 0; i < 2000; i++) {
		fprintf(f,
			"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\n"
			"metadata: {name: s-%d, labels: {set: s%d}}\nspec:\n  nets:\n",
			i, i);
		for (j = 0; j < 100; j++)
			fprintf(f, "  - 10.%d.%d.%d\n", i / 256, i % 256, j);
	}
	fclose(f);
	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	cr_assert_eq(hf_policy_read_text(p, "t.yaml", text, size, NULL), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	seconds = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
	fprintf(stderr, "%zu bytes in %.3f s\n", size, seconds);
	cr_expect_eq(hf_policy_objects(p)->policy.n, 2000);
	cr_expect_eq(hf_policy_objects(p)->netset.n, 2000);
	cr_expect_eq(hf_policy_objects(p)->netset.v[1999].nets.n, 100);
	/* Well under a second on its own; sanitizers and a busy machine take their share. */
	cr_expect_lt(seconds, 5.0);
	hf_policy_free(p);
	free(text);
}

static struct hf_policy *read_cached(struct hf_policy_cache *cache)
{
	struct hf_policy *p = NULL;
	struct hf_err err = {0};

	cr_assert_eq(hf_policy_new(&p, NULL), 0);
	hf_policy_use_cache(p, cache);
	cr_assert_eq(hf_policy_read(p, dir, &err), 0, "%s", err.text);
	return p;
}

/* By the ids, which tell later stages; the set may outlive the cache. */
Test(folder, files_that_have_not_changed_are_the_same_objects)
{
	struct hf_policy_cache *cache = hf_policy_cache_new();
	const struct hf_objects *a, *b, *c;
	struct hf_policy *one, *two, *three;

	cr_assert_not_null(cache);
	put("x.yaml", TIER("a", "1") "---\n" TIER("b", "1"));
	put("y.yaml", TIER("c", "1"));
	put("z.yaml", "kind: Unknown\napiVersion: v1\nmetadata: {name: n}\n");
	one = read_cached(cache);
	put("y.yaml", TIER("c", "2"));
	two = read_cached(cache);
	(void)unlink(at("x.yaml"));
	put("y.yaml", TIER("c", "1"));
	three = read_cached(cache);
	hf_policy_cache_free(cache);
	a = hf_policy_objects(one);
	b = hf_policy_objects(two);
	c = hf_policy_objects(three);
	cr_assert_eq(b->tier.n, 3);
	cr_assert_eq(c->tier.n, 1);
	cr_expect_eq(a->tier.v[0].meta.id, b->tier.v[0].meta.id);
	cr_expect_eq(a->tier.v[1].meta.id, b->tier.v[1].meta.id);
	cr_expect_neq(a->tier.v[2].meta.id, b->tier.v[2].meta.id);
	cr_expect_eq(b->tier.v[2].order, 2);
	cr_expect_neq(c->tier.v[0].meta.id, a->tier.v[2].meta.id);
	cr_expect_eq(c->tier.v[0].order, 1);
	cr_expect_eq(hf_policy_n_notes(one), 1);
	cr_expect_eq(hf_policy_n_notes(two), 1);
	hf_policy_free(one);
	hf_policy_free(two);
	cr_expect_str_eq(c->tier.v[0].meta.name, "c");
	hf_policy_free(three);
}

/* As without a cache: an error changes nothing, and what is wrong stays wrong. */
Test(folder, a_cache_hides_no_error)
{
	struct hf_policy_cache *cache = hf_policy_cache_new();
	struct hf_policy *p = NULL;
	struct hf_err err = {0};
	int i;

	put("x.yaml", TIER("a", "1"));
	put("y.yaml", TIER("a", "2"));
	for (i = 0; i < 2; i++) {
		cr_assert_eq(hf_policy_new(&p, NULL), 0);
		hf_policy_use_cache(p, cache);
		cr_expect_eq(hf_policy_read(p, dir, &err), -EINVAL);
		cr_expect(strstr(err.text, "is already at"), "%s", err.text);
		hf_policy_free(p);
	}
	put("y.yaml", "kind: Tier\napiVersion: projectcalico.org/v3\nmetadata: [\n");
	for (i = 0; i < 2; i++) {
		cr_assert_eq(hf_policy_new(&p, NULL), 0);
		hf_policy_use_cache(p, cache);
		cr_expect_eq(hf_policy_read(p, dir, &err), -EINVAL);
		cr_expect_eq(hf_policy_objects(p)->tier.n, 0);
		hf_policy_free(p);
	}
	hf_policy_cache_free(cache);
}
