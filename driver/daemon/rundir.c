/* SPDX-License-Identifier: BSD-3-Clause */

#include "rundir.h"

#include <hepflow/err.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 3 /* the file may vanish between open and lock when another daemon just ends */

struct hf_rundir {
	char *path;
	char *pidfile;
	char *socket;
	char *felix;
	int fd;
	bool made; /* the folder, by us */
	bool owned;
};

static int fail(const char *what, const char *path, struct hf_err *err)
{
	return hf_fail(err, -errno, "%s %s: %s", what, path, strerror(errno));
}

/* Whether fd is (still) what the name means. */
static bool same_file(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static int lock(struct hf_rundir *r, struct hf_err *err)
{
	char pid[32] = "";
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		r->fd = open(r->pidfile, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (r->fd < 0)
			return fail("cannot open", r->pidfile, err);
		if (flock(r->fd, LOCK_EX | LOCK_NB) < 0) {
			if (pread(r->fd, pid, sizeof(pid) - 1, 0) <= 0)
				strcpy(pid, "unknown");
			return hf_fail(err, -EEXIST, "%s: already running as pid %.*s", r->pidfile,
				(int)strcspn(pid, "\n"), pid);
		}
		if (same_file(r->fd, r->pidfile)) {
			r->owned = true;
			return 0;
		}
		(void)close(r->fd); /* of a file that is gone */
		r->fd = -1;
	}
	return hf_fail(err, -EAGAIN, "%s: cannot be locked", r->pidfile);
}

static int write_pid(struct hf_rundir *r, struct hf_err *err)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(r->fd, 0) < 0 || pwrite(r->fd, text, (size_t)len, 0) != len)
		return fail("cannot write", r->pidfile, err);
	return 0;
}

static int open_all(struct hf_rundir *r, const char *program, struct hf_err *err)
{
	int rc;

	if (asprintf(&r->pidfile, "%s/%s.pid", r->path, program) < 0) {
		r->pidfile = NULL;
		return hf_fail(err, -ENOMEM, "out of memory");
	}
	if (asprintf(&r->socket, "%s/%s.%ld.ctl", r->path, program, (long)getpid()) < 0) {
		r->socket = NULL;
		return hf_fail(err, -ENOMEM, "out of memory");
	}
	if (asprintf(&r->felix, "%s/felix.sock", r->path) < 0) {
		r->felix = NULL;
		return hf_fail(err, -ENOMEM, "out of memory");
	}
	if (mkdir(r->path, 0750) == 0)
		r->made = true;
	else if (errno != EEXIST)
		return fail("cannot make", r->path, err);
	rc = lock(r, err);
	return rc < 0 ? rc : write_pid(r, err);
}

int hf_rundir_open(
	const char *path, const char *program, struct hf_rundir **ret, struct hf_err *err)
{
	struct hf_rundir *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return hf_fail(err, -ENOMEM, "out of memory");
	r->fd = -1;
	r->path = strdup(path);
	rc = r->path ? open_all(r, program, err) : hf_fail(err, -ENOMEM, "out of memory");
	if (rc < 0) {
		hf_rundir_close(r);
		return rc;
	}
	*ret = r;
	return 0;
}

const char *hf_rundir_socket(const struct hf_rundir *rundir)
{
	return rundir->socket;
}

const char *hf_rundir_felix(const struct hf_rundir *rundir)
{
	return rundir->felix;
}

void hf_rundir_close(struct hf_rundir *rundir)
{
	if (!rundir)
		return;
	if (rundir->owned)
		(void)unlink(rundir->pidfile); /* ours; a stale one is taken over anyway */
	if (rundir->fd >= 0)
		(void)close(rundir->fd); /* nothing is written any more */
	if (rundir->made)
		(void)rmdir(rundir->path); /* fails if somebody else uses it, as it should */
	free(rundir->pidfile);
	free(rundir->socket);
	free(rundir->felix);
	free(rundir->path);
	free(rundir);
}
