/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/profile.h>

#include "profiles.h"

#include <hepflow/base/arena.h>

#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A profile is some hundred lines. */
#define FILE_SIZE_MAX (1024 * 1024)
/* The only format there is; docs/hw-profiles.md. */
#define FORMAT	     1

#define PATH_SIZE    4096
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

struct flag {
	const char *key;
	size_t offset; /* in struct hf_nic */
	bool optional; /* false when it is not given */
};

static int read_path(const char *path, unsigned int depth, struct hf_nic **ret, struct hf_err *err);

static const struct flag attributes[] = {
	{"ingress", offsetof(struct hf_nic, ingress)},
	{"egress", offsetof(struct hf_nic, egress)},
	{"transfer", offsetof(struct hf_nic, transfer)},
	{"transfer_proxy", offsetof(struct hf_nic, transfer_proxy), .optional = true},
	{NULL, 0},
};

static const struct flag parsing[] = {
	{"fragments_match_l4", offsetof(struct hf_nic, fragments_match_l4)},
	{"extensions_match_l4", offsetof(struct hf_nic, ext_match_l4)},
	{NULL, 0},
};

static const struct flag lifecycle[] = {
	{"flush_on_stop", offsetof(struct hf_nic, flush_on_stop)},
	{"bifurcated", offsetof(struct hf_nic, bifurcated)},
	{"isolate", offsetof(struct hf_nic, isolate)},
	{"async", offsetof(struct hf_nic, async)},
	{"async_only", offsetof(struct hf_nic, async_only), .optional = true},
	{NULL, 0},
};

/* A block of truth values, which must be given unless they are optional. */
static int read_flags(const struct reader *r, const struct hf_yaml *block, const struct flag *flags,
	struct hf_nic *nic)
{
	const char *keys[8];
	size_t n;

	for (n = 0; flags[n].key; n++)
		keys[n] = flags[n].key;
	keys[n] = "src";
	keys[n + 1] = NULL;
	if (hf_read_map(r, block, keys) < 0 || hf_read_src(r, block) < 0)
		return -EINVAL;
	for (n = 0; flags[n].key; n++) {
		const struct hf_yaml *node = hf_yaml_get(block, flags[n].key);
		bool *at = (bool *)((char *)nic + flags[n].offset);

		*at = false;
		if (!node && flags[n].optional)
			continue;
		node = hf_read_need(r, block, flags[n].key);
		if (!node || hf_read_bool(r, node, at) < 0)
			return -EINVAL;
	}
	return 0;
}

static int hex4(const char *text, uint16_t *ret)
{
	size_t i;

	for (i = 0; i < 4; i++) {
		if (!strchr("0123456789abcdef", text[i]) || text[i] == '\0')
			return -EINVAL;
	}
	*ret = (uint16_t)strtoul((char[]){text[0], text[1], text[2], text[3], '\0'}, NULL, 16);
	return 0;
}

static int read_firmware(const struct reader *r, const struct hf_yaml *node, struct hf_nic *nic)
{
	size_t i;

	if (!node)
		return 0;
	if (hf_read_list(r, node, HF_NIC_FIRMWARE_MAX) < 0)
		return -EINVAL;
	for (i = 0; i < node->n; i++) {
		if (hf_read_u32(r, node->v[i], 1, UINT16_MAX, &nic->firmware[i]) < 0)
			return -EINVAL;
	}
	nic->n_firmware = node->n;
	return 0;
}

static int read_pci(const struct reader *r, const struct hf_yaml *node, struct hf_nic *nic)
{
	static const char *const keys[] = {"ids", "firmware", "src", NULL};
	const struct hf_yaml *ids;
	size_t i;

	if (hf_read_map(r, node, keys) < 0 || hf_read_src(r, node) < 0)
		return -EINVAL;
	ids = hf_read_need(r, node, "ids");
	if (!ids || hf_read_list(r, ids, HF_NIC_PCI_MAX) < 0)
		return -EINVAL;
	for (i = 0; i < ids->n; i++) {
		const char *text = ids->v[i]->kind == HF_YAML_SCALAR ? ids->v[i]->text : "";

		if (strlen(text) != 9 || text[4] != ':' || hex4(text, &nic->pci[i].vendor) < 0 ||
			hex4(text + 5, &nic->pci[i].device) < 0)
			return hf_read_fail(r, ids->v[i],
				"a PCI id like \"15b3:101d\" is needed here, in lower case");
	}
	nic->n_pci = ids->n;
	return read_firmware(r, hf_yaml_get(node, "firmware"), nic);
}

