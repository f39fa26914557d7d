/* SPDX-License-Identifier: BSD-3-Clause */

#include "http.h"

#include "daemon.h"
#include "feed.h"
#include "metrics.h"
#include "worker.h"

#include <hepflow/err.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hf_http {
	struct evhttp *http;
	struct hf_daemon *d;
};

/* Prometheus asks for this one; probes do not care. */
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static void reply(struct evhttp_request *req, int code, const char *text, size_t size)
{
	struct evbuffer *body = evbuffer_new();

	(void)evhttp_add_header(
		evhttp_request_get_output_headers(req), "Content-Type", CONTENT_TYPE);
	if (!body || evbuffer_add(body, text, size) < 0)
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
	else
		evhttp_send_reply(req, code, code == HTTP_OK ? "OK" : "Service Unavailable", body);
	if (body)
		evbuffer_free(body);
}

static void on_metrics(struct evhttp_request *req, void *arg)
{
	struct hf_http *h = arg;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc = out ? hf_metrics_print(h->d, out) : -ENOMEM;

	if (out && fclose(out))
		rc = -ENOMEM;
	if (rc < 0)
		evhttp_send_error(req, HTTP_INTERNAL, "out of memory");
	else
		reply(req, HTTP_OK, text, size);
	free(text);
}

static void reply_text(struct evhttp_request *req, const char *bad)
{
	char text[HF_ERR_SIZE + 2];
	int n = snprintf(text, sizeof(text), "%s\n", bad ? bad : "ok");

	reply(req, bad ? HTTP_SERVUNAVAIL : HTTP_OK, text,
		n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void on_live(struct evhttp_request *req, void *arg)
{
	struct hf_http *h = arg;

	reply_text(req, h->d->moving ? NULL : "a worker does not move");
}

static void on_ready(struct evhttp_request *req, void *arg)
{
	const struct hf_daemon *d = ((struct hf_http *)arg)->d;

	if (d->error[0])
		reply_text(req, d->error);
	else if (d->feed && !hf_feed_state(d->feed))
		reply_text(req, "Felix has not been in sync yet");
	else
		reply_text(req, d->n_running ? NULL : "the workers do not run");
}

static void on_other(struct evhttp_request *req, void *)
{
	evhttp_send_error(req, HTTP_NOTFOUND, NULL);
}

static int add_paths(struct hf_http *h)
{
	int rc = evhttp_set_cb(h->http, "/metrics", on_metrics, h);

	if (rc == 0)
		rc = evhttp_set_cb(h->http, "/liveness", on_live, h);
	if (rc == 0)
		rc = evhttp_set_cb(h->http, "/readiness", on_ready, h);
	evhttp_set_gencb(h->http, on_other, h);
	return rc;
}

int hf_http_open(struct event_base *base, const char *addr, uint16_t port, struct hf_daemon *d,
	struct hf_http **ret, struct hf_err *err)
{
	struct hf_http *h = calloc(1, sizeof(*h));

	if (h)
		h->http = evhttp_new(base);
	if (!h || !h->http) {
		free(h);
		return hf_fail(err, -ENOMEM, "metrics: out of memory");
	}
	h->d = d;
	evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_body_size(h->http, HF_HTTP_BODY_MAX);
	evhttp_set_max_headers_size(h->http, HF_HTTP_BODY_MAX);
	evhttp_set_timeout(h->http, HF_HTTP_IDLE_SEC);
	if (add_paths(h) < 0) {
		hf_http_close(h);
		return hf_fail(err, -ENOMEM, "metrics: out of memory");
	}
	if (evhttp_bind_socket(h->http, addr, port) < 0) {
		int rc = hf_fail(err, errno ? -errno : -EADDRINUSE, "metrics: %s port %u: %s", addr,
			port, strerror(errno ? errno : EADDRINUSE));

		hf_http_close(h);
		return rc;
	}
	*ret = h;
	return 0;
}

void hf_http_close(struct hf_http *http)
{
	if (!http)
		return;
	evhttp_free(http->http);
	free(http);
}
