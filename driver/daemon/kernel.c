/* SPDX-License-Identifier: BSD-3-Clause */

#include "kernel.h"

#include "log.h"

#include <hepflow/base/clock.h>
#include <hepflow/base/arena.h>
#include <hepflow/base/vec.h>
#include <hepflow/err.h>

#include <event2/event.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUFFER_SIZE 32768 /* what the kernel fills at most for one answer of a dump */

#define GROUPS                                                                                     \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |               \
		RTMGRP_IPV6_ROUTE)

struct link {
	int index;
	struct hf_live_iface iface;
	HF_VEC(struct hf_prefix) addrs;
};

struct route {
	uint32_t metric;
	struct hf_live_route r;
};

/* One reading. */
struct picture {
	HF_VEC(struct link) links;
	HF_VEC(struct route) routes;
	bool nomem;
};

struct hf_kernel {
	struct mnl_socket *news; /* NULL: nobody wants to know */
	struct event *readable;
	struct event *settle;
	void (*changed)(void *arg);
	void *arg;
	uint64_t dirty_since;	/* ms; 0: nothing has happened */
	struct hf_arena *arena; /* what host points to */
	struct hf_live_host host;
};

static struct link *find_link(struct picture *p, int index)
{
	size_t i;

	for (i = 0; i < p->links.n; i++) {
		if (p->links.v[i].index == index)
			return &p->links.v[i];
	}
	return NULL;
}

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct picture *p = arg;
	struct link l = {.index = ifi->ifi_index, .iface.down = !(ifi->ifi_flags & IFF_RUNNING)};
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(*ifi))
	{
		const char *name = mnl_attr_get_payload(a);

		if (mnl_attr_get_type(a) == IFLA_IFNAME && strlen(name) < HF_IFNAME_SIZE)
			strcpy(l.iface.name, name);
	}
	if (l.iface.name[0] && hf_vec_push(&p->links, l))
		p->nomem = true;
	return MNL_CB_OK;
}

static bool get_addr(const struct nlattr *a, uint8_t family, struct hf_addr *ret)
{
	size_t size = family == AF_INET ? 4 : 16;

	if (mnl_attr_get_payload_len(a) != size)
		return false;
	*ret = (struct hf_addr){.family = family == AF_INET ? 4 : 6};
	memcpy(ret->b, mnl_attr_get_payload(a), size);
	return true;
}

/* On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL is ours wherever it is there. */
static int on_addr(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct picture *p = arg;
	struct link *l = find_link(p, (int)ifa->ifa_index);
	struct hf_prefix net = {.len = ifa->ifa_prefixlen};
	uint32_t flags = ifa->ifa_flags;
	bool have = false, local = false;
	const struct nlattr *a;

	if (!l || (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(*ifa))
	{
		switch (mnl_attr_get_type(a)) {
		case IFA_LOCAL:
			local = have = get_addr(a, ifa->ifa_family, &net.addr) || have;
			break;
		case IFA_ADDRESS:
			if (!local)
				have = get_addr(a, ifa->ifa_family, &net.addr) || have;
			break;
		case IFA_FLAGS:
			flags = mnl_attr_get_u32(a);
			break;
		}
	}
	if (have && !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) && hf_vec_push(&l->addrs, net))
		p->nomem = true;
	return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct picture *p = arg;
	struct route r = {.r.dst.addr.family = rtm->rtm_family == AF_INET ? 4 : 6,
		.r.dst.len = rtm->rtm_dst_len};
	uint32_t table = rtm->rtm_table;
	const struct link *l = NULL;
	const struct nlattr *a;

	if ((rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
		rtm->rtm_type != RTN_UNICAST || (rtm->rtm_flags & RTM_F_CLONED))
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(*rtm))
	{
		const struct rtnexthop *first = mnl_attr_get_payload(a);

		switch (mnl_attr_get_type(a)) {
		case RTA_DST:
			if (!get_addr(a, rtm->rtm_family, &r.r.dst.addr))
				return MNL_CB_OK;
			break;
		case RTA_OIF:
			l = find_link(p, (int)mnl_attr_get_u32(a));
			break;
		case RTA_MULTIPATH: /* whichever is taken, the destination is as remote */
			if (mnl_attr_get_payload_len(a) >= sizeof(*first))
				l = find_link(p, first->rtnh_ifindex);
			break;
		case RTA_PRIORITY:
			r.metric = mnl_attr_get_u32(a);
			break;
		case RTA_TABLE:
			table = mnl_attr_get_u32(a);
			break;
		}
	}
	if (!l || table != RT_TABLE_MAIN)
		return MNL_CB_OK;
	strcpy(r.r.dev, l->iface.name); /* the same size */
	if (hf_vec_push(&p->routes, r))
		p->nomem = true;
	return MNL_CB_OK;
}

/* Asks for all of a kind. -EINTR: it changed while it was read. */
static int dump(struct mnl_socket *nl, int type, size_t size, mnl_cb_t cb, struct picture *p)
{
	char buf[BUFFER_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	unsigned int seq = (unsigned int)time(NULL), port = mnl_socket_get_portid(nl);
	ssize_t n;
	int rc;

	nlh->nlmsg_type = (uint16_t)type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	(void)mnl_nlmsg_put_extra_header(nlh, size); /* zeroed: every family */
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)n, seq, port, cb, p);
	} while (rc > MNL_CB_STOP);
	return rc < 0 ? -errno : p->nomem ? -ENOMEM : 0;
}

static void picture_fini(struct picture *p)
{
	size_t i;

	for (i = 0; i < p->links.n; i++)
		hf_vec_fini(&p->links.v[i].addrs);
	hf_vec_fini(&p->links);
	hf_vec_fini(&p->routes);
}

