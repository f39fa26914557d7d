/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Saved: the last whole state of Felix on disk, so that a hepflowd that starts enforces what was
 * enforced before, not nothing, until Felix has spoken again.
 *
 * STATEDIR/felix.state, mode 0600: "HEPFLOW1", the length of what follows the head and its CRC-32C
 * (little-endian, 8 and 4 bytes), then frames as Felix sends them. It is written aside, synced and
 * renamed, so that there is always a whole one; one that is damaged, or of another version, is not
 * read.
 *
 * Threads: one at a time.
 */

#pragma once

#include <stdbool.h>

struct hf_err;
struct hf_felix;

/* Errors of the file system, -ENOMEM; what was saved before stays then. */
int hf_saved_write(const char *statedir, const struct hf_felix *felix, struct hf_err *err);
/* -ENOENT: nothing has been saved; -EBADMSG: damaged; errors of the file system, -ENOMEM. */
int hf_saved_read(const char *statedir, struct hf_felix **ret, struct hf_err *err);
