/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test.h"

#include <hepflow/err.h>
#include <hepflow/nic.h>
#include <hepflow/profile.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

HF_SUITE(profile);

#define TEXT_MAX 8192

/* Line numbers in the tests below count from here. */
static const char good[] =
	"format: 1\n"				/* 1 */
	"name: try\n"				/* 2 */
	"chips: a chip\n"			/* 3 */
	"aliases: [other]\n"			/* 4 */
	"driver: net_try\n"			/* 5 */
	"devargs: \"\"\n"			/* 6 */
	"pci: {ids: [\"8086:1572\"], src: x}\n" /* 7 */
	"attributes: {ingress: true, egress: true, transfer: false, src: x}\n"
	"parsing: {fragments_match_l4: false, extensions_match_l4: true, src: x}\n"
	"lifecycle: {flush_on_stop: true, bifurcated: false, isolate: false, "
	"async: false, src: x}\n"				       /* 10 */
	"engines:\n"						       /* 11 */
	"  - name: one\n"					       /* 12 */
	"    groups: {count: 4, src: x}\n"			       /* 13 */
	"    priorities: {root: 2, others: 8, order: lower, src: x}\n" /* 14 */
	"    match: {items: [eth, ipv4, tcp], src: x}\n"	       /* 15 */
	"    fields:\n"						       /* 16 */
	"      ipv4.dst: {mask: any, src: x}\n"			       /* 17 */
	"      tcp.dst: {mask: widen, danger: true, src: x}\n"	       /* 18 */
	"    actions: {known: [drop, jump, mark], mark_max: 9, drop_with: [], "
	"src: x}\n"						      /* 19 */
	"errors:\n"						      /* 20 */
	"  mask: {errno: EINVAL, type: ITEM, message: no, src: x}\n"; /* 21 */

