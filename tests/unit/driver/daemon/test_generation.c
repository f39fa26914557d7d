/* SPDX-License-Identifier: BSD-3-Clause */

/* profile: auto, on a made-up machine. */

#include "hf_test.h"

#include "daemon/generation.h"

#include <hepflow/detect.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

HF_SUITE(generation);

#define CARD "0000:81:00.0"

static char root[] = "/tmp/hepflow-machine.XXXXXX";

static void put(const char *folder, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	cr_assert_gt(fprintf(f, "%s\n", text), 0);
	cr_assert_eq(fclose(f), 0);
}

/* One card, of this PCI id. */
static void make_machine(const char *vendor, const char *device)
{
	static const char *const parts[] = {"bus", "pci", "devices", CARD};
	char folder[256];
	size_t i, len;

	cr_assert_not_null(mkdtemp(root));
	len = (size_t)snprintf(folder, sizeof(folder), "%s", root);
	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		len += (size_t)snprintf(folder + len, sizeof(folder) - len, "/%s", parts[i]);
		cr_assert_eq(mkdir(folder, 0700), 0);
	}
	put(folder, "class", "0x020000");
	put(folder, "vendor", vendor);
	put(folder, "device", device);
	put(root, "verbs", "# none");
	(void)snprintf(folder, sizeof(folder), "%s/verbs", root);
	cr_assert_eq(setenv(HF_SYSFS_ENV, root, 1), 0);
	cr_assert_eq(setenv(HF_VERBS_ENV, folder, 1), 0);
}

static void remove_machine(void)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "rm -r '%s'", root);
	cr_assert_eq(system(command), 0);
}

/* The profile that an uplink of these arguments gets; its name is "" after an error. */
static void find(const char *devargs, char ret[static 64], bool *ret_assumed, struct hf_err *err)
{
	struct hf_profiles p;
	struct hf_config *c;
	char text[512];

	(void)snprintf(text, sizeof(text),
		"apiVersion: hepflow/v1\nkind: Config\nspec:\n  policy: [a.yaml]\n  ports:\n"
		"    - {name: eth0, role: uplink, devargs: \"%s\"}\n"
		"    - {name: eth0, role: host, devargs: net_null1}\n",
		devargs);
	cr_assert_eq(
		hf_config_read_text("c.yaml", text, strlen(text), &c, err), 0, "%s", err->text);
	ret[0] = '\0';
	if (hf_profiles_find(c, &p, err) == 0) {
		(void)snprintf(ret, 64, "%s", p.nics[0]->name);
		*ret_assumed = p.assumed[0];
		hf_profiles_fini(&p);
	}
	hf_config_free(c);
}

static void is(const char *devargs, const char *want, bool assumed)
{
	struct hf_err err = {0};
	char name[64];
	bool got = !assumed;

	find(devargs, name, &got, &err);
	cr_assert_str_eq(name, want, "%s: %s, not %s: %s", devargs, name, want, err.text);
	cr_assert_eq(got, assumed, "%s", devargs);
}

Test(generation, auto_is_what_detection_says)
{
	make_machine("0x15b3", "0x101d");
	is(CARD, "mlx5-cx6dx", false);
	is(CARD ",dv_flow_en=1", "mlx5-cx6dx", false);
	is(CARD ",dv_flow_en=2", "mlx5-cx6dx-hws", false);
	is(CARD ",dv_flow_en=0", "mlx5-verbs", false);
	is(CARD ",dv_flow_en=7", "none", true);
	is("0000:82:00.0", "none", true);
	is("net_vnic0,dev=net_null2,profile=i40e-xl710", "i40e-x710", false);
	is("net_tap0", "tap", false);
	is("net_null0", "none", true);
	remove_machine();
}

Test(generation, auto_without_a_profile_for_the_card)
{
	make_machine("0x1af4", "0x1041");
	is(CARD, "none", true);
	remove_machine();
}

Test(generation, auto_of_an_unknown_name_is_an_error_with_its_place)
{
	struct hf_err err = {0};
	char name[64];
	bool assumed;

	make_machine("0x8086", "0x1572");
	find("net_vnic0,profile=nothing", name, &assumed, &err);
	cr_assert_eq(strncmp(err.text, "c.yaml:6:7: port eth0: no NIC profile 'nothing'", 47), 0,
		"%s", err.text);
	remove_machine();
}
