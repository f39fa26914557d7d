/* SPDX-License-Identifier: BSD-3-Clause */

#include "watch.h"

#include "log.h"

#include <hepflow/base/clock.h>
#include <hepflow/err.h>
#include <hepflow/policy.h>

#include <event2/event.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS                                                                                     \
	(IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |        \
		IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct hf_watch {
	const char *const *paths;
	size_t n;
	void (*changed)(void *arg);
	void *arg;
	int fd;
	size_t n_dirs; /* watched; the kernel knows which, and the same one again is no new one */
	bool complained;
	struct event *readable;
	struct event *settle;
	uint64_t dirty_since; /* ms; 0: the owner knows all */
};

static void complain(struct hf_watch *w, const char *path, const char *why)
{
	if (!w->complained)
		hf_log(HF_LOG_WARN, "watch", "%s: not watched: %s; SIGHUP and apply still work",
			path, why);
	w->complained = true;
}

static void add_dir(struct hf_watch *w, const char *path)
{
	if (w->n_dirs == HF_WATCH_MAX) {
		complain(w, path, "too many folders");
		return;
	}
	if (inotify_add_watch(w->fd, path, EVENTS) < 0)
		complain(w, path, strerror(errno));
	else
		w->n_dirs++;
}

/* As hf_policy_read() goes through it: hidden entries are not looked at. */
static void add_tree(struct hf_watch *w, const char *path, unsigned int depth)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	struct stat st;
	char sub[PATH_MAX];

	add_dir(w, path);
	while (dir && depth < HF_POLICY_DIR_DEPTH && (e = readdir(dir))) {
		if (e->d_name[0] == '.' ||
			snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name) >= (int)sizeof(sub))
			continue;
		if (stat(sub, &st) == 0 && S_ISDIR(st.st_mode))
			add_tree(w, sub, depth + 1);
	}
	if (dir)
		(void)closedir(dir); /* only read from */
}

static void add_path(struct hf_watch *w, const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	struct stat st;

	if (snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 1,
		    slash ? path : ".") >= (int)sizeof(parent))
		return;
	add_dir(w, slash == path ? "/" : parent);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		add_tree(w, path, 0);
}

/* Folders may have come; those that are watched already stay as they are. */
static void add_all(struct hf_watch *w)
{
	size_t i;

	w->n_dirs = 0;
	w->complained = false;
	for (i = 0; i < w->n; i++)
		add_path(w, w->paths[i]);
}

static void on_settle(evutil_socket_t, short, void *arg)
{
	struct hf_watch *w = arg;

	w->dirty_since = 0;
	add_all(w);
	w->changed(w->arg);
}

/* What exactly has happened does not matter: everything is read anew, and the same is no change. */
static void on_readable(evutil_socket_t fd, short, void *arg)
{
	static const struct timeval settle = {.tv_usec = HF_WATCH_SETTLE_MS * 1000};
	struct hf_watch *w = arg;
	uint64_t now = hf_clock_ms();
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
	if (!w->dirty_since)
		w->dirty_since = now;
	if (now - w->dirty_since < HF_WATCH_LATE_MS)
		(void)event_add(w->settle, &settle);
}

int hf_watch_open(struct event_base *base, const char *const *paths, size_t n,
	void (*changed)(void *arg), void *arg, struct hf_watch **ret, struct hf_err *err)
{
	struct hf_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return hf_fail(err, -ENOMEM, "watch: out of memory");
	*w = (struct hf_watch){.paths = paths, .n = n, .changed = changed, .arg = arg};
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		int rc = hf_fail(err, -errno, "watch: %s", strerror(errno));

		free(w);
		return rc;
	}
	w->readable = event_new(base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
	w->settle = event_new(base, -1, 0, on_settle, w);
	if (!w->readable || !w->settle || event_add(w->readable, NULL) < 0) {
		hf_watch_close(w);
		return hf_fail(err, -ENOMEM, "watch: out of memory");
	}
	add_all(w);
	*ret = w;
	return 0;
}

void hf_watch_close(struct hf_watch *watch)
{
	if (!watch)
		return;
	if (watch->readable)
		event_free(watch->readable);
	if (watch->settle)
		event_free(watch->settle);
	(void)close(watch->fd); /* only read from */
	free(watch);
}
