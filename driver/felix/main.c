/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * hepflow-felix: what Felix starts as its external dataplane driver (docs/felix.md).
 *
 * Felix ends when its driver ends, and says everything only once. So this program is small, knows
 * no NIC, and stays when hepflowd is restarted: it holds what Felix has said so far, and tells it
 * to every hepflowd that is there to listen, from the beginning. It ends when Felix does.
 */

#include <hepflow/base/clock.h>
#include <hepflow/err.h>
#include <hepflow/felix.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM	       "hepflow-felix"
#define SOCKET_DEFAULT "/run/hepflow/felix.sock"
#define SOCKET_ENV     "HEPFLOW_FELIX_SOCKET"

/* docs/semantics.md 16.1 */
#define FELIX_IN  3
#define FELIX_OUT 4

#define RETRY_SEC 1
#define ALIVE_SEC 10 /* docs/semantics.md 16.5 */
/* A hepflowd that lags behind so far is told everything anew: cheaper than to hold it all twice. */
#define LAG_MAX (256u << 20)

enum {
	EXIT_OK = 0,
	EXIT_STREAM =
		1, /* Felix says what cannot be read; it will start us again, and begin anew */
	EXIT_USAGE = 2,
};

struct relay {
	struct event_base *base;
	const char *path;
	struct hf_felix *state;
	struct bufferevent *in;	    /* from Felix */
	struct bufferevent *out;    /* to Felix */
	struct bufferevent *daemon; /* NULL: not connected nor trying */
	bool connected;
	bool complained; /* about the daemon that is not there */
	struct event *retry;
	struct event *alive;
	struct event *term;
	uint64_t started; /* hf_clock_ms() */
	int exit_code;
};

