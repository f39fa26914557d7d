/* SPDX-License-Identifier: BSD-3-Clause */

/* hepflowd: reads its configuration, starts everything, and waits for signals and commands. */

#include "apply.h"
#include "commands.h"
#include "config.h"
#include "ctl.h"
#include "daemon.h"
#include "feed.h"
#include "handover.h"
#include "http.h"
#include "kernel.h"
#include "log.h"
#include "notify.h"
#include "privileges.h"
#include "rpc.h"
#include "rundir.h"
#include "saved.h"
#include "telemetry.h"
#include "watch.h"

#include <hepflow/base/opts.h>
#include <hepflow/felix.h>

#include <event2/event.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* docs/man/hepflowd.8, "EXIT STATUS". */
enum {
	EXIT_OK = 0,
	EXIT_USAGE = 2, /* configuration, policy or a device must be put right */
};

struct args {
	const char *config;
	const char *log_level;
	bool check;
	bool help;
	bool version;
};

static const struct hf_opt options[] = {
	{'c', "config", "FILE", "the configuration; hepflowd.conf(5)",
		offsetof(struct args, config)},
	{0, "check", NULL, "read configuration, policy and profiles, and end",
		offsetof(struct args, check)},
	{0, "log-level", "LEVEL", "error, warn, info (the default) or debug",
		offsetof(struct args, log_level)},
	{'h', "help", NULL, "this text", offsetof(struct args, help)},
	{'V', "version", NULL, "which hepflowd this is", offsetof(struct args, version)},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

#define N_SIGNALS 3
#define SETTLE_US 2000 /* a table of 10000 rules takes some 50 ms to build */

struct loop {
	struct hf_daemon *d;
	struct event_base *base;
	struct event *signals[N_SIGNALS];
	struct event *tick;
	struct event *handover;
	struct event *settle;
	struct hf_rpc rpc;
	struct hf_ctl *ctl;
	struct hf_feed *feed;
	struct hf_http *http;
	struct hf_kernel *kernel;
	struct hf_watch *watch;
	const char **paths;	/* watched */
	struct hf_felix *saved; /* NULL: none, or the feed has it */
};

static int fail(const struct hf_err *err)
{
	fprintf(stderr, HF_PROGRAM ": %s\n", err->text);
	return EXIT_USAGE;
}

/* Leaves the loop once the reply to "exit" is on its way. */
static void leave(void *arg)
{
	static const struct timeval soon = {.tv_usec = 10000};

	(void)event_base_loopexit(arg, &soon);
}

static void on_signal(evutil_socket_t sig, short, void *arg)
{
	struct loop *loop = arg;

	if (sig == SIGHUP) {
		hf_log(HF_LOG_INFO, "engine", "SIGHUP: everything is read anew");
		(void)hf_apply(loop->d, 0, NULL, &(struct hf_err){0}); /* logged and kept there */
		return;
	}
	hf_log(HF_LOG_INFO, "main", "%s: ending", sig == SIGTERM ? "SIGTERM" : "SIGINT");
	(void)event_base_loopbreak(loop->base);
}

static void on_tick(evutil_socket_t, short, void *arg)
{
	struct hf_daemon *d = ((struct loop *)arg)->d;

	hf_daemon_tick(d);
	if (d->moving)
		hf_notify("WATCHDOG=1");
}

static void on_handover(evutil_socket_t, short, void *arg)
{
	hf_handover_poll(((struct loop *)arg)->d);
}

/* Tables that are built aside are looked for until they are there, and not only once a second. */
static void settle_soon(void *arg)
{
	static const struct timeval soon = {.tv_usec = SETTLE_US};
	struct loop *loop = arg;

	(void)event_add(loop->settle, &soon); /* else the next tick does it */
}

static void on_settle(evutil_socket_t, short, void *arg)
{
	if (!hf_daemon_settle(((struct loop *)arg)->d))
		settle_soon(arg);
}

static int open_loop(struct loop *loop, struct hf_err *err)
{
	static const int signals[N_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
	static const struct timeval second = {.tv_sec = 1};
	size_t i;

	loop->base = event_base_new();
	if (!loop->base)
		return hf_fail(err, -ENOMEM, "event loop: out of memory");
	for (i = 0; i < N_SIGNALS; i++) {
		loop->signals[i] = evsignal_new(loop->base, signals[i], on_signal, loop);
		if (!loop->signals[i] || evsignal_add(loop->signals[i], NULL) < 0)
			return hf_fail(err, -ENOMEM, "event loop: cannot catch signals");
	}
	loop->tick = event_new(loop->base, -1, EV_PERSIST, on_tick, loop);
	loop->settle = event_new(loop->base, -1, 0, on_settle, loop);
	if (!loop->tick || !loop->settle || event_add(loop->tick, &second) < 0)
		return hf_fail(err, -ENOMEM, "event loop: out of memory");
	return 0;
}

static void close_loop(struct loop *loop)
{
	size_t i;

	for (i = 0; i < N_SIGNALS; i++) {
		if (loop->signals[i])
			event_free(loop->signals[i]);
	}
	if (loop->tick)
		event_free(loop->tick);
	if (loop->handover)
		event_free(loop->handover);
	if (loop->settle)
		event_free(loop->settle);
	if (loop->base)
		event_base_free(loop->base);
}

static void on_change(void *arg)
{
	hf_apply_changed(arg);
}

static int open_feed(struct loop *loop, const struct hf_rundir *rundir, struct hf_err *err)
{
	int rc;

	if (!loop->d->config->felix)
		return 0;
	rc = hf_feed_open(
		loop->base, hf_rundir_felix(rundir), on_change, loop->d, &loop->feed, err);
	if (rc < 0)
		return rc;
	if (loop->saved)
		hf_feed_adopt(loop->feed, loop->saved);
	loop->saved = NULL;
	hf_daemon_set_feed(loop->d, loop->feed);
	return 0;
}

static int open_watch(struct loop *loop, struct hf_err *err)
{
	const struct hf_config *c = loop->d->config;
	size_t i;

	if (!c->watch || c->n_policies == 0)
		return 0;
	loop->paths = calloc(c->n_policies, sizeof(*loop->paths));
	if (!loop->paths)
		return hf_fail(err, -ENOMEM, "watch: out of memory");
	for (i = 0; i < c->n_policies; i++)
		loop->paths[i] = c->policies[i].text;
	return hf_watch_open(
		loop->base, loop->paths, c->n_policies, on_change, loop->d, &loop->watch, err);
}

static int open_kernel(struct loop *loop, struct hf_err *err)
{
	int rc;

	if (!loop->d->config->kernel_facts)
		return 0;
	rc = hf_kernel_open(loop->base, on_change, loop->d, &loop->kernel, err);
	if (rc < 0)
		return rc;
	hf_daemon_set_kernel(loop->d, loop->kernel);
	hf_apply_changed(loop->d); /* since the first look */
	return 0;
}

static int open_handover(struct loop *loop, struct hf_err *err)
{
	static const struct timeval often = {.tv_usec = 1000 * HF_HANDOVER_MS};

	if (!loop->d->config->offload.after)
		return 0;
	loop->handover = event_new(loop->base, -1, EV_PERSIST, on_handover, loop);
	if (!loop->handover || event_add(loop->handover, &often) < 0)
		return hf_fail(err, -ENOMEM, "event loop: out of memory");
	return 0;
}

static int open_http(struct loop *loop, struct hf_err *err)
{
	const struct hf_config *c = loop->d->config;

	return c->metrics ? hf_http_open(loop->base, c->metrics, c->metrics_port, loop->d,
				    &loop->http, err)
			  : 0;
}

static int wait_for_end(struct loop *loop, const struct hf_rundir *rundir, struct hf_err *err)
{
	int rc;

	commands_init(&loop->rpc, loop->d);
	rc = hf_apply_open(loop->d, loop->base, err);
	if (rc == 0)
		rc = hf_ctl_open(loop->base, hf_rundir_socket(rundir), &loop->rpc, &loop->ctl, err);
	if (rc == 0)
		rc = open_feed(loop, rundir, err);
	if (rc == 0)
		rc = open_kernel(loop, err);
	if (rc == 0)
		rc = open_watch(loop, err);
	if (rc == 0)
		rc = open_http(loop, err);
	if (rc == 0)
		rc = open_handover(loop, err);
	if (rc == 0 && loop->d->config->telemetry)
		rc = hf_telemetry_open(loop->base, loop->d, err);
	if (rc < 0)
		return rc;
	hf_log(HF_LOG_INFO, "main", "ready: %s", hf_rundir_socket(rundir));
	hf_notify("READY=1");
	(void)event_base_dispatch(loop->base); /* ends when told to */
	hf_notify("STOPPING=1");
	return 0;
}

/* With everything read: devices and socket. */
static int run_loop(struct loop *loop, const struct hf_config *config, struct hf_profiles *profiles,
	struct hf_generation **first, struct hf_err *err)
{
	struct hf_rundir *rundir;
	int rc = hf_rundir_open(config->rundir, HF_PROGRAM, &rundir, err);

	if (rc < 0)
		return rc;
	rc = hf_daemon_start(loop->d, config, profiles, *first, err);
	*first = NULL; /* the daemon's, whatever became of it */
	loop->d->on_exit = leave;
	loop->d->on_exit_arg = loop->base;
	loop->d->on_enforced = settle_soon;
	loop->d->on_enforced_arg = loop;
	if (rc == 0)
		rc = wait_for_end(loop, rundir, err);
	hf_ctl_close(loop->ctl);
	hf_telemetry_close();
	hf_daemon_stop(loop->d);
	hf_feed_close(loop->feed);
	hf_watch_close(loop->watch);
	hf_http_close(loop->http);
	hf_kernel_close(loop->kernel);
	free(loop->paths);
	hf_rundir_close(rundir);
	if (rc == 0)
		hf_log(HF_LOG_INFO, "main", "ended");
	return rc;
}

/* Signals are caught before anything is there that must be cleaned up, and wait for the loop. */
static int serve(const struct hf_config *config, struct hf_profiles *profiles,
	struct hf_generation **first, struct hf_felix **saved, struct hf_err *err)
{
	struct hf_daemon d = {0};
	struct loop loop = {.d = &d, .saved = *saved};
	int rc = open_loop(&loop, err);

	if (rc == 0)
		rc = run_loop(&loop, config, profiles, first, err);
	close_loop(&loop);
	*saved = loop.saved;
	return rc;
}

/* What an earlier process enforced is where this one begins, if it can be read. */
static struct hf_felix *read_saved(const struct hf_config *config)
{
	struct hf_felix *saved = NULL;
	struct hf_err err;
	int rc;

	if (!config->felix || !config->statedir)
		return NULL;
	rc = hf_saved_read(config->statedir, &saved, &err);
	if (rc < 0 && rc != -ENOENT)
		hf_log(HF_LOG_ERROR, "felix", "the saved state is not used: %s", err.text);
	return saved;
}

/* A saved state that no longer fits what the files say must not keep the daemon from starting. */
static int build_from(struct hf_inputs *in, struct hf_felix **saved, struct hf_generation **ret,
	struct hf_err *err)
{
	int rc = hf_generation_build(in, 1, NULL, ret, err);

	if (rc == 0 || !in->felix)
		return rc;
	hf_log(HF_LOG_ERROR, "felix", "the saved state is not used: %s", err->text);
	hf_felix_free(*saved);
	*saved = NULL;
	in->felix = NULL;
	return hf_generation_build(in, 1, NULL, ret, err);
}

static int build_first(const struct hf_config *config, const struct hf_profiles *profiles,
	struct hf_felix **saved, struct hf_generation **ret, struct hf_err *err)
{
	struct hf_inputs in = {.config = config, .profiles = profiles, .felix = *saved};
	struct hf_kernel *kernel = NULL;
	int rc = config->kernel_facts ? hf_kernel_open(NULL, NULL, NULL, &kernel, err) : 0;

	if (rc < 0)
		return rc;
	in.host = kernel ? hf_kernel_host(kernel) : NULL;
	rc = build_from(&in, saved, ret, err);
	hf_kernel_close(kernel);
	return rc;
}

static int run(const struct hf_config *config, bool check, struct hf_err *err)
{
	struct hf_profiles profiles = {0};
	struct hf_generation *first = NULL;
	struct hf_felix *saved = check ? NULL : read_saved(config);
	int rc = hf_profiles_find(config, &profiles, err);

	if (rc == 0)
		rc = build_first(config, &profiles, &saved, &first, err);
	if (rc == 0 && check)
		printf("%s: ok\n", config->path);
	else if (rc == 0)
		rc = serve(config, &profiles, &first, &saved, err);
	hf_generation_free(first);
	hf_felix_free(saved);
	hf_profiles_fini(&profiles);
	return rc;
}

static int usage(const char *text)
{
	fprintf(stderr, HF_PROGRAM ": %s (see " HF_PROGRAM " --help)\n", text);
	return EXIT_USAGE;
}

static int help(void)
{
	puts(HF_PROGRAM ": enforces Calico host-endpoint policy between NIC and kernel\n\n"
			"  " HF_PROGRAM " --config FILE [--check] [--log-level LEVEL]\n");
	hf_opts_print(options, N_OPTIONS, stdout);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	enum hf_log_level level = HF_LOG_INFO;
	struct hf_config *config;
	struct args args = {0};
	struct hf_err err = {0};
	int first, rc;

	if (hf_opts_parse(options, N_OPTIONS, argc, argv, &args, &first, &err) < 0)
		return usage(err.text);
	if (args.help)
		return help();
	if (args.version) {
		puts(HF_PROGRAM " (hepflow) " HF_VERSION);
		return EXIT_OK;
	}
	if (first < argc)
		return usage("no operands are taken");
	if (!args.config)
		return usage("--config is missing");
	if (args.log_level && hf_log_level_parse(args.log_level, &level) < 0)
		return usage("--log-level is one of error, warn, info, debug");
	hf_log_set_level(level);
	(void)signal(SIGPIPE, SIG_IGN); /* a client that hangs up is no reason to end */
	rc = hf_config_read(args.config, &config, &err);
	if (rc < 0)
		return fail(&err);
	if (!args.check && !config->keep_privileges)
		rc = hf_privileges_drop(&err);
	if (rc == 0)
		rc = run(config, args.check, &err);
	hf_config_free(config);
	return rc < 0 ? fail(&err) : EXIT_OK;
}