static int read_identity(const struct reader *r, const struct hf_yaml *map, struct hf_nic *nic)
{
	const struct {
		const char *key;
		char *at;
		size_t size;
		bool empty_ok;
	} texts[] = {
		{"name", nic->name, sizeof(nic->name), false},
		{"chips", nic->chips, sizeof(nic->chips), false},
		{"driver", nic->driver, sizeof(nic->driver), true},
		{"devargs", nic->devargs, sizeof(nic->devargs), true},
	};
	const struct hf_yaml *node;
	uint32_t format;
	size_t i;

	node = hf_read_need(r, map, "format");
	if (!node || hf_read_u32(r, node, FORMAT, FORMAT, &format) < 0)
		return -EINVAL;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		node = hf_read_need(r, map, texts[i].key);
		if (!node ||
			hf_read_text(r, node, texts[i].at, texts[i].size, texts[i].empty_ok) < 0)
			return -EINVAL;
	}
	if (strspn(nic->name, NAME_LETTERS) != strlen(nic->name))
		return hf_read_fail(r, hf_yaml_get(map, "name"),
			"a name has small letters, digits and '-' only");
	node = hf_yaml_get(map, "aliases");
	if (!node)
		return 0;
	if (hf_read_list(r, node, HF_NIC_ALIASES_MAX) < 0)
		return -EINVAL;
	for (i = 0; i < node->n; i++) {
		if (hf_read_text(r, node->v[i], nic->aliases[i], sizeof(nic->aliases[i]), false) <
			0)
			return -EINVAL;
	}
	nic->n_aliases = node->n;
	return 0;
}

static int read_engines(const struct reader *r, const struct hf_yaml *node, struct hf_nic *nic)
{
	size_t i;
	size_t k;

	if (hf_read_list(r, node, HF_NIC_ENGINES_MAX) < 0)
		return -EINVAL;
	for (i = 0; i < node->n; i++) {
		if (hf_read_engine(r, node->v[i], &nic->engine[i]) < 0)
			return -EINVAL;
		for (k = 0; k < i; k++) {
			if (strcmp(nic->engine[k].name, nic->engine[i].name) == 0)
				return hf_read_fail(r, node->v[i], "engine '%s' given twice",
					nic->engine[i].name);
		}
	}
	nic->n_engines = node->n;
	if (nic->n_engines > 0 && !nic->ingress && !nic->egress && !nic->transfer)
		return hf_read_fail(r, node, "engines, but no direction");
	return 0;
}

static int read_error(const struct reader *r, const struct hf_yaml *node, struct hf_nic_answer *ret)
{
	static const char *const keys[] = {"when", "errno", "type", "message", "src", NULL};
	const struct hf_yaml *part;
	unsigned int type;

	if (hf_read_map(r, node, keys) < 0 || hf_read_src(r, node) < 0)
		return -EINVAL;
	part = hf_yaml_get(node, "when");
	if (part && hf_read_when(r, part, &ret->when) < 0)
		return -EINVAL;
	part = hf_read_need(r, node, "errno");
	if (!part)
		return -EINVAL;
	ret->error.err = part->kind == HF_YAML_SCALAR ? hf_errno_find(part->text) : -1;
	if (ret->error.err < 0)
		return hf_read_fail(r, part, "the name of an errno is needed here");
	part = hf_read_need(r, node, "type");
	if (!part || hf_read_name(r, part, &hf_names_error_type, &type) < 0)
		return -EINVAL;
	ret->error.type = (uint8_t)type;
	part = hf_read_need(r, node, "message");
	if (!part)
		return -EINVAL;
	ret->error.given = true;
	if (part->kind == HF_YAML_SCALAR && hf_yaml_is_null(part)) {
		ret->error.no_message = true;
		return 0;
	}
	return hf_read_text(r, part, ret->error.message, sizeof(ret->error.message), false);
}

