/* SPDX-License-Identifier: BSD-3-Clause */

#include "ctl.h"

#include "log.h"
#include "rpc.h"

#include <hepflow/err.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#define OUT_MAX (1u << 20) /* unread reply bytes at which a client is no longer listened to */

struct conn {
	struct hf_ctl *ctl;
	struct bufferevent *bev;
	struct hf_rpc_scan scan;
	struct hf_rpc_session session;
	struct conn *prev, *next;
};

struct hf_ctl {
	struct event_base *base;
	struct evconnlistener *listener;
	const struct hf_rpc *rpc;
	char *path;
	unsigned int n_conns;
	struct conn *conns;
};

static void conn_free(struct conn *c)
{
	if (c->session.later)
		c->session.later->send = NULL;
	DL_DELETE(c->ctl->conns, c);
	c->ctl->n_conns--;
	bufferevent_free(c->bev);
	free(c);
}

/* A client that waits for us is not idle. */
static void set_idle(struct conn *c, bool limit)
{
	static const struct timeval idle = {.tv_sec = HF_CTL_IDLE_SEC};

	(void)bufferevent_set_timeouts(c->bev, limit ? &idle : NULL, limit ? &idle : NULL);
}

static void disconnect(struct conn *c, int error)
{
	hf_log(HF_LOG_WARN, "ctl", "a client is disconnected: %s", strerror(error));
	conn_free(c);
}

/* The reply that a client has waited for; what it has asked since comes next. */
static void send_later(void *arg, const char *reply, size_t size)
{
	struct conn *c = arg;

	c->session.later = NULL;
	set_idle(c, true);
	if (bufferevent_write(c->bev, reply, size) < 0)
		disconnect(c, ENOMEM);
	else
		bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

/* Answers the first request of the buffer, n bytes of it. */
static int answer(struct conn *c, struct evbuffer *in, size_t n)
{
	const char *text = (const char *)evbuffer_pullup(in, (ev_ssize_t)n);
	char *reply = NULL;
	size_t size;
	int rc = text ? hf_rpc_answer(c->ctl->rpc, &c->session, text, n, &reply, &size) : -ENOMEM;

	if (rc < 0)
		return rc;
	if (reply)
		rc = bufferevent_write(c->bev, reply, size) < 0 ? -ENOMEM : 0;
	free(reply);
	(void)evbuffer_drain(in, n); /* it is there, we just looked at it */
	c->scan = (struct hf_rpc_scan){0};
	if (c->session.later) {
		c->session.later->send = send_later;
		c->session.later->arg = c;
		set_idle(c, false);
	}
	return rc;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev), *out = bufferevent_get_output(bev);
	struct conn *c = arg;

	while (evbuffer_get_length(out) < OUT_MAX && !c->session.later) {
		size_t have = evbuffer_get_length(in);
		const char *text;
		long n;

		if (have > HF_RPC_SIZE_MAX)
			have = HF_RPC_SIZE_MAX + 1; /* enough to find out that it is too long */
		if (have == 0)
			return;
		text = (const char *)evbuffer_pullup(in, (ev_ssize_t)have);
		n = text ? hf_rpc_find_end(&c->scan, text, have) : -ENOMEM;
		if (n == 0)
			return;
		if (n > 0)
			n = answer(c, in, (size_t)n);
		if (n < 0) {
			disconnect(c, (int)-n);
			return;
		}
	}
	if (!c->session.later)
		(void)bufferevent_disable(bev, EV_READ); /* on_write() goes on */
}

static void on_write(struct bufferevent *bev, void *arg)
{
	(void)bufferevent_enable(bev, EV_READ);
	on_read(bev, arg);
}

static void on_event(struct bufferevent *, short, void *arg)
{
	conn_free(arg); /* end, error or silence: all the same to us */
}

/* The socket's mode says the same; this is the kernel's word on it. */
static bool is_trusted(int fd)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
	       (who.uid == 0 || who.uid == geteuid());
}

static void on_accept(
	struct evconnlistener *, evutil_socket_t fd, struct sockaddr *, int, void *arg)
{
	struct hf_ctl *ctl = arg;
	bool trusted = is_trusted(fd);
	struct conn *c = trusted && ctl->n_conns < HF_CTL_CONNS ? calloc(1, sizeof(*c)) : NULL;

	if (c)
		c->bev = bufferevent_socket_new(ctl->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->bev) {
		hf_log(HF_LOG_WARN, "ctl", "a client is refused: %s",
			c	   ? "out of memory"
			: !trusted ? "neither root nor our user"
				   : "too many of them");
		free(c);
		(void)close(fd); /* refused */
		return;
	}
	c->ctl = ctl;
	DL_APPEND(ctl->conns, c);
	ctl->n_conns++;
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	set_idle(c, true);
	/* What waits behind a request is as much as one may be. */
	bufferevent_setwatermark(c->bev, EV_READ, 0, HF_RPC_SIZE_MAX + 1);
	(void)bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* Bound under a mask, so that nobody else can connect even for a moment. */
int hf_ctl_bind(const char *path, struct hf_err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return hf_fail(err, -ENAMETOOLONG, "%s: too long for a socket", path);
	strcpy(addr.sun_path, path);
	(void)unlink(path); /* its name holds our pid: what is there is a dead process's */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return hf_fail(err, -errno, "%s: %s", path, strerror(errno));
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (rc == 0)
		return fd;
	(void)close(fd); /* unused */
	return hf_fail(err, rc, "%s: %s", path, strerror(-rc));
}

int hf_ctl_open(struct event_base *base, const char *path, const struct hf_rpc *rpc,
	struct hf_ctl **ret, struct hf_err *err)
{
	struct hf_ctl *ctl = calloc(1, sizeof(*ctl));
	int fd;

	if (!ctl)
		return hf_fail(err, -ENOMEM, "control socket: out of memory");
	ctl->base = base;
	ctl->rpc = rpc;
	ctl->path = strdup(path);
	fd = ctl->path ? hf_ctl_bind(path, err) : hf_fail(err, -ENOMEM, "out of memory");
	if (fd < 0) {
		free(ctl->path);
		free(ctl);
		return hf_err_prefix(err, fd, "control socket: ");
	}
	ctl->listener = evconnlistener_new(base, on_accept, ctl,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, HF_CTL_CONNS, fd);
	if (!ctl->listener) {
		(void)close(fd); /* unused */
		hf_ctl_close(ctl);
		return hf_fail(err, -EIO, "control socket: %s: cannot listen", path);
	}
	*ret = ctl;
	return 0;
}

void hf_ctl_close(struct hf_ctl *ctl)
{
	if (!ctl)
		return;
	while (ctl->conns)
		conn_free(ctl->conns);
	if (ctl->listener)
		evconnlistener_free(ctl->listener);
	(void)unlink(ctl->path); /* ours */
	free(ctl->path);
	free(ctl);
}
