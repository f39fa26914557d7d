/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Privileges: what hepflowd does not need it gives up before it opens a device or reads a policy.
 *
 * Kept of the capabilities it was started with: NET_ADMIN and NET_RAW (ports, steering rules),
 * IPC_LOCK (memory that devices reach). Gone for good, for this process and all of its threads:
 * the rest, and new privileges by executing something (PR_SET_NO_NEW_PRIVS). See docs/security.md.
 *
 * Threads: before there are any.
 */

#pragma once

struct hf_err;

int hf_privileges_drop(struct hf_err *err);