/* Felix puts what we print into its own log. */
static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs(PROGRAM ": ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static void end(struct relay *r, int code)
{
	r->exit_code = code;
	(void)event_base_loopbreak(r->base);
}

static void hang_up(struct relay *r)
{
	static const struct timeval later = {.tv_sec = RETRY_SEC};

	if (r->daemon)
		bufferevent_free(r->daemon);
	r->daemon = NULL;
	r->connected = false;
	(void)event_add(r->retry, &later);
}

static int tell(void *arg, const uint8_t *frame, size_t size)
{
	struct relay *r = arg;

	return bufferevent_write(r->daemon, frame, size) < 0 ? -ENOMEM : 0;
}

/* The first frame of the buffer, or NULL: not there yet. Below 0 in *ret_size: no frame. */
static const uint8_t *next_frame(struct evbuffer *in, long *ret_size)
{
	uint8_t head[HF_FELIX_HEAD_SIZE];
	ev_ssize_t n = evbuffer_copyout(in, head, sizeof(head));

	*ret_size = hf_felix_frame_size(head, n < 0 ? 0 : (size_t)n);
	if (*ret_size <= 0 || evbuffer_get_length(in) < (size_t)*ret_size)
		return NULL;
	return evbuffer_pullup(in, *ret_size);
}

static void on_felix(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct relay *r = arg;
	enum hf_felix_event event;
	const uint8_t *frame;
	struct hf_err err;
	long size;

	while ((frame = next_frame(in, &size))) {
		if (hf_felix_take(r->state, frame + HF_FELIX_HEAD_SIZE,
			    (size_t)size - HF_FELIX_HEAD_SIZE, &event, &err) < 0) {
			say("%s", err.text);
			end(r, EXIT_STREAM);
			return;
		}
		if (r->connected && tell(r, frame, (size_t)size) < 0)
			hang_up(r);
		(void)evbuffer_drain(in, (size_t)size); /* it is there, we just looked at it */
	}
	if (size < 0) {
		say("a frame from Felix is too long to be one");
		end(r, EXIT_STREAM);
	}
	if (r->connected && evbuffer_get_length(bufferevent_get_output(r->daemon)) > LAG_MAX) {
		say("hepflowd lags behind: it will be told everything anew");
		hang_up(r);
	}
}

static void on_felix_end(struct bufferevent *, short, void *arg)
{
	say("Felix has ended the connection");
	end(arg, EXIT_OK);
}

/* Whole frames only: Felix trusts the length it has read. */
static void on_daemon(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct relay *r = arg;
	const uint8_t *frame;
	long size;

	while ((frame = next_frame(in, &size))) {
		if (bufferevent_write(r->out, frame, (size_t)size) < 0)
			say("out of memory: a report to Felix is lost");
		(void)evbuffer_drain(in, (size_t)size);
	}
	if (size < 0) {
		say("hepflowd sends what is no frame");
		hang_up(r);
	}
}

static void on_daemon_event(struct bufferevent *, short what, void *arg)
{
	struct relay *r = arg;

	if (what & BEV_EVENT_CONNECTED) {
		r->connected = true;
		r->complained = false;
		say("connected to hepflowd at %s", r->path);
		if (hf_felix_print(r->state, tell, r) < 0)
			hang_up(r);
		return;
	}
	if (r->connected || !r->complained)
		say("%s hepflowd at %s: trying every %d s", r->connected ? "lost" : "cannot reach",
			r->path, RETRY_SEC);
	r->complained = true;
	hang_up(r);
}

static void on_retry(evutil_socket_t, short, void *arg)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct relay *r = arg;

	(void)snprintf(
		addr.sun_path, sizeof(addr.sun_path), "%s", r->path); /* length was checked */
	r->daemon = bufferevent_socket_new(r->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (!r->daemon) {
		hang_up(r);
		return;
	}
	bufferevent_setcb(r->daemon, on_daemon, NULL, on_daemon_event, r);
	(void)bufferevent_enable(r->daemon, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(r->daemon, (struct sockaddr *)&addr, sizeof(addr)) < 0 &&
		r->daemon)
		on_daemon_event(r->daemon, BEV_EVENT_ERROR, r);
}

/* Felix reports the node as alive only while somebody enforces policy. */
static void on_alive(evutil_socket_t, short, void *arg)
{
	struct relay *r = arg;
	uint8_t *frame;
	size_t size;

	if (!r->connected || hf_felix_print_alive((double)(hf_clock_ms() - r->started) / 1000,
				     &frame, &size) < 0)
		return;
	(void)bufferevent_write(r->out, frame, size); /* the next one comes soon */
	free(frame);
}

static void on_term(evutil_socket_t, short, void *arg)
{
	end(arg, EXIT_OK);
}

static int open_relay(struct relay *r)
{
	static const struct timeval now = {0}, alive = {.tv_sec = ALIVE_SEC};

	r->base = event_base_new();
	if (!r->base || hf_felix_new(&r->state, NULL) < 0)
		return -ENOMEM;
	r->in = bufferevent_socket_new(r->base, FELIX_IN, 0);
	r->out = bufferevent_socket_new(r->base, FELIX_OUT, 0);
	r->retry = event_new(r->base, -1, 0, on_retry, r);
	r->alive = event_new(r->base, -1, EV_PERSIST, on_alive, r);
	r->term = evsignal_new(r->base, SIGTERM, on_term, r);
	if (!r->in || !r->out || !r->retry || !r->alive || !r->term)
		return -ENOMEM;
	bufferevent_setcb(r->in, on_felix, NULL, on_felix_end, r);
	bufferevent_setcb(r->out, NULL, NULL, on_felix_end, r);
	if (bufferevent_enable(r->in, EV_READ) < 0 || bufferevent_disable(r->out, EV_READ) < 0 ||
		bufferevent_enable(r->out, EV_WRITE) < 0 || event_add(r->retry, &now) < 0 ||
		event_add(r->alive, &alive) < 0 || event_add(r->term, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static void close_relay(struct relay *r)
{
	struct bufferevent *const bevs[] = {r->in, r->out, r->daemon};
	struct event *const events[] = {r->retry, r->alive, r->term};
	size_t i;

	for (i = 0; i < sizeof(bevs) / sizeof(bevs[0]); i++) {
		if (bevs[i])
			bufferevent_free(bevs[i]);
	}
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i])
			event_free(events[i]);
	}
	if (r->base)
		event_base_free(r->base);
	hf_felix_free(r->state);
}

static int usage(const char *text)
{
	say("%s", text);
	return EXIT_USAGE;
}

static int help(void)
{
	puts(PROGRAM
		": tells hepflowd what Felix says\n\n"
		"Felix starts it as its external dataplane driver (DataplaneDriver=.../" PROGRAM
		",\nUseInternalDataplaneDriver=false), without arguments; descriptors 3 and 4 "
		"are its\nown. " SOCKET_ENV " names the socket of hepflowd (" SOCKET_DEFAULT ").");
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct relay r = {.path = getenv(SOCKET_ENV), .started = hf_clock_ms()};

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts(PROGRAM " (hepflow) " HF_VERSION);
		return EXIT_OK;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return help();
	if (argc > 1)
		return usage("no arguments are taken but --help and --version");
	if (!r.path)
		r.path = SOCKET_DEFAULT;
	if (strlen(r.path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return usage(SOCKET_ENV " is too long for the path of a socket");
	if (fcntl(FELIX_IN, F_GETFL) < 0 || fcntl(FELIX_OUT, F_GETFL) < 0)
		return usage("descriptors 3 and 4 are not open: Felix starts this program, nobody "
			     "else (see --help)");
	(void)evutil_make_socket_nonblocking(FELIX_IN);
	(void)evutil_make_socket_nonblocking(FELIX_OUT);
	(void)signal(SIGPIPE, SIG_IGN);
	if (open_relay(&r) < 0) {
		say("out of memory");
		r.exit_code = EXIT_STREAM;
	} else {
		(void)event_base_dispatch(r.base); /* ends when told to */
	}
	close_relay(&r);
	return r.exit_code;
}
