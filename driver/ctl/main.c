/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * hepflowctl: sends one command to hepflowd and prints the answer. Texts and exit codes are those
 * of ovs-appctl, so that scripts need not care which of the two they use.
 */

#include <hepflow/base/opts.h>
#include <hepflow/err.h>

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PROGRAM	       "hepflowctl"
#define DAEMON	       "hepflowd"
#define RUNDIR	       "/run/hepflow"
#define RUNDIR_ENV     "HEPFLOW_RUNDIR"
#define REPLY_MAX      (1u << 30) /* bytes: a dump of millions of flows */
#define EXIT_TRANSPORT 1
#define EXIT_SERVER    2
#define EXIT_DIFFERENT 3 /* of plan: an apply would change something */

struct args {
	const char *target;
	const char *format;
	const char *timeout;
	bool help;
	bool version;
};

static const struct hf_opt options[] = {
	{'t', "target", "TARGET", "the name of a daemon, or the path of its socket",
		offsetof(struct args, target)},
	{'f', "format", "FORMAT", "text (the default) or json", offsetof(struct args, format)},
	{'T', "timeout", "SECONDS", "give up after that time", offsetof(struct args, timeout)},
	{'h', "help", NULL, "this text", offsetof(struct args, help)},
	{'V', "version", NULL, "which hepflowctl this is", offsetof(struct args, version)},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *fmt, ...)
{
	va_list ap;

	fputs(PROGRAM ": ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_TRANSPORT;
}

static const char *rundir(void)
{
	const char *env = getenv(RUNDIR_ENV);

	return env && env[0] ? env : RUNDIR;
}

/* The pid in a daemon's pidfile, or a negative errno. */
static long read_pid(const char *path)
{
	FILE *f = fopen(path, "re");
	long pid;
	int n;

	if (!f)
		return -errno;
	n = fscanf(f, "%ld", &pid);
	(void)fclose(f); /* only read from */
	return n == 1 && pid > 0 ? pid : -EINVAL;
}

static int find_socket(const char *target, char *buf, size_t size)
{
	char pidfile[256];
	long pid;
	int n;

	if (target[0] == '/') {
		n = snprintf(buf, size, "%s", target);
	} else {
		n = snprintf(pidfile, sizeof(pidfile), "%s/%s.pid", rundir(), target);
		if (n >= (int)sizeof(pidfile))
			return fail("the name of target \"%s\" is too long", target);
		pid = read_pid(pidfile);
		if (pid < 0)
			return fail(
				"cannot read pidfile \"%s\" (%s)", pidfile, strerror((int)-pid));
		n = snprintf(buf, size, "%s/%s.%ld.ctl", rundir(), target, pid);
	}
	return n < (int)size ? 0 : fail("the name of target \"%s\" is too long", target);
}

static int open_socket(const char *path, int *ret)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	strcpy(addr.sun_path, path); /* find_socket() has seen to its length */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int code = errno;

		if (fd >= 0)
			(void)close(fd); /* unused */
		return fail("cannot connect to \"%s\" (%s)", path, strerror(code));
	}
	*ret = fd;
	return 0;
}

/* The reply as text, or a negative errno; -ENODATA: the daemon hung up. */
static int read_reply(int fd, json_t **ret)
{
	char *buf = NULL;
	size_t n = 0, cap = 0;
	int rc = 0;

	*ret = NULL;
	while (rc == 0 && !*ret) {
		ssize_t got;

		if (n == cap) {
			char *more = cap < REPLY_MAX ? realloc(buf, cap ? 2 * cap : 65536) : NULL;

			if (!more) {
				rc = -ENOMEM;
				break;
			}
			buf = more;
			cap = cap ? 2 * cap : 65536;
		}
		got = read(fd, buf + n, cap - n);
		if (got < 0)
			rc = -errno;
		else if (got == 0)
			rc = -ENODATA;
		else
			n += (size_t)got;
		/* A whole reply ends in a brace; anything else need not be looked at. */
		if (rc == 0 && buf[n - 1] == '}')
			*ret = json_loadb(buf, n, 0, NULL);
	}
	free(buf);
	return rc;
}

static json_t *make_request(const struct args *args, int argc, char **argv)
{
	json_t *params = json_array();
	int i;

	for (i = 1; i < argc; i++)
		(void)json_array_append_new(params, json_string(argv[i]));
	if (args->format && strcmp(args->format, "json") == 0)
		(void)json_array_append_new(params, json_string("--format=json"));
	/* NULL when a word is not UTF-8. */
	return json_pack("{s:i, s:s, s:o}", "id", 0, "method", argv[0], "params", params);
}

