/* SPDX-License-Identifier: BSD-3-Clause */

#include "eal.h"

#include <hepflow/err.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN_ARGS_MAX 8
#define NO_DEVICE    "0000:00:00.0" /* a host bridge: no NIC is ever there */

static void (*log_to)(unsigned int level, const char *text, size_t len);
static FILE *log_stream;

static ssize_t log_write(void *, const char *buf, size_t size)
{
	int level = rte_log_cur_msg_loglevel();

	log_to(level < 0 ? RTE_LOG_INFO : (unsigned int)level, buf, size);
	return (ssize_t)size;
}

static int open_log(const struct hf_eal_opts *opts, struct hf_err *err)
{
	static const cookie_io_functions_t functions = {.write = log_write};

	if (!opts->log)
		return 0;
	log_to = opts->log;
	log_stream = fopencookie(NULL, "w", functions);
	if (!log_stream || rte_openlog_stream(log_stream) < 0)
		return hf_fail(err, -ENOMEM, "EAL: cannot redirect its log");
	return 0;
}

/* The value of the first of some options among the caller's arguments matters not, only whether. */
static bool given(const struct hf_eal_opts *opts, const char *const *names)
{
	size_t i;

	for (; *names; names++) {
		size_t len = strlen(*names);

		for (i = 0; i < opts->n_args; i++) {
			const char *a = opts->args[i];

			if (strncmp(a, *names, len) == 0 &&
				(a[len] == '\0' || a[len] == '=' || a[1] != '-'))
				return true;
		}
	}
	return false;
}

/* "0@(0,1),1@1,2@0": the main lcore anywhere, the workers from the last CPU down. */
static int cpu_map(unsigned int n_workers, char *buf, size_t size)
{
	cpu_set_t set;
	size_t len = 0;
	unsigned int w;
	int i, last = -1;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	len = (size_t)snprintf(buf, size, "0@(");
	for (i = 0; i < CPU_SETSIZE && i < RTE_MAX_LCORE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		len += (size_t)snprintf(buf + len, size - len, "%s%d", last < 0 ? "" : ",", i);
		if (len >= size)
			return -E2BIG;
		last = i;
	}
	if (last < 0)
		return -E2BIG;
	len += (size_t)snprintf(buf + len, size - len, ")");
	for (w = 1, i = last; w <= n_workers && len < size; w++, i--) {
		while (i < 0 || !CPU_ISSET(i, &set))
			i = i < 0 ? last : i - 1;
		len += (size_t)snprintf(buf + len, size - len, ",%u@%d", w, i);
	}
	return len >= size ? -E2BIG : 0;
}

int hf_eal_start(const struct hf_eal_opts *opts, struct hf_err *err)
{
	static const char *const core_names[] = {
		"-l", "-c", "-s", "-S", "--lcores", "--main-lcore", NULL};
	static const char *const prefix_names[] = {"--file-prefix", NULL};
	static const char *const huge_names[] = {
		"--no-huge", "--legacy-mem", "--huge-dir", "--huge-unlink", "--in-memory", NULL};
	static const char *const no_huge_names[] = {"--no-huge", NULL};
	static const char *const telemetry_names[] = {"--telemetry", NULL};
	static const char *const pci_names[] = {"-a", "--allow", "-b", "--block", "--no-pci", NULL};
	char cores[4096], prefix[128];
	char **argv = calloc(OWN_ARGS_MAX + opts->n_args + 1, sizeof(*argv));
	int argc = 0, rc;
	size_t i;

	if (!argv)
		return hf_fail(err, -ENOMEM, "EAL: out of memory");
		/* EAL moves the pointers about, and its getopt takes char *. */
#define PUT(text) (argv[argc++] = (char *)(uintptr_t)(text))
	PUT(opts->program);
	if (!given(opts, core_names) && cpu_map(opts->n_workers, cores, sizeof(cores)) == 0) {
		PUT("--lcores");
		PUT(cores);
	}
	if (!given(opts, prefix_names)) {
		(void)snprintf(prefix, sizeof(prefix), "--file-prefix=%s", opts->prefix);
		PUT(prefix);
	}
	if (!given(opts, huge_names))
		PUT("--in-memory");
	else if (given(opts, no_huge_names))
		PUT("--no-shconf");
	if (!given(opts, pci_names)) {
		PUT("-a");
		PUT(NO_DEVICE);
	}
	if (opts->telemetry)
		PUT("--telemetry");
	else if (!given(opts, telemetry_names))
		PUT("--no-telemetry");
	for (i = 0; i < opts->n_args; i++)
		PUT(opts->args[i]);
#undef PUT
	rc = open_log(opts, err);
	if (rc == 0 && rte_eal_init(argc, argv) < 0)
		rc = hf_fail(err, -rte_errno, "EAL does not start: %s", rte_strerror(rte_errno));
	free(argv);
	return rc;
}

void hf_eal_stop(void)
{
	rte_eal_mp_wait_lcore();
	(void)rte_eal_cleanup(); /* nobody is left to hear of it */
	if (log_stream) {
		(void)rte_openlog_stream(NULL); /* resets; cannot fail */
		(void)fclose(log_stream);	/* nothing is buffered */
		log_stream = NULL;
	}
}

int hf_eal_workers(unsigned int n, unsigned int *ret, struct hf_err *err)
{
	unsigned int i, lcore = UINT_MAX;

	for (i = 0; i < n; i++) {
		lcore = rte_get_next_lcore(lcore, 1, 0);
		if (lcore >= RTE_MAX_LCORE)
			return hf_fail(err, -ENODEV,
				"EAL has %u worker lcores and %u are needed, beside the main one: "
				"for "
				"example --lcores 0@0,1@0",
				i, n);
		ret[i] = lcore;
	}
	return 0;
}