static int take_picture(struct picture *p)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int rc = 0;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		rc = -errno;
	if (rc == 0)
		rc = dump(nl, RTM_GETLINK, sizeof(struct ifinfomsg), on_link, p);
	if (rc == 0)
		rc = dump(nl, RTM_GETADDR, sizeof(struct ifaddrmsg), on_addr, p);
	if (rc == 0)
		rc = dump(nl, RTM_GETROUTE, sizeof(struct rtmsg), on_route, p);
	if (nl)
		(void)mnl_socket_close(nl); /* only read from */
	return rc;
}

static int by_metric(const void *a, const void *b)
{
	const struct route *x = a, *y = b;

	return (x->metric > y->metric) - (x->metric < y->metric);
}

static int keep(struct hf_arena *arena, struct picture *p, struct hf_live_host *ret)
{
	struct hf_live_iface *ifaces = hf_arena_calloc(arena, p->links.n, sizeof(*ifaces));
	struct hf_live_route *routes = hf_arena_calloc(arena, p->routes.n, sizeof(*routes));
	size_t i;

	if (!ifaces || !routes)
		return -ENOMEM;
	for (i = 0; i < p->links.n; i++) {
		struct link *l = &p->links.v[i];

		ifaces[i] = l->iface;
		ifaces[i].n_addrs = l->addrs.n;
		ifaces[i].addrs = hf_arena_dup(arena, l->addrs.v, l->addrs.n * sizeof(*l->addrs.v));
		if (!ifaces[i].addrs)
			return -ENOMEM;
	}
	if (p->routes.n)
		qsort(p->routes.v, p->routes.n, sizeof(*p->routes.v), by_metric);
	for (i = 0; i < p->routes.n; i++)
		routes[i] = p->routes.v[i].r;
	*ret = (struct hf_live_host){p->links.n, ifaces, p->routes.n, routes};
	return 0;
}

/* A picture of one moment: taken again while the kernel says that it changed meanwhile. */
static int look(struct hf_kernel *k)
{
	struct hf_live_host host;
	struct hf_arena *arena = hf_arena_new();
	struct picture p;
	int rc = -EINTR, tries;

	for (tries = 0; arena && rc == -EINTR && tries < 10; tries++) {
		p = (struct picture){0};
		rc = take_picture(&p);
		if (rc == 0)
			rc = keep(arena, &p, &host);
		picture_fini(&p);
	}
	if (!arena || rc < 0) {
		hf_arena_free(arena);
		return arena ? rc : -ENOMEM;
	}
	hf_arena_free(k->arena);
	k->arena = arena;
	k->host = host;
	return 0;
}

static void on_settle(evutil_socket_t, short, void *arg)
{
	static const struct timeval later = {
		.tv_usec = HF_KERNEL_RETRY_MS % 1000 * 1000, .tv_sec = HF_KERNEL_RETRY_MS / 1000};
	struct hf_kernel *k = arg;
	int rc = look(k);

	if (rc < 0) {
		hf_log(HF_LOG_ERROR, "engine", "facts of the kernel: %s; what was known stays",
			strerror(-rc));
		(void)event_add(k->settle, &later);
		return;
	}
	k->dirty_since = 0;
	k->changed(k->arg);
}

/* News that did not fit (ENOBUFS) are news as well. */
static void on_readable(evutil_socket_t, short, void *arg)
{
	static const struct timeval settle = {.tv_usec = HF_KERNEL_SETTLE_MS * 1000};
	struct hf_kernel *k = arg;
	uint64_t now = hf_clock_ms();
	char buf[BUFFER_SIZE];

	while (mnl_socket_recvfrom(k->news, buf, sizeof(buf)) > 0 || errno == ENOBUFS)
		;
	if (!k->dirty_since)
		k->dirty_since = now;
	if (now - k->dirty_since < HF_KERNEL_LATE_MS)
		(void)event_add(k->settle, &settle);
}

static int subscribe(struct hf_kernel *k, struct event_base *base)
{
	k->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!k->news || mnl_socket_bind(k->news, GROUPS, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	k->readable =
		event_new(base, mnl_socket_get_fd(k->news), EV_READ | EV_PERSIST, on_readable, k);
	k->settle = event_new(base, -1, 0, on_settle, k);
	if (!k->readable || !k->settle || event_add(k->readable, NULL) < 0)
		return -ENOMEM;
	return 0;
}

int hf_kernel_open(struct event_base *base, void (*changed)(void *arg), void *arg,
	struct hf_kernel **ret, struct hf_err *err)
{
	struct hf_kernel *k = calloc(1, sizeof(*k));
	int rc = k ? 0 : -ENOMEM;

	if (k) {
		k->changed = changed;
		k->arg = arg;
	}
	/* First the news, then the picture, or what happens in between would be missed. */
	if (rc == 0 && base)
		rc = subscribe(k, base);
	if (rc == 0)
		rc = look(k);
	if (rc < 0) {
		hf_kernel_close(k);
		return hf_fail(err, rc, "facts of the kernel: %s", strerror(-rc));
	}
	*ret = k;
	return 0;
}

void hf_kernel_close(struct hf_kernel *kernel)
{
	if (!kernel)
		return;
	if (kernel->readable)
		event_free(kernel->readable);
	if (kernel->settle)
		event_free(kernel->settle);
	if (kernel->news)
		(void)mnl_socket_close(kernel->news); /* only read from */
	hf_arena_free(kernel->arena);
	free(kernel);
}

const struct hf_live_host *hf_kernel_host(const struct hf_kernel *kernel)
{
	return &kernel->host;
}