static int send_request(int fd, const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t n = text ? strlen(text) : 0, done = 0;
	int rc = text ? 0 : -ENOMEM;

	while (rc == 0 && done < n) {
		ssize_t put = send(fd, text + done, n - done, MSG_NOSIGNAL);

		if (put < 0)
			rc = -errno;
		else
			done += (size_t)put;
	}
	free(text);
	return rc;
}

/* What plan says of changes, in either form. */
static bool changes(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);
	bool same = j ? json_is_false(json_object_get(j, "changes"))
		      : strcmp(text, "no changes\n") == 0;

	json_decref(j);
	return !same;
}

static int print_reply(const json_t *reply, const char *target, const char *command)
{
	const json_t *error = json_object_get(reply, "error");
	const json_t *result = json_object_get(reply, "result");

	if (json_is_string(error)) {
		fputs(json_string_value(error), stderr);
		(void)fail("%s: server returned an error", target);
		return EXIT_SERVER;
	}
	if (!json_is_string(result))
		return fail("%s: the reply is not understood", target);
	fputs(json_string_value(result), stdout);
	if (ferror(stdout) | fflush(stdout))
		return fail("standard output: %s", strerror(errno));
	return strcmp(command, "plan") == 0 && changes(json_string_value(result)) ? EXIT_DIFFERENT
										  : 0;
}

static int transact(const struct args *args, const char *path, int argc, char **argv)
{
	const char *target = args->target ? args->target : DAEMON;
	json_t *request = make_request(args, argc, argv), *reply = NULL;
	int fd = -1, rc;

	if (!request)
		return fail("the command is not UTF-8");
	rc = open_socket(path, &fd);
	if (rc == 0) {
		rc = send_request(fd, request);
		if (rc == 0)
			rc = read_reply(fd, &reply);
		(void)close(fd); /* nothing is lost with it */
		if (rc < 0)
			rc = fail("%s: transaction error (%s)", path,
				rc == -ENODATA ? "End of file" : strerror(-rc));
		else
			rc = print_reply(reply, target, argv[0]);
	}
	json_decref(request);
	json_decref(reply);
	return rc;
}

static int help(void)
{
	puts(PROGRAM ": asks a running hepflowd\n\n"
		     "  " PROGRAM " [-t TARGET] [--format json] COMMAND [ARG...]\n\n"
		     "\"" PROGRAM " list-commands\" prints the commands.\n");
	hf_opts_print(options, N_OPTIONS, stdout);
	return 0;
}

/* Options end at the command: what follows is the command's, "-m" for example. */
static int split(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		static const char *const valued[] = {
			"-t", "-f", "-T", "--target", "--format", "--timeout"};
		size_t k;

		for (k = 0; k < sizeof(valued) / sizeof(valued[0]); k++) {
			if (strcmp(argv[i], valued[k]) == 0)
				break;
		}
		i += k < sizeof(valued) / sizeof(valued[0]);
	}
	return i < argc ? i : argc;
}

static int set_timeout(const char *text)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || seconds == 0 || seconds > 86400)
		return fail("value %s on -T or --timeout is invalid", text);
	/* The signal ends the process, as ovs-appctl has it. */
	(void)alarm((unsigned int)seconds);
	return 0;
}

int main(int argc, char **argv)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct args args = {0};
	struct hf_err err = {0};
	int command = split(argc, argv), first, rc;

	if (hf_opts_parse(options, N_OPTIONS, command, argv, &args, &first, &err) < 0)
		return fail("%s (use --help for help)", err.text);
	if (args.help)
		return help();
	if (args.version) {
		puts(PROGRAM " (hepflow) " HF_VERSION);
		return 0;
	}
	if (args.format && strcmp(args.format, "text") != 0 && strcmp(args.format, "json") != 0)
		return fail("value %s on -f or --format is invalid", args.format);
	if (command == argc)
		return fail("missing command name (use --help for help)");
	if (args.timeout && set_timeout(args.timeout) != 0)
		return EXIT_TRANSPORT;
	rc = find_socket(args.target ? args.target : DAEMON, path, sizeof(path));
	return rc ? rc : transact(&args, path, argc - command, argv + command);
}
