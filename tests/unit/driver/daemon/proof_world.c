/* SPDX-License-Identifier: BSD-3-Clause */

#include "proof_world.h"

#include <hepflow/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of no use to go on with. */
static void must(bool good, const struct hf_err *err)
{
	if (good)
		return;
	fprintf(stderr, "# %s\n", err ? err->text : "the world cannot be made");
	abort();
}

static char path[] = "/tmp/hepflow-proof.XXXXXX";
struct hf_config *config;
static struct hf_profiles profiles;
struct hf_inputs in;

void open_world(const char *changes)
{
	struct hf_err err = {0};
	char text[1024];

	must(mkstemp(path) >= 0, NULL);
	(void)snprintf(text, sizeof(text),
		"apiVersion: hepflow/v1\nkind: Config\nspec:\n  policy: [%s]\n  changes: %s\n"
		"  ports:\n"
		"    - {name: eth0, role: uplink, devargs: net_null0, profile: mlx5-cx6dx}\n"
		"    - {name: eth0, role: host, devargs: net_null1}\n",
		path, changes);
	must(hf_config_read_text("c.yaml", text, strlen(text), &config, &err) == 0, &err);
	must(hf_profiles_find(config, &profiles, &err) == 0, &err);
	in = (struct hf_inputs){.config = config, .profiles = &profiles};
}

void close_world(void)
{
	hf_profiles_fini(&profiles);
	hf_config_free(config);
	must(unlink(path) == 0, NULL);
}

struct hf_generation *build(const char *ingress)
{
	return follow(NULL, ingress);
}

struct hf_generation *follow(const struct hf_generation *previous, const char *ingress)
{
	struct hf_generation *g = NULL;
	struct hf_err err = {0};
	FILE *f = fopen(path, "w");

	must(f && fprintf(f, "%s%s", HOST, ingress) > 0 && fclose(f) == 0, NULL);
	must(hf_generation_build(&in, 1, previous, &g, &err) == 0, &err);
	return g;
}

struct hf_generation *build_large(void)
{
	struct hf_generation *g;
	char *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);

	must(f, NULL);
	for (i = 0; i < 1020; i++)
		fprintf(f,
			"    - {action: %s, protocol: TCP, source: {nets: [10.%zu.%zu.0/24]}, "
			"destination: {ports: [%zu]}}\n",
			i % 2 ? "Allow" : "Deny", i % 7, i % 251, 1000 + i);
	must(fclose(f) == 0, NULL);
	g = build(text);
	free(text);
	return g;
}