/* The text with one piece of it replaced. */
static void change(const char *from, const char *to, char ret[TEXT_MAX])
{
	const char *at = strstr(good, from);

	cr_assert(at, "'%s' is not in the text", from);
	(void)snprintf(ret, TEXT_MAX, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
}

static int read_text(const char *text, struct hf_nic **ret, struct hf_err *err)
{
	char path[] = "/tmp/hf-profile-XXXXXX";
	int fd = mkstemp(path);
	int rc;

	cr_assert(fd >= 0);
	cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	rc = hf_profile_read(path, ret, err);
	unlink(path);
	return rc;
}

static void expect_error(const char *from, const char *to, const char *place, const char *words)
{
	char text[TEXT_MAX];
	char want[64];
	struct hf_err err = {0};
	struct hf_nic *nic = NULL;

	change(from, to, text);
	cr_expect(read_text(text, &nic, &err) == -EINVAL, "taken: '%s'", to);
	cr_expect(nic == NULL);
	(void)snprintf(want, sizeof(want), ":%s: ", place);
	cr_expect(strstr(err.text, want) && strstr(err.text, words), "'%s' gave: %s", to, err.text);
}

Test(profile, all_parts_are_read)
{
	struct hf_err err = {0};
	struct hf_nic *nic;
	const struct hf_engine *e;

	cr_assert(read_text(good, &nic, &err) == 0, "%s", err.text);
	e = &nic->engine[0];
	cr_expect_str_eq(nic->name, "try");
	cr_expect_str_eq(nic->aliases[0], "other");
	cr_expect(nic->n_pci == 1 && nic->pci[0].vendor == 0x8086 && nic->pci[0].device == 0x1572);
	cr_expect(nic->ingress && nic->egress && !nic->transfer);
	cr_expect(!nic->async && !nic->async_only);
	cr_expect(!nic->fragments_match_l4 && nic->ext_match_l4 && nic->flush_on_stop);
	cr_expect(e->groups == 4 && e->prios_root == 2 && e->prios == 8);
	cr_expect(e->order == HF_PRIO_LOWER && e->mark_max == 9);
	cr_expect(e->field[HF_F_IP4_DST] == HF_MASK_ANY);
	cr_expect(e->field[HF_F_TCP_DPORT] == HF_MASK_WIDEN);
	cr_expect(e->field[HF_F_IP4_SRC] == HF_MASK_NONE);
	cr_expect(hf_nic_error(nic, HF_REJECT_MASK)->err == EINVAL);
	cr_expect_str_eq(hf_nic_error(nic, HF_REJECT_MASK)->message, "no");
	cr_expect(
		!hf_nic_error(nic, HF_REJECT_RANGE)->given, "a reason without entry has defaults");
	hf_profile_free(nic);
}

Test(profile, unknown_keys_have_their_place)
{
	expect_error("chips:", "chip:", "3:1", "unknown key 'chip'");
	expect_error("{count: 4,", "{count: 4, more: 1,", "13:24", "unknown key 'more'");
	expect_error("ipv4.dst: {mask: any,", "ipv4.dst: {mask: any, kind: any,", "17:29",
		"unknown key 'kind'");
	expect_error("ipv4.dst:", "ipv4.dest:", "17:7", "unknown field 'ipv4.dest'");
	expect_error("  mask: {errno", "  masks: {errno", "21:3", "unknown reason 'masks'");
	expect_error(
		"message: no", "message: no, when: {item: [tcp]}", "21:57", "unknown key 'item'");
}

Test(profile, wrong_types_have_their_place)
{
	expect_error("format: 1", "format: 2", "1:9", "whole number from 1 to 1");
	expect_error("name: try", "name: [try]", "2:7", "text is needed");
	expect_error("name: try", "name: Try!", "2:7", "small letters");
	expect_error("\"8086:1572\"", "8086:1572:1", "7:13", "a PCI id like");
	expect_error("\"8086:1572\"", "\"8086:15G2\"", "7:13", "a PCI id like");
	expect_error("], src: x}\n", "], firmware: [0], src: x}\n", "7:38", "");
	expect_error("], src: x}\n", "], firmware: 22, src: x}\n", "7:37", "");
	expect_error("ingress: true", "ingress: 1", "8:23", "true or false");
	expect_error("count: 4", "count: four", "13:21", "whole number");
	expect_error("count: 4", "count: 0", "13:21", "whole number");
	expect_error("count: 4", "count: 08", "13:21", "whole number");
	expect_error("count: 4", "count: 4294967296", "13:21", "whole number");
	expect_error("order: lower", "order: first", "14:45", "unknown order 'first'");
	expect_error("mask: any", "mask: some", "17:24", "unknown kind of mask 'some'");
	expect_error("[drop, jump, mark]", "[drop, jump, mark, drop]", "19:41", "given twice");
	expect_error("errno: EINVAL", "errno: 22", "21:17", "name of an errno");
	expect_error("type: ITEM", "type: ITEMS", "21:31", "unknown error type 'ITEMS'");
	expect_error("engines:\n", "engines: {}\nx:\n", "12:1", "unknown key 'x'");
}

Test(profile, missing_keys_have_their_place)
{
	expect_error("driver: net_try\n", "", "1:1", "key 'driver' is missing");
	expect_error("count: 4, ", "", "13:13", "key 'count' is missing");
	expect_error("mask: any, ", "", "17:17", "key 'mask' is missing");
	expect_error("mask: any, src: x", "mask: any", "17:17", "key 'src' is missing");
	expect_error("mask: any, src: x", "mask: any, src: \"\"", "17:34", "must not be empty");
}

Test(profile, contradictions_have_their_place)
{
	expect_error("async: false,", "async: false, async_only: true,", "10:12",
		"async_only, but not async");
	expect_error("danger: true, ", "", "18:16", "mask: widen needs danger: true");
	expect_error("mask: any", "mask: any, danger: true", "17:37", "danger goes with");
	expect_error("order: lower", "order: none", "14:17", "several priorities without an order");
	expect_error("others: 8, ", "", "14:17", "'others' is needed");
	expect_error("count: 4", "count: 1", "14:17", "'others' is needed");
	expect_error("mark_max: 9, ", "", "19:14", "mark and mark_max go together");
	expect_error("[drop, jump, mark]", "[drop, mark]", "19:14", "jump and groups");
	expect_error("drop_with: []", "drop_with: [count]", "19:14", "not known");
	expect_error("[eth, ipv4, tcp]", "[eth, ipv4]", "18:7", "does not know the item");
	expect_error("items: [eth", "patterns: [any], items: [eth", "15:12", "either 'patterns'");
	expect_error("mask: any", "mask: global", "17:7", "go together");
	expect_error("mask: any", "mask: any, only: [1]", "17:35", "too wide");
	expect_error("mask: any", "mask: any, forms: [any]", "17:36", "only ipv4.frag has forms");
	expect_error("  mask: {errno: EINVAL, type: ITEM, message: no, src: x}\n",
		"  mask:\n    - {errno: EINVAL, type: ITEM, message: no, src: x}\n"
		"    - {when: {range: true}, errno: EINVAL, type: ITEM, message: no, src: x}\n",
		"22:7", "never given");
}

Test(profile, a_message_may_be_missing_on_purpose)
{
	struct hf_err err = {0};
	struct hf_nic *nic;
	char text[TEXT_MAX];

	change("message: no", "message: null", text);
	cr_assert(read_text(text, &nic, &err) == 0, "%s", err.text);
	cr_expect(hf_nic_error(nic, HF_REJECT_MASK)->no_message);
	hf_profile_free(nic);
}

Test(profile, an_answer_may_depend_on_the_flow)
{
	struct hf_flow flow = {.ingress = true, .has_last = true};
	struct hf_err err = {0};
	struct hf_nic *nic;
	char text[TEXT_MAX];

	change("  mask: {errno: EINVAL, type: ITEM, message: no, src: x}\n",
		"  mask:\n    - {when: {range: true}, errno: EIO, type: ITEM, message: a, src: x}\n"
		"    - {errno: EINVAL, type: ITEM, message: b, src: x}\n",
		text);
	cr_assert(read_text(text, &nic, &err) == 0, "%s", err.text);
	cr_expect_str_eq(hf_nic_error_of(nic, HF_REJECT_MASK, &flow)->message, "a");
	flow.has_last = false;
	cr_expect_str_eq(hf_nic_error_of(nic, HF_REJECT_MASK, &flow)->message, "b");
	cr_expect_str_eq(hf_nic_error_of(nic, HF_REJECT_MASK, NULL)->message, "b");
	hf_profile_free(nic);
}

Test(profile, one_document_is_needed)
{
	struct hf_err err = {0};
	struct hf_nic *nic;

	cr_expect(read_text("", &nic, &err) == -EINVAL);
	cr_expect(strstr(err.text, "one YAML document is needed"));
	cr_expect(read_text("a: 1\n---\nb: 1\n", &nic, &err) == -EINVAL);
	cr_expect(read_text("- a\n", &nic, &err) == -EINVAL);
	cr_expect(strstr(err.text, ":1:1: a mapping is needed"), "%s", err.text);
	cr_expect(hf_profile_read("/nowhere/x.yaml", &nic, &err) == -ENOENT);
}

/* A folder of our own with the profile above in it, found by $HEPFLOW_PROFILES. */
static void make_folder(char dir[], const char *file, const char *text)
{
	char path[128];
	FILE *out;

	(void)mkdir(dir, 0700);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	out = fopen(path, "w");
	cr_assert(out);
	fputs(text, out);
	fclose(out);
	setenv(HF_PROFILE_ENV, dir, 1);
}

static void remove_folder(const char *dir)
{
	char command[160];

	(void)snprintf(command, sizeof(command), "rm -r '%s'", dir);
	cr_expect(system(command) == 0);
}

Test(profile, names_aliases_and_paths_are_found)
{
	char dir[] = "/tmp/hf-profiles-XXXXXX";
	char path[64];
	struct hf_err err = {0};
	struct hf_nic *nic;

	cr_assert(mkdtemp(dir));
	make_folder(dir, "try.yaml", good);
	cr_assert(hf_profile_find("try", &nic, &err) == 0, "%s", err.text);
	hf_profile_free(nic);
	cr_assert(hf_profile_find("other", &nic, &err) == 0, "%s", err.text);
	cr_expect_str_eq(nic->name, "try");
	hf_profile_free(nic);
	(void)snprintf(path, sizeof(path), "%s/try.yaml", dir);
	cr_assert(hf_profile_find(path, &nic, &err) == 0, "%s", err.text);
	hf_profile_free(nic);
	cr_expect(hf_profile_find("nothing", &nic, &err) == -ENOENT);
	remove_folder(dir);
}

Test(profile, a_shipped_profile_has_the_name_of_its_file)
{
	char dir[] = "/tmp/hf-profiles-XXXXXX";
	struct hf_err err = {0};
	struct hf_nic *nic;

	cr_assert(mkdtemp(dir));
	make_folder(dir, "tried.yaml", good);
	cr_expect(hf_profile_find("tried", &nic, &err) == -EINVAL);
	cr_expect(strstr(err.text, "tried.yaml:1:1:"), "%s", err.text);
	remove_folder(dir);
}

Test(profile, an_alias_means_one_profile)
{
	char dir[] = "/tmp/hf-profiles-XXXXXX";
	char text[TEXT_MAX];
	struct hf_err err = {0};
	struct hf_nic **nics;
	size_t n;

	cr_assert(mkdtemp(dir));
	make_folder(dir, "try.yaml", good);
	change("name: try", "name: two", text);
	make_folder(dir, "two.yaml", text);
	cr_expect(hf_profile_all(&nics, &n, &err) == -EINVAL);
	cr_expect(strstr(err.text, "'other' is an alias of"), "%s", err.text);
	remove_folder(dir);
}

Test(profile, one_profile_can_be_like_another)
{
	char dir[] = "/tmp/hf-profiles-XXXXXX";
	const char *head = "format: 1\nname: two\nchips: b\ndriver: net_two\ndevargs: \"\"\n"
			   "pci: {ids: [], src: x}\n";
	char text[TEXT_MAX];
	struct hf_err err = {0};
	struct hf_nic *nic;

	cr_assert(mkdtemp(dir));
	make_folder(dir, "try.yaml", good);
	(void)snprintf(text, sizeof(text), "%slike: try\n", head);
	make_folder(dir, "two.yaml", text);
	cr_assert(hf_profile_find("two", &nic, &err) == 0, "%s", err.text);
	cr_expect_str_eq(nic->name, "two");
	cr_expect(nic->n_aliases == 0 && nic->n_pci == 0, "identity is its own");
	cr_expect(nic->n_engines == 1 && nic->engine[0].groups == 4);
	hf_profile_free(nic);

	(void)snprintf(text, sizeof(text), "%slike: try\nengines: []\n", head);
	make_folder(dir, "two.yaml", text);
	cr_expect(hf_profile_find("two", &nic, &err) == -EINVAL);
	cr_expect(strstr(err.text, "two.yaml:8:10: "), "%s", err.text);

	(void)snprintf(text, sizeof(text), "%slike: two\n", head);
	make_folder(dir, "two.yaml", text);
	cr_expect(hf_profile_find("two", &nic, &err) == -EINVAL, "like itself");
	remove_folder(dir);
}

/* What the profile "two" becomes, being like "try" without some of it; NULL and err when refused.
 */
static struct hf_nic *read_without(const char *without, struct hf_err *err)
{
	char dir[] = "/tmp/hf-profiles-XXXXXX";
	struct hf_nic *nic = NULL;
	char text[TEXT_MAX];

	cr_assert(mkdtemp(dir));
	make_folder(dir, "try.yaml", good);
	(void)snprintf(text, sizeof(text),
		"format: 1\nname: two\nchips: b\ndriver: net_two\ndevargs: \"\"\n"
		"pci: {ids: [], src: x}\nlike: try\nwithout: %s\n",
		without);
	make_folder(dir, "two.yaml", text);
	(void)hf_profile_find("two", &nic, err);
	remove_folder(dir);
	return nic;
}

Test(profile, what_a_profile_is_like_another_without)
{
	struct hf_err err = {0};
	struct hf_nic *nic = read_without("{items: [tcp], actions: [jump, mark], src: x}", &err);

	cr_assert(nic, "%s", err.text);
	cr_expect(nic->engine[0].layers ==
		  (HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV4)));
	cr_expect(nic->engine[0].field[HF_F_TCP_DPORT] == HF_MASK_NONE);
	cr_expect(nic->engine[0].field[HF_F_IP4_DST] == HF_MASK_ANY);
	cr_expect(nic->engine[0].actions == HF_ACT_BIT(HF_ACT_DROP));
	cr_expect(nic->engine[0].mark_max == 0);
	cr_expect(nic->engine[0].groups == 1 && nic->engine[0].prios == 0, "nothing jumps there");
	cr_expect(nic->engine[0].prios_root == 2);
	hf_profile_free(nic);

	nic = read_without("{priorities: true, src: x}", &err);
	cr_assert(nic, "%s", err.text);
	cr_expect(nic->engine[0].prios_root == 1 && nic->engine[0].prios == 1);
	cr_expect(nic->engine[0].order == HF_PRIO_NONE);
	hf_profile_free(nic);

	nic = read_without("{engines: [one], src: x}", &err);
	cr_assert(nic, "%s", err.text);
	cr_expect(nic->n_engines == 0);
	hf_profile_free(nic);
}

