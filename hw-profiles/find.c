/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/profile.h>

#include <hepflow/base/vec.h>

#include <hepflow/err.h>
#include <hepflow/nic.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX	  ".yaml"
#define PATH_SIZE 4096
/* Of one folder; there are some twenty drivers with rte_flow in DPDK. */
#define PROFILES_MAX 1000

static bool has_suffix(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(SUFFIX) && strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

/* The folder with the shipped profiles. HF_PROFILES_* come from meson. */
static const char *folder(void)
{
	const char *env = getenv(HF_PROFILE_ENV);

	if (env && env[0] != '\0')
		return env;
	return access(HF_PROFILES_SOURCE, R_OK) == 0 ? HF_PROFILES_SOURCE : HF_PROFILES_INSTALLED;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct hf_nic *const *)a)->name, (*(struct hf_nic *const *)b)->name);
}

void hf_profile_free_all(struct hf_nic **nics, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		hf_profile_free(nics[i]);
	free(nics);
}

/* A shipped profile must have the name of its file: names are then unique in a folder. */
static int read_named(const char *dir, const char *file, struct hf_nic **ret, struct hf_err *err)
{
	char path[PATH_SIZE];
	struct hf_nic *nic;
	int rc;

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path))
		return hf_fail(err, -ENAMETOOLONG, "%s: path too long", dir);
	rc = hf_profile_read(path, &nic, err);
	if (rc < 0)
		return rc;
	if (strlen(nic->name) + strlen(SUFFIX) != strlen(file) ||
		strncmp(nic->name, file, strlen(nic->name)) != 0) {
		rc = hf_fail(err, -EINVAL, "%s:1:1: the profile is named '%s', not as its file",
			path, nic->name);
		hf_profile_free(nic);
		return rc;
	}
	*ret = nic;
	return 0;
}

static bool answers_to(const struct hf_nic *nic, const char *name)
{
	size_t i;

	for (i = 0; i < nic->n_aliases; i++) {
		if (strcmp(nic->aliases[i], name) == 0)
			return true;
	}
	return strcmp(nic->name, name) == 0;
}

/* Whoever asks for a name must know what is meant. */
static int check_aliases(const char *dir, struct hf_nic *const *nics, size_t n, struct hf_err *err)
{
	size_t i;
	size_t k;
	size_t a;

	for (i = 0; i < n; i++) {
		for (a = 0; a < nics[i]->n_aliases; a++) {
			for (k = 0; k < n; k++) {
				if (k != i && answers_to(nics[k], nics[i]->aliases[a]))
					return hf_fail(err, -EINVAL,
						"%s: '%s' is an alias of %s, but means %s as well",
						dir, nics[i]->aliases[a], nics[i]->name,
						nics[k]->name);
			}
		}
	}
	return 0;
}

int hf_profile_all(struct hf_nic ***ret, size_t *ret_n, struct hf_err *err)
{
	HF_VEC(struct hf_nic *) nics = {};
	const char *dir = folder();
	DIR *d = opendir(dir);
	struct dirent *entry;
	int rc = 0;

	if (!d)
		return hf_fail(err, -errno, "%s: %s", dir, strerror(errno));
	while (rc == 0 && (entry = readdir(d))) {
		struct hf_nic *nic;

		if (!has_suffix(entry->d_name) || entry->d_name[0] == '.')
			continue;
		if (nics.n == PROFILES_MAX) {
			rc = hf_fail(err, -E2BIG, "%s: more than %d profiles", dir, PROFILES_MAX);
			break;
		}
		rc = read_named(dir, entry->d_name, &nic, err);
		if (rc == 0 && hf_vec_push(&nics, nic)) {
			hf_profile_free(nic);
			rc = hf_fail(err, -ENOMEM, "%s: out of memory", dir);
		}
	}
	(void)closedir(d); /* it was only read */
	if (rc == 0)
		rc = check_aliases(dir, nics.v, nics.n, err);
	if (rc < 0) {
		hf_profile_free_all(nics.v, nics.n);
		return rc;
	}
	if (nics.n > 1)
		qsort(nics.v, nics.n, sizeof(*nics.v), by_name);
	*ret = nics.v;
	*ret_n = nics.n;
	return 0;
}

static int find_alias(const char *alias, struct hf_nic **ret, struct hf_err *err)
{
	struct hf_nic **nics;
	size_t n;
	size_t i;
	int rc;

	rc = hf_profile_all(&nics, &n, err);
	if (rc < 0)
		return rc;
	for (i = 0; i < n && !answers_to(nics[i], alias); i++)
		;
	if (i == n) {
		rc = hf_fail(err, -ENOENT, "no NIC profile '%.64s' in %s", alias, folder());
	} else {
		*ret = nics[i];
		nics[i] = NULL;
	}
	hf_profile_free_all(nics, n);
	return rc;
}

int hf_profile_find(const char *name, struct hf_nic **ret, struct hf_err *err)
{
	char path[PATH_SIZE];
	char file[HF_NIC_NAME_SIZE + sizeof(SUFFIX)];

	if (strchr(name, '/') || has_suffix(name))
		return hf_profile_read(name, ret, err);
	/* Names first, so that an alias can never hide a profile. */
	if (snprintf(file, sizeof(file), "%s" SUFFIX, name) < (int)sizeof(file) &&
		snprintf(path, sizeof(path), "%s/%s", folder(), file) < (int)sizeof(path) &&
		access(path, F_OK) == 0)
		return read_named(folder(), file, ret, err);
	return find_alias(name, ret, err);
}