/* One reason: an answer, or a list of answers with conditions of which the last may have none. */
static int read_reason(const struct reader *r, const struct hf_yaml *key,
	const struct hf_yaml *node, struct hf_nic *nic)
{
	bool list = node->kind == HF_YAML_SEQ;
	size_t n = list ? node->n : 1;
	bool all = strcmp(key->text, "default") == 0;
	unsigned int reason = 0;
	size_t i;

	if (!all && hf_read_name(r, key, &hf_names_reject, &reason) < 0)
		return -EINVAL;
	if (!all && reason == HF_REJECT_NONE)
		return hf_read_fail(r, key, "'none' has no answer");
	for (i = 0; i < n; i++) {
		const struct hf_yaml *entry = list ? node->v[i] : node;
		struct hf_nic_answer *answer = &nic->answers[nic->n_answers];
		size_t k;

		if (nic->n_answers == HF_NIC_ERRORS_MAX)
			return hf_read_fail(r, entry, "more than %d answers", HF_NIC_ERRORS_MAX);
		if (read_error(r, entry, answer) < 0)
			return -EINVAL;
		if (hf_yaml_get(entry, "when")) {
			answer->rejects = all ? UINT32_MAX : UINT32_C(1) << reason;
			nic->n_answers++;
			continue;
		}
		if (i + 1 < n)
			return hf_read_fail(r, entry, "answers behind this one are never given");
		for (k = 1; k < HF_REJECT_MAX_; k++) {
			if (k == reason || (all && !nic->error[k].given))
				nic->error[k] = answer->error;
		}
		memset(answer, 0, sizeof(*answer));
	}
	return 0;
}

static int read_errors(const struct reader *r, const struct hf_yaml *node, struct hf_nic *nic)
{
	const struct hf_yaml *rest = NULL;
	const struct hf_yaml *rest_key = NULL;
	size_t i;

	if (node->kind != HF_YAML_MAP)
		return hf_read_fail(r, node, "a mapping is needed here");
	/* Those of a profile that this one is like are replaced as a whole. */
	memset(nic->error, 0, sizeof(nic->error));
	memset(nic->answers, 0, sizeof(nic->answers));
	nic->n_answers = 0;
	for (i = 0; i < node->n; i++) {
		if (strcmp(node->key[i]->text, "default") == 0) {
			rest = node->v[i];
			rest_key = node->key[i];
			continue;
		}
		if (read_reason(r, node->key[i], node->v[i], nic) < 0)
			return -EINVAL;
	}
	return rest ? read_reason(r, rest_key, rest, nic) : 0;
}

static int read_attributes(const struct reader *r, const struct hf_yaml *node, struct hf_nic *nic)
{
	return read_flags(r, node, attributes, nic);
}

static int read_parsing(const struct reader *r, const struct hf_yaml *node, struct hf_nic *nic)
{
	return read_flags(r, node, parsing, nic);
}

static int read_lifecycle(const struct reader *r, const struct hf_yaml *node, struct hf_nic *nic)
{
	if (read_flags(r, node, lifecycle, nic) < 0)
		return -EINVAL;
	if (nic->async_only && !nic->async)
		return hf_read_fail(r, node, "async_only, but not async");
	return 0;
}

/*
 * Takes all but the identity from another profile in the same folder, which must stand on its own:
 * chains would hide where a value comes from.
 */
static int read_like(const struct reader *r, const struct hf_yaml *node, struct hf_nic *nic)
{
	const char *slash = strrchr(r->name, '/');
	int dir_len = slash ? (int)(slash - r->name) + 1 : 0;
	char name[HF_NIC_NAME_SIZE];
	char path[PATH_SIZE];
	struct hf_nic *base;
	int rc;

	if (hf_read_text(r, node, name, sizeof(name), false) < 0)
		return -EINVAL;
	if (r->depth > 0)
		return hf_read_fail(r, node, "'like' of a profile that another one is like");
	if (strspn(name, NAME_LETTERS) != strlen(name))
		return hf_read_fail(r, node, "the name of a profile is needed here");
	if (snprintf(path, sizeof(path), "%.*s%s.yaml", dir_len, r->name, name) >=
		(int)sizeof(path))
		return hf_read_fail(r, node, "path too long");
	rc = read_path(path, r->depth + 1, &base, r->err);
	if (rc < 0)
		return hf_err_prefix(r->err, rc, "%s:%u:%u: ", r->name, node->line, node->col);
	*nic = *base;
	free(base);
	nic->n_aliases = 0;
	nic->n_pci = 0;
	nic->n_firmware = 0;
	return 0;
}

