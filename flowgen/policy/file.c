/* SPDX-License-Identifier: BSD-3-Clause */

/* Files and folders. */

#include "policy/set.h"

#include <hepflow/err.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (64u << 10) /* of one read() */

/* Reads fd to its end; what comes is freed by the caller. */
static int slurp(int fd, const char *name, char **ret, size_t *ret_size, struct hf_err *err)
{
	size_t size = 0, cap = CHUNK;
	char *text = malloc(cap), *bigger;
	ssize_t got = 1;

	while (text && got != 0) {
		if (cap - size < CHUNK) {
			cap *= 2;
			bigger = realloc(text, cap);
			if (!bigger)
				break;
			text = bigger;
		}
		got = read(fd, text + size, CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int code = -errno;

			free(text);
			return hf_fail(err, code, "%s: %s", name, strerror(-code));
		}
		size += (size_t)got;
		if (size > HF_POLICY_FILE_MAX) {
			free(text);
			return hf_fail(
				err, -E2BIG, "%s: more than %u bytes", name, HF_POLICY_FILE_MAX);
		}
	}
	if (!text || got != 0) {
		free(text);
		return hf_fail(err, -ENOMEM, "%s: out of memory", name);
	}
	*ret = text;
	*ret_size = size;
	return 0;
}

/* What is read: into the batch, or out of the cache. */
struct reading {
	struct hf_batch *batch;
	struct hf_policy_cache *cache; /* or NULL */
};

static int read_fd(const struct reading *r, int fd, const char *name, struct hf_err *err)
{
	char *text = NULL;
	size_t size = 0;
	int rc = slurp(fd, name, &text, &size, err);

	if (rc < 0)
		return rc;
	rc = r->cache ? hf_cache_read(r->cache, r->batch, name, text, size, err)
		      : hf_batch_read(r->batch, name, text, size, err);
	free(text);
	return rc;
}

/* The folders above, so that a link to one of them ends in an error and not in a circle. */
struct above {
	const struct above *up;
	dev_t dev;
	ino_t ino;
	unsigned int depth;
};

static int read_path(
	const struct reading *r, const char *path, const struct above *up, struct hf_err *err);

static bool is_wanted(const char *name, bool folder)
{
	static const char *const ends[] = {".yaml", ".yml", ".json"};
	size_t i, len = strlen(name);

	if (name[0] == '.')
		return false;
	for (i = 0; !folder && i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t n = strlen(ends[i]);

		if (len > n && strcmp(name + len - n, ends[i]) == 0)
			return true;
	}
	return folder;
}

/* Byte order, whatever the locale. */
static int name_cmp(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* One name of a folder. */
static int read_member(const struct reading *r, const char *folder, const char *name,
	const struct above *up, size_t *n_read, struct hf_err *err)
{
	size_t len = strlen(folder);
	struct stat st;
	char *path;
	int rc = 0;

	if (name[0] == '.')
		return 0;
	if (asprintf(&path, "%s%s%s", folder, len && folder[len - 1] == '/' ? "" : "/", name) < 0)
		return hf_fail(err, -ENOMEM, "%s: out of memory", folder);
	if (stat(path, &st) < 0) {
		/* Dangling link or gone meanwhile: only a file that is asked for is missed. */
		rc = is_wanted(name, false) ? -errno : 0;
		if (rc < 0)
			(void)hf_fail(err, rc, "%s: %s", path, strerror(-rc));
	} else if (is_wanted(name, S_ISDIR(st.st_mode))) {
		(*n_read)++;
		rc = read_path(r, path, up, err);
	}
	free(path);
	return rc;
}

static int read_folder(const struct reading *r, const char *path, const struct stat *st,
	const struct above *up, struct hf_err *err)
{
	const struct above here = {
		.up = up, .dev = st->st_dev, .ino = st->st_ino, .depth = up ? up->depth + 1 : 1};
	struct dirent **names;
	const struct above *a;
	size_t n_read = 0;
	int i, n, rc = 0;

	if (here.depth > HF_POLICY_DIR_DEPTH)
		return hf_fail(err, -E2BIG, "%s: more than %d folders within each other", path,
			HF_POLICY_DIR_DEPTH);
	for (a = up; a; a = a->up) {
		if (a->dev == here.dev && a->ino == here.ino)
			return hf_fail(err, -ELOOP, "%s: a folder that contains itself", path);
	}
	n = scandir(path, &names, NULL, name_cmp);
	if (n < 0) {
		rc = -errno;
		return hf_fail(err, rc, "%s: %s", path, strerror(-rc));
	}
	for (i = 0; i < n; i++) {
		if (rc == 0)
			rc = read_member(r, path, names[i]->d_name, &here, &n_read, err);
		free(names[i]);
	}
	free(names);
	if (rc == 0 && n_read == 0 && !up) {
		struct hf_rd rd = {.err = err, .batch = r->batch, .file = path};

		rc = hf_rd_note(&rd, (struct hf_place){path, 0, 0},
			"no *.yaml, *.yml or *.json file in this folder");
	}
	return rc;
}

static int read_path(
	const struct reading *r, const char *path, const struct above *up, struct hf_err *err)
{
	struct stat st;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		rc = -errno;
		if (fd >= 0)
			(void)close(fd); /* nothing was written */
		return hf_fail(err, rc, "%s: %s", path, strerror(-rc));
	}
	rc = S_ISDIR(st.st_mode) ? read_folder(r, path, &st, up, err) : read_fd(r, fd, path, err);
	(void)close(fd); /* nothing was written */
	return rc;
}

static int finish(struct hf_policy *policy, struct hf_batch *batch, int rc, struct hf_err *err)
{
	if (rc == 0)
		rc = hf_policy_merge(policy, batch, err);
	if (rc < 0)
		hf_batch_free(batch);
	return rc;
}

int hf_policy_read(struct hf_policy *policy, const char *path, struct hf_err *err)
{
	struct hf_batch *batch = hf_batch_new();
	const struct reading r = {batch, policy->cache};
	int rc;

	if (!batch)
		return hf_fail(err, -ENOMEM, "%s: out of memory", path);
	if (strcmp(path, "-") == 0)
		rc = read_fd(&r, STDIN_FILENO, "stdin", err);
	else
		rc = read_path(&r, path, NULL, err);
	return finish(policy, batch, rc, err);
}

int hf_policy_read_text(struct hf_policy *policy, const char *name, const char *text, size_t size,
	struct hf_err *err)
{
	struct hf_batch *batch = hf_batch_new();
	int rc;

	if (!batch)
		return hf_fail(err, -ENOMEM, "%s: out of memory", name);
	rc = size > HF_POLICY_FILE_MAX
		     ? hf_fail(err, -E2BIG, "%s: more than %u bytes", name, HF_POLICY_FILE_MAX)
		     : hf_batch_read(batch, name, text, size, err);
	return finish(policy, batch, rc, err);
}
