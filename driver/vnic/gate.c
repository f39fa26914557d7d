/* SPDX-License-Identifier: BSD-3-Clause */

#include "gate.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE 8192 /* of a batch of four small messages, and of one answer */
#define NAME_SIZE   64

struct request {
	char buffer[BUFFER_SIZE];
	size_t len;
	uint32_t seq;
	unsigned int n_acks; /* that the kernel owes */
};

static struct nlmsghdr *begin(struct request *r, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *head = mnl_nlmsg_put_header(r->buffer + r->len);
	struct nfgenmsg *nf;

	head->nlmsg_type = type;
	head->nlmsg_flags = NLM_F_REQUEST | flags;
	head->nlmsg_seq = r->seq++;
	nf = mnl_nlmsg_put_extra_header(head, sizeof(*nf));
	nf->version = NFNETLINK_V0;
	if (flags) {
		nf->nfgen_family = NFPROTO_NETDEV;
		r->n_acks++;
	} else {
		nf->res_id = htons(NFNL_SUBSYS_NFTABLES);
	}
	return head;
}

static void end(struct request *r, const struct nlmsghdr *head)
{
	r->len += head->nlmsg_len;
}

static void put_table(struct request *r, const char *name)
{
	struct nlmsghdr *m = begin(r, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE,
		NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);

	mnl_attr_put_strz(m, NFTA_TABLE_NAME, name);
	mnl_attr_put_u32(m, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER));
	end(r, m);
}

/* An empty chain that drops. */
static void put_chain(struct request *r, const char *table, const char *dev)
{
	struct nlmsghdr *m =
		begin(r, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NLM_F_ACK | NLM_F_CREATE);
	struct nlattr *hook;

	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, dev);
	hook = mnl_attr_nest_start(m, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(m, NFTA_HOOK_HOOKNUM, htonl(NF_NETDEV_INGRESS));
	mnl_attr_put_u32(m, NFTA_HOOK_PRIORITY, htonl(0));
	mnl_attr_put_strz(m, NFTA_HOOK_DEV, dev);
	mnl_attr_nest_end(m, hook);
	mnl_attr_put_u32(m, NFTA_CHAIN_POLICY, htonl(NF_DROP));
	mnl_attr_put_strz(m, NFTA_CHAIN_TYPE, "filter");
	end(r, m);
}

/* The kernel has done all of it, or nothing, before it answers. */
static int commit(struct mnl_socket *nl, struct request *r)
{
	ssize_t n = mnl_socket_sendto(nl, r->buffer, r->len);
	unsigned int acks = 0;

	while (n >= 0 && acks < r->n_acks) {
		const struct nlmsghdr *m = (const struct nlmsghdr *)r->buffer;
		int left;

		n = mnl_socket_recvfrom(nl, r->buffer, sizeof(r->buffer));
		for (left = (int)n; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
			const struct nlmsgerr *answer = mnl_nlmsg_get_payload(m);

			if (m->nlmsg_type != NLMSG_ERROR)
				continue;
			if (answer->error)
				return answer->error;
			acks++;
		}
	}
	return n < 0 ? -errno : 0;
}

static int build(struct request *r, const uint32_t *if_indexes, unsigned int n, uint16_t id)
{
	char table[NAME_SIZE], dev[IF_NAMESIZE];
	unsigned int i;

	snprintf(table, sizeof(table), "hepflow-vnic-%d-%u", getpid(), id);
	end(r, begin(r, NFNL_MSG_BATCH_BEGIN, 0));
	put_table(r, table);
	for (i = 0; i < n; i++) {
		if (!if_indextoname(if_indexes[i], dev))
			return -errno;
		put_chain(r, table, dev);
	}
	end(r, begin(r, NFNL_MSG_BATCH_END, 0));
	return 0;
}

int hf_vnic_gate_close(
	const uint32_t *if_indexes, unsigned int n, uint16_t id, struct mnl_socket **ret)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	struct request r = {};
	int rc;

	if (!nl)
		return -errno;
	rc = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (rc == 0)
		rc = build(&r, if_indexes, n, id);
	if (rc == 0)
		rc = commit(nl, &r);
	if (rc < 0) {
		(void)mnl_socket_close(nl);
		return rc;
	}
	*ret = nl;
	return 0;
}

void hf_vnic_gate_open(struct mnl_socket *gate)
{
	if (gate)
		(void)mnl_socket_close(gate);
}
