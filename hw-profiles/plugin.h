/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The plugin with the virtual NIC, where EAL will load it from.
 */

#pragma once

#include <limits.h>

struct hf_err;

struct hf_plugin {
	char path[PATH_MAX];
	char folder[PATH_MAX]; /* made for a copy; "" when there is none */
};

/*
 * Finds the plugin by $HEPFLOW_VNIC, in the build tree of the running program, or where it was
 * installed. EAL loads nothing from below a folder that everybody may write to (22.11,
 * lib/eal/common/eal_common_options.c): then it is copied to a folder of its own below
 * $XDG_RUNTIME_DIR or /run. -ENOENT when there is no plugin.
 */
int hf_plugin_init(struct hf_plugin *ret, struct hf_err *err);
/* Removes the copy; a plugin that is loaded does not need its file any more. */
void hf_plugin_fini(struct hf_plugin *plugin);