Test(profile, without_is_read_strictly)
{
	static const struct {
		const char *without, *want;
	} bad[] = {
		{"{items: [tcp]}", "two.yaml:8:10: "}, /* no source */
		{"{items: [udp], src: x}", "the other profile has not all of these"},
		{"{items: [], src: x}", "the other profile has not all of these"},
		{"{actions: [queue], src: x}", "the other profile has not all of these"},
		{"{engines: [two], src: x}", "the other profile has no such engine"},
		{"{fields: [tcp.dst], src: x}", "unknown key 'fields'"},
		{"{actions: [drop, jump, mark], src: x}", "nothing is left of engine 'one'"},
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct hf_err err = {0};
		struct hf_nic *nic = read_without(bad[i].without, &err);

		cr_expect(!nic, "taken: %s", bad[i].without);
		cr_expect(strstr(err.text, bad[i].want), "%s gave: %s", bad[i].without, err.text);
		hf_profile_free(nic);
	}
	expect_error("errors:", "without: {items: [tcp], src: x}\nerrors:", "20:10",
		"'without' is for a profile that is like another");
}

Test(profile, all_shipped_profiles_are_good_and_sorted)
{
	struct hf_err err = {0};
	struct hf_nic **nics;
	size_t n;
	size_t i;

	unsetenv(HF_PROFILE_ENV);
	cr_assert(hf_profile_all(&nics, &n, &err) == 0, "%s", err.text);
	cr_expect(n >= 4);
	for (i = 1; i < n; i++)
		cr_expect(strcmp(nics[i - 1]->name, nics[i]->name) < 0);
	hf_profile_free_all(nics, n);
}
