/* SPDX-License-Identifier: BSD-3-Clause */

#include "proof_world.h"

#include "hf_test.h"

#include <hepflow/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/hepflow-proof.XXXXXX";
struct hf_config *config;
static struct hf_profiles profiles;
struct hf_inputs in;

void open_world(const char *changes)
{
	struct hf_err err = {0};
	char text[1024];

	cr_assert_geq(mkstemp(path), 0);
	(void)snprintf(text, sizeof(text),
		"apiVersion: hepflow/v1\nkind: Config\nspec:\n  policy: [%s]\n  changes: %s\n"
		"  ports:\n"
		"    - {name: eth0, role: uplink, devargs: net_null0, profile: mlx5-cx6dx}\n"
		"    - {name: eth0, role: host, devargs: net_null1}\n",
		path, changes);
	cr_assert_eq(hf_config_read_text("c.yaml", text, strlen(text), &config, &err), 0, "%s",
		err.text);
	cr_assert_eq(hf_profiles_find(config, &profiles, &err), 0, "%s", err.text);
	in = (struct hf_inputs){.config = config, .profiles = &profiles};
}

void close_world(void)
{
	hf_profiles_fini(&profiles);
	hf_config_free(config);
	cr_assert_eq(unlink(path), 0);
}

struct hf_generation *build(const char *ingress)
{
	struct hf_generation *g = NULL;
	struct hf_err err = {0};
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	cr_assert_gt(fprintf(f, "%s%s", HOST, ingress), 0);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(hf_generation_build(&in, 1, NULL, &g, &err), 0, "%s", err.text);
	return g;
}

struct hf_generation *build_large(void)
{
	struct hf_generation *g;
	char *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);

	cr_assert_not_null(f);
	for (i = 0; i < 1020; i++)
		fprintf(f,
			"    - {action: %s, protocol: TCP, source: {nets: [10.%zu.%zu.0/24]}, "
			"destination: {ports: [%zu]}}\n",
			i % 2 ? "Allow" : "Deny", i % 7, i % 251, 1000 + i);
	cr_assert_eq(fclose(f), 0);
	g = build(text);
	free(text);
	return g;
}
