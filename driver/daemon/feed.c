/* SPDX-License-Identifier: BSD-3-Clause */

#include "feed.h"

#include "ctl.h"
#include "log.h"

#include <hepflow/base/clock.h>
#include <hepflow/err.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORTS_MAX                                                                                \
	(1u << 20) /* bytes that a relay has not read; more than any node has endpoints */

struct hf_feed {
	struct event_base *base;
	struct evconnlistener *listener;
	char *path;
	void (*changed)(void *arg);
	void *arg;
	struct bufferevent *bev; /* the connection, or NULL */
	struct hf_felix *next;	 /* of the connection, until it is in sync */
	struct hf_felix *now;	 /* NULL: nobody has been in sync yet */
	struct event *settle;
	uint64_t dirty_since; /* ms; 0: the owner knows all */
	struct hf_feed_status status;
	char error[HF_ERR_SIZE];
};

static void hang_up(struct hf_feed *f)
{
	if (f->bev)
		bufferevent_free(f->bev);
	f->bev = NULL;
	f->status.connected = f->status.in_sync = false;
	hf_felix_free(f->next);
	f->next = NULL;
}

static void fail(struct hf_feed *f, const char *why)
{
	(void)snprintf(f->error, sizeof(f->error), "%s", why); /* the same size */
	hf_log(HF_LOG_ERROR, "felix", "connection closed: %s; what was in force stays", why);
	hang_up(f);
}

static void on_settle(evutil_socket_t, short, void *arg)
{
	struct hf_feed *f = arg;

	f->dirty_since = 0;
	f->changed(f->arg);
}

/* Each message pushes the moment away, up to a limit. */
static void touch(struct hf_feed *f)
{
	static const struct timeval settle = {.tv_usec = HF_FEED_SETTLE_MS * 1000};
	uint64_t now = hf_clock_ms();

	if (!f->dirty_since)
		f->dirty_since = now;
	else if (now - f->dirty_since > HF_FEED_LATE_MS)
		return; /* the timer that runs is soon enough */
	(void)event_add(f->settle, &settle);
}

/* The state that messages of this connection change: its own until it is in sync. */
static void take(struct hf_feed *f, const uint8_t *message, size_t size)
{
	struct hf_felix *state = f->next ? f->next : f->now;
	enum hf_felix_event event;
	struct hf_err err;

	f->status.messages++;
	if (hf_felix_take(state, message, size, &event, &err) < 0) {
		fail(f, err.text);
		return;
	}
	if (event == HF_FELIX_IN_SYNC && f->next) {
		hf_felix_free(f->now);
		f->now = f->next;
		f->next = NULL;
		f->status.in_sync = true;
		f->status.adopted = false;
		f->error[0] = '\0';
		hf_log(HF_LOG_INFO, "felix", "in sync after %llu messages",
			(unsigned long long)f->status.messages);
		touch(f);
	} else if (event != HF_FELIX_NOTHING && !f->next) {
		touch(f);
	}
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct hf_feed *f = arg;
	uint8_t head[HF_FELIX_HEAD_SIZE];
	const uint8_t *frame;
	ev_ssize_t n;
	long size;

	while (f->bev) {
		n = evbuffer_copyout(in, head, sizeof(head));
		size = hf_felix_frame_size(head, n < 0 ? 0 : (size_t)n);
		if (size < 0) {
			fail(f, "a frame that is too long to be one");
			return;
		}
		if (size == 0 || evbuffer_get_length(in) < (size_t)size)
			return;
		frame = evbuffer_pullup(in, size);
		if (!frame) {
			fail(f, "out of memory");
			return;
		}
		take(f, frame + HF_FELIX_HEAD_SIZE, (size_t)size - HF_FELIX_HEAD_SIZE);
		if (f->bev)
			(void)evbuffer_drain(in, (size_t)size); /* we just looked at it */
	}
}

static void on_event(struct bufferevent *, short, void *arg)
{
	struct hf_feed *f = arg;

	hf_log(HF_LOG_WARN, "felix", "connection lost%s; what was in force stays",
		f->status.in_sync ? "" : " before it was in sync");
	hang_up(f);
}

/* A new relay is a new beginning; the one before can only be dead or dying. */
static void on_accept(
	struct evconnlistener *, evutil_socket_t fd, struct sockaddr *, int, void *arg)
{
	struct hf_feed *f = arg;

	if (f->bev)
		hf_log(HF_LOG_WARN, "felix", "another connection takes over");
	hang_up(f);
	f->bev = bufferevent_socket_new(f->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!f->bev) {
		(void)close(fd); /* refused */
		return;
	}
	if (hf_felix_new(&f->next, NULL) < 0) {
		hang_up(f);
		return;
	}
	f->status.connected = true;
	f->status.connections++;
	hf_log(HF_LOG_INFO, "felix", "connected");
	bufferevent_setcb(f->bev, on_read, NULL, on_event, f);
	(void)bufferevent_enable(f->bev, EV_READ | EV_WRITE);
}

int hf_feed_open(struct event_base *base, const char *path, void (*changed)(void *arg), void *arg,
	struct hf_feed **ret, struct hf_err *err)
{
	struct hf_feed *f = calloc(1, sizeof(*f));
	int fd;

	if (!f)
		return hf_fail(err, -ENOMEM, "%s: out of memory", path);
	f->base = base;
	f->changed = changed;
	f->arg = arg;
	f->path = strdup(path);
	f->settle = event_new(base, -1, 0, on_settle, f);
	fd = f->path && f->settle ? hf_ctl_bind(path, err)
				  : hf_fail(err, -ENOMEM, "%s: out of memory", path);
	if (fd >= 0)
		f->listener = evconnlistener_new(
			base, on_accept, f, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 4, fd);
	if (fd >= 0 && !f->listener) {
		(void)close(fd); /* of no use */
		fd = hf_fail(err, -ENOMEM, "%s: out of memory", path);
	}
	if (fd < 0) {
		hf_feed_close(f);
		return fd;
	}
	*ret = f;
	return 0;
}

void hf_feed_close(struct hf_feed *feed)
{
	if (!feed)
		return;
	hang_up(feed);
	if (feed->listener) {
		evconnlistener_free(feed->listener);
		(void)unlink(feed->path); /* a name without a listener helps nobody */
	}
	if (feed->settle)
		event_free(feed->settle);
	hf_felix_free(feed->now);
	free(feed->path);
	free(feed);
}

const struct hf_felix *hf_feed_state(const struct hf_feed *feed)
{
	return feed->now;
}

void hf_feed_adopt(struct hf_feed *feed, struct hf_felix *take_state)
{
	hf_felix_free(feed->now);
	feed->now = take_state;
	feed->status.adopted = true;
}

struct hf_feed_status hf_feed_status(const struct hf_feed *feed)
{
	struct hf_feed_status s = feed->status;

	s.error = feed->error;
	return s;
}

void hf_feed_report(struct hf_feed *feed, const char *endpoint, enum hf_felix_status status)
{
	uint8_t *frame;
	size_t size;

	if (!feed->bev || evbuffer_get_length(bufferevent_get_output(feed->bev)) > REPORTS_MAX)
		return;
	if (hf_felix_print_status(endpoint, status, &frame, &size) < 0)
		return;
	(void)bufferevent_write(feed->bev, frame, size); /* told again with the next connection */
	free(frame);
}