static int read_profile(const struct reader *r, const struct hf_yaml *map, struct hf_nic *nic)
{
	static const char *const keys[] = {"format", "name", "chips", "aliases", "driver",
		"devargs", "like", "without", "pci", "attributes", "parsing", "lifecycle",
		"engines", "errors", NULL};
	static const struct {
		const char *key;
		bool optional;
		int (*read)(const struct reader *, const struct hf_yaml *, struct hf_nic *);
	} blocks[] = {
		{"attributes", false, read_attributes},
		{"parsing", false, read_parsing},
		{"lifecycle", false, read_lifecycle},
		{"engines", false, read_engines},
		{"errors", true, read_errors},
	};
	const struct hf_yaml *like = hf_yaml_get(map, "like");
	const struct hf_yaml *without = hf_yaml_get(map, "without");
	const struct hf_yaml *node;
	size_t i;
	int rc;

	if (hf_read_map(r, map, keys) < 0)
		return -EINVAL;
	if (without && !like)
		return hf_read_fail(r, without, "'without' is for a profile that is like another");
	rc = like ? read_like(r, like, nic) : 0;
	if (rc == 0 && without)
		rc = hf_read_without(r, without, nic);
	if (rc < 0)
		return rc;
	if (read_identity(r, map, nic) < 0)
		return -EINVAL;
	node = hf_read_need(r, map, "pci");
	if (!node || read_pci(r, node, nic) < 0)
		return -EINVAL;
	for (i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
		bool may_miss = like || blocks[i].optional;

		node = may_miss ? hf_yaml_get(map, blocks[i].key)
				: hf_read_need(r, map, blocks[i].key);
		if (!node && !may_miss)
			return -EINVAL;
		if (node && like && strcmp(blocks[i].key, "engines") == 0)
			return hf_read_fail(
				r, node, "a profile that is like another has its engines");
		if (node && blocks[i].read(r, node, nic) < 0)
			return -EINVAL;
	}
	return 0;
}

static int read_file(
	struct hf_arena *arena, const char *path, char **ret, size_t *ret_size, struct hf_err *err)
{
	char *text = hf_arena_alloc(arena, FILE_SIZE_MAX + 1);
	FILE *file;
	size_t n;
	bool bad;

	if (!text)
		return hf_fail(err, -ENOMEM, "%s: out of memory", path);
	file = fopen(path, "re");
	if (!file)
		return hf_fail(err, -errno, "%s: %s", path, strerror(errno));
	n = fread(text, 1, FILE_SIZE_MAX + 1, file);
	bad = ferror(file) != 0;
	(void)fclose(file); /* it was only read */
	if (bad)
		return hf_fail(err, -EIO, "%s: cannot be read", path);
	if (n > FILE_SIZE_MAX)
		return hf_fail(err, -E2BIG, "%s: larger than %d bytes", path, FILE_SIZE_MAX);
	*ret = text;
	*ret_size = n;
	return 0;
}

static int read_path(const char *path, unsigned int depth, struct hf_nic **ret, struct hf_err *err)
{
	struct reader r = {.name = path, .err = err, .depth = depth};
	struct hf_arena *arena = hf_arena_new();
	struct hf_nic *nic = calloc(1, sizeof(*nic));
	struct hf_yaml **docs = NULL;
	size_t n_docs = 0;
	char *text = NULL;
	size_t size = 0;
	int rc;

	if (!arena || !nic) {
		rc = hf_fail(err, -ENOMEM, "%s: out of memory", path);
		goto out;
	}
	rc = read_file(arena, path, &text, &size, err);
	if (rc == 0)
		rc = hf_yaml_read(arena, path, text, size, &docs, &n_docs, err);
	if (rc < 0)
		goto out;
	if (n_docs != 1)
		rc = hf_fail(
			err, -EINVAL, "%s:1:1: one YAML document is needed, not %zu", path, n_docs);
	else
		rc = read_profile(&r, docs[0], nic);
	if (rc < 0)
		goto out;
	*ret = nic;
	nic = NULL; /* the caller's now */
out:
	free(nic);
	hf_arena_free(arena);
	return rc;
}

int hf_profile_read(const char *path, struct hf_nic **ret, struct hf_err *err)
{
	return read_path(path, 0, ret, err);
}

void hf_profile_free(struct hf_nic *nic)
{
	free(nic);
}
