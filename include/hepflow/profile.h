/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Profiles: NIC descriptions in YAML, read strictly; docs/hw-profiles.md has the format.
 *
 * An unknown key, a wrong type or a contradiction is an error with file:line:column.
 */

#pragma once

#include <stddef.h>

struct hf_err;
struct hf_nic;

/* Where shipped profiles are looked for, in order: $HEPFLOW_PROFILES, the build tree, the installed
 * folder. */
#define HF_PROFILE_ENV "HEPFLOW_PROFILES"

/*
 * name is a path when it contains '/' or ends in ".yaml", otherwise the name or an alias of a
 * shipped profile. The caller frees *ret with hf_profile_free(). -ENOENT when there is none,
 * -EINVAL when it is broken.
 */
int hf_profile_find(const char *name, struct hf_nic **ret, struct hf_err *err);
int hf_profile_read(const char *path, struct hf_nic **ret, struct hf_err *err);
void hf_profile_free(struct hf_nic *nic);

/* All shipped profiles sorted by name; *ret is an array of n to be freed with
 * hf_profile_free_all(). */
int hf_profile_all(struct hf_nic ***ret, size_t *ret_n, struct hf_err *err);
void hf_profile_free_all(struct hf_nic **nics, size_t n);
