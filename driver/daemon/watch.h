/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Watch: tells when the policy files may have changed, by inotify.
 *
 * Folders are watched, not files: editors and config-map mounts replace files, and links to them,
 * by rename. Files that are named are watched by the folder they are in; folders by themselves and
 * by all folders in them, to the depth that is read. A change is told once nothing more has
 * happened for a moment, so that several files written together are read together; a file that is
 * read while it is half written is an error of that apply, and the rest of it is the next change.
 *
 * The kernel's limit of watches, or a folder that vanishes, is logged; the rest stays watched, and
 * SIGHUP and "apply" work anyway.
 *
 * Threads: the thread of the event base.
 */

#pragma once

#include <stddef.h>

struct event_base;
struct hf_err;
struct hf_watch;

#define HF_WATCH_SETTLE_MS 10	/* between writes of one editor or one archive */
#define HF_WATCH_LATE_MS   500	/* under writes that do not end */
#define HF_WATCH_MAX	   4096 /* folders */

/* paths are lent for as long as the watch lives. Errors of inotify, -ENOMEM. */
int hf_watch_open(struct event_base *base, const char *const *paths, size_t n,
	void (*changed)(void *arg), void *arg, struct hf_watch **ret, struct hf_err *err);
void hf_watch_close(struct hf_watch *watch);
