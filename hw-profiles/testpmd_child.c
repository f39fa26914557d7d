/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/testpmd_child.h>

#include "plugin.h"
#include "testpmd.h"

#include <hepflow/err.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROMPT	    "testpmd> "
#define STOPPED	    "Waiting for lcores to finish"
#define PROGRAM	    "dpdk-testpmd"
#define OUTPUT_MAX  (16u << 20) /* of one command; a dump of all rules is far below */
#define START_MS    60000	/* hugepages and real ports take their time */
#define ANSWER_MS   30000
#define END_MS	    10000
#define VNIC_QUEUES 64 /* receive queues of the virtual NIC: docs/vnic.md */
#define DEVICE_SIZE 1024
#define ARGS_MAX    32
#define LAST_WORDS  300 /* characters of what a testpmd that failed said last */

struct hf_testpmd {
	pid_t pid;
	int fd; /* both directions */
	size_t len, cap;
	const char *until; /* of hf_testpmd_forward() */
	bool async;
	struct hf_testpmd_made made;
	char *out; /* what has been printed since the last command; with a NUL */
};

/* Command line of the child. */
struct args {
	size_t n;
	const char *v[ARGS_MAX + 1];
	char device[DEVICE_SIZE];
	char prefix[32];
	char queues[24];
};

static void put(struct args *args, const char *text)
{
	if (args->n < ARGS_MAX)
		args->v[args->n++] = text;
}

static bool on_path(const char *program)
{
	const char *path = getenv("PATH");
	char file[4096];

	while (path && *path != '\0') {
		int len = (int)strcspn(path, ":");

		if (snprintf(file, sizeof(file), "%.*s/%s", len, path, program) <
				(int)sizeof(file) &&
			access(file, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

static int put_port(struct args *args, const struct hf_testpmd_opts *opts, struct hf_err *err)
{
	bool real = opts->device && strncmp(opts->device, "net_", 4) != 0;
	int len;

	if (opts->device)
		len = snprintf(
			args->device, DEVICE_SIZE, "%s%s", real ? "" : "--vdev=", opts->device);
	else
		len = snprintf(args->device, DEVICE_SIZE, "--vdev=net_vnic0,profile=%s%s%s",
			opts->profile, opts->source ? ",dev=" : "",
			opts->source ? opts->source : "");
	if (len >= DEVICE_SIZE)
		return hf_fail(err, -EINVAL, "device arguments longer than %d characters",
			DEVICE_SIZE - 1);
	if (!opts->device && strchr(opts->profile, ','))
		return hf_fail(err, -EINVAL, "%s: a path with a comma is no device argument",
			opts->profile);
	if (real) {
		put(args, "-a");
	} else {
		/* A virtual port needs neither PCI nor hugepages. */
		put(args, "--no-pci");
		put(args, "--no-huge");
		put(args, "-m");
		put(args, "64");
	}
	put(args, args->device);
	return 0;
}

static int build_args(struct args *args, const struct hf_testpmd_opts *opts, const char *plugin,
	struct hf_err *err)
{
	unsigned int queues = opts->n_rx_queues ? opts->n_rx_queues
			      : opts->device	? 1
						: VNIC_QUEUES;
	int rc;

	/* By lines: what is printed and what is echoed must not cut each other in two. */
	put(args, "stdbuf");
	put(args, "-oL");
	put(args, PROGRAM);
	if (plugin) {
		put(args, "-d");
		put(args, plugin);
	}
	put(args, "--no-shconf");
	put(args, "--no-telemetry");
	(void)snprintf(
		args->prefix, sizeof(args->prefix), "--file-prefix=hepflow%d", (int)getpid());
	put(args, args->prefix);
	rc = put_port(args, opts, err);
	if (rc < 0)
		return rc;
	(void)snprintf(args->queues, sizeof(args->queues), "--rxq=%u", queues);
	put(args, "--");
	put(args, "-i");
	put(args, args->queues);
	put(args, "--rxd=128");
	put(args, "--txd=128");
	put(args, "--total-num-mbufs=2048");
	/* What net_pcap plays is not to be thrown away; and few packets at once, for what is said
	 * of a burst is cut at 8192 characters (app/test-pmd/util.c). */
	put(args, "--no-flush-rx");
	put(args, "--burst=8");
	args->v[args->n] = NULL;
	return 0;
}

/* In the child. */
static void run(const struct args *args, int fd, pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && dup2(fd, STDIN_FILENO) >= 0 && dup2(fd, STDOUT_FILENO) >= 0 &&
		dup2(fd, STDERR_FILENO) >= 0)
		(void)execvp(args->v[0], (char *const *)args->v);
	_exit(127);
}

static int start(struct hf_testpmd *pmd, const struct args *args, struct hf_err *err)
{
	pid_t parent = getpid();
	int fds[2];

	/* Not pipes: a socket tells of a testpmd that is gone without a signal to us. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return hf_fail(err, -errno, "cannot talk to " PROGRAM ": %s", strerror(errno));
	pmd->pid = fork();
	if (pmd->pid == 0)
		run(args, fds[1], parent);
	(void)close(fds[1]);
	pmd->fd = fds[0];
	if (pmd->pid < 0)
		return hf_fail(err, -errno, "cannot start " PROGRAM ": %s", strerror(errno));
	return 0;
}

static long now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	return (long)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static bool at_prompt(const struct hf_testpmd *pmd)
{
	size_t n = strlen(PROMPT);

	return pmd->len > n && memcmp(pmd->out + pmd->len - n, PROMPT, n) == 0 &&
	       pmd->out[pmd->len - n - 1] == '\n';
}

static int grow(struct hf_testpmd *pmd)
{
	size_t cap = pmd->cap ? pmd->cap * 2 : 1 << 16;
	char *out;

	if (pmd->len + 1 < pmd->cap)
		return 0;
	if (cap > OUTPUT_MAX)
		return -E2BIG;
	out = realloc(pmd->out, cap);
	if (!out)
		return -ENOMEM;
	pmd->out = out;
	pmd->cap = cap;
	return 0;
}

/* Whether the text stands on a line that has ended. */
static bool has_until(const struct hf_testpmd *pmd)
{
	const char *found = strstr(pmd->out, pmd->until);

	return found && strchr(found, '\n');
}

static bool is_forwarding_done(const struct hf_testpmd *pmd)
{
	return strstr(pmd->out, STOPPED) && at_prompt(pmd);
}

/* Collects output until it is all there. -EPIPE at its end, -ETIMEDOUT. */
static int collect(struct hf_testpmd *pmd, bool (*done)(const struct hf_testpmd *), long ms)
{
	long deadline = now_ms() + ms;

	for (;;) {
		struct pollfd p = {.fd = pmd->fd, .events = POLLIN};
		long left = deadline - now_ms();
		ssize_t n;
		int rc = grow(pmd);

		if (rc < 0)
			return rc;
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) <= 0)
			continue; /* a signal, or time is up */
		n = recv(pmd->fd, pmd->out + pmd->len, pmd->cap - pmd->len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		pmd->len += (size_t)n;
		pmd->out[pmd->len] = '\0';
		if (done(pmd))
			return 0;
	}
}

/* The end of what was said, in one line. */
static int fail_with_last_words(
	struct hf_testpmd *pmd, int code, const char *what, struct hf_err *err)
{
	size_t from = pmd->len > LAST_WORDS ? pmd->len - LAST_WORDS : 0, i;
	char *words = pmd->out ? pmd->out + from : NULL;

	if (!words)
		return hf_fail(err, -EIO, PROGRAM " %s: %s", what, strerror(-code));
	while (pmd->len > from && strchr(" \r\n", words[pmd->len - from - 1]))
		words[--pmd->len - from] = '\0';
	for (i = 0; words[i] != '\0'; i++) {
		if (words[i] == '\n' || words[i] == '\r')
			words[i] = words[i] == '\n' ? '|' : ' ';
	}
	return hf_fail(err, -EIO, PROGRAM " %s (%s): ... %s", what,
		code == -EPIPE ? "it ended" : strerror(-code), words);
}

int hf_testpmd_open(const struct hf_testpmd_opts *opts, struct hf_testpmd **ret, struct hf_err *err)
{
	/* A real port needs no plugin. */
	bool vnic = !opts->device || strncmp(opts->device, "net_vnic", 8) == 0;
	struct hf_testpmd *pmd = calloc(1, sizeof(*pmd));
	struct hf_plugin plugin = {};
	struct args args = {};
	int rc = 0;

	if (!pmd)
		return hf_fail(err, -ENOMEM, "out of memory");
	pmd->fd = -1;
	pmd->pid = -1;
	if (!on_path(PROGRAM))
		rc = hf_fail(err, -ENOENT, PROGRAM " is not installed (package dpdk-dev)");
	if (rc == 0 && vnic)
		rc = hf_plugin_init(&plugin, err);
	if (rc == 0)
		rc = build_args(&args, opts, vnic ? plugin.path : NULL, err);
	if (rc == 0)
		rc = start(pmd, &args, err);
	if (rc == 0) {
		rc = collect(pmd, at_prompt, START_MS);
		if (rc < 0)
			rc = fail_with_last_words(pmd, rc, "does not start", err);
	}
	pmd->async = opts->async;
	if (rc == 0 && opts->async)
		rc = hf_testpmd_async_setup(pmd, err);
	hf_plugin_fini(&plugin);
	if (rc < 0) {
		hf_testpmd_close(pmd);
		return rc;
	}
	*ret = pmd;
	return 0;
}

/* Whether the child has ended, after at most so long. */
static bool ended(pid_t pid, long ms)
{
	static const struct timespec pause = {.tv_nsec = 5000000};
	long until = now_ms() + ms;
	pid_t got;

	while ((got = waitpid(pid, NULL, WNOHANG)) == 0 && now_ms() < until)
		(void)nanosleep(&pause, NULL);
	return got != 0;
}

void hf_testpmd_close(struct hf_testpmd *pmd)
{
	static const char quit[] = "quit\n";

	if (!pmd)
		return;
	if (pmd->fd >= 0 && send(pmd->fd, quit, strlen(quit), MSG_NOSIGNAL) > 0) {
		pmd->len = 0;
		(void)collect(pmd, at_prompt, END_MS); /* to its end: there must be room to write */
	}
	if (pmd->fd >= 0)
		(void)close(pmd->fd);
	if (pmd->pid > 0 && !ended(pmd->pid, END_MS)) {
		(void)kill(pmd->pid, SIGKILL);
		(void)waitpid(pmd->pid, NULL, 0);
	}
	free(pmd->out);
	free(pmd);
}

struct hf_testpmd_made *hf_testpmd_made(struct hf_testpmd *pmd)
{
	return pmd->async ? &pmd->made : NULL;
}

/* '?' asks testpmd for help, a tab for completion. */
static bool can_be_typed(const char *command)
{
	const char *p;

	for (p = command; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~' || *p == '?')
			return false;
	}
	return p != command && p - command <= HF_TESTPMD_COMMAND_MAX;
}

static int send_line(struct hf_testpmd *pmd, const char *command)
{
	char line[HF_TESTPMD_COMMAND_MAX + 2];
	size_t len = (size_t)snprintf(line, sizeof(line), "%s\n", command), at;

	for (at = 0; at < len;) {
		ssize_t n = send(pmd->fd, line + at, len - at, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/*
 * While packets are forwarded other threads print, and a prompt, which testpmd writes character by
 * character, may have their lines in it. So only what follows the end of forwarding is waited for
 * as a prompt.
 */
int hf_testpmd_forward(struct hf_testpmd *pmd, const char *until, unsigned int seconds,
	const char **ret, struct hf_err *err)
{
	int rc;

	pmd->len = 0;
	pmd->until = until;
	rc = send_line(pmd, "start");
	if (rc == 0)
		rc = collect(pmd, has_until, seconds * 1000L);
	if (rc == 0)
		rc = send_line(pmd, "stop");
	if (rc == 0)
		rc = collect(pmd, is_forwarding_done, ANSWER_MS);
	if (rc < 0)
		return fail_with_last_words(pmd, rc, "does not forward", err);
	*ret = pmd->out;
	return 0;
}

int hf_testpmd_ask(
	struct hf_testpmd *pmd, const char *command, const char **ret, struct hf_err *err)
{
	char *text;
	int rc;

	if (!can_be_typed(command))
		return hf_fail(err, -EINVAL,
			"a command of " PROGRAM " has 1 to %d printable characters and no '?'",
			HF_TESTPMD_COMMAND_MAX);
	pmd->len = 0;
	rc = send_line(pmd, command);
	if (rc == 0)
		rc = collect(pmd, at_prompt, ANSWER_MS);
	if (rc < 0)
		return fail_with_last_words(pmd, rc, "does not answer", err);
	pmd->out[pmd->len - strlen(PROMPT)] = '\0';
	text = strchr(pmd->out, '\n'); /* the end of the echo: at_prompt() has seen one */
	*ret = text + 1;
	return 0;
}
