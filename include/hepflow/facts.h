/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Facts: the small vocabulary that model, reference, rules and packet path share: verdicts, where a
 * packet comes from, who owns its destination, and sets of addresses.
 *
 * All of it is plain data. Who owns an array is said by the object that hands it out.
 */

#pragma once

#include <hepflow/net.h>

#include <stddef.h>
#include <stdint.h>

/* docs/semantics.md 1.1. Zero fails closed. */
enum hf_verdict {
	HF_VERDICT_DENY,
	HF_VERDICT_ALLOW,
	HF_VERDICT_NO_DECISION,	    /* Calico leaves it to the host's own hook default */
	HF_VERDICT_ALLOW_UNTRACKED, /* allowed, and never makes a connection */
};

/* Who owns the destination after DNAT; docs/architecture.md, "Destination classes". */
enum hf_class {
	HF_CLASS_REMOTE,   /* forwarded, to nobody on this host */
	HF_CLASS_WORKLOAD, /* forwarded, to a pod of this host */
	HF_CLASS_HOST,	   /* terminated: an address of this host, broadcast, joined multicast */
};

/* Where a packet comes from. */
enum hf_from {
	HF_FROM_UPLINK,	  /* any host interface that is none of the others, lo included */
	HF_FROM_HOST,	  /* made by a process of this host */
	HF_FROM_WORKLOAD, /* a pod's interface */
	HF_FROM_TUNNEL,	  /* tunl0, vxlan.calico, wireguard.cali and their IPv6 kin */
};

/* What the hepflow/offload annotation asks for; docs/architecture.md, "Offload wishes". */
enum hf_offload {
	HF_OFFLOAD_PREFER,
	HF_OFFLOAD_REQUIRE,
	HF_OFFLOAD_FORBID,
};

#define HF_IF_HOST 0	  /* interface index 0 stands for "made by this host" */
#define HF_IF_ANY  0xffff /* in a match: any leaving interface */

struct hf_iface {
	char name[HF_IFNAME_SIZE]; /* "" for index 0 */
	enum hf_from from;
};

/* Longest prefix wins; equal prefixes do not occur. */
struct hf_dest {
	struct hf_prefix net;
	enum hf_class class;
	uint16_t out; /* interface it leaves by; HF_IF_HOST for class host */
};

/*
 * A destination that the host's tables rewrite; docs/semantics.md 3.1, steps 4 and 9. proto 0: the
 * whole address whatever the protocol (a pod's floating address); the port stays as it is then.
 */
struct hf_dnat {
	uint8_t proto;
	struct hf_addr addr;
	uint16_t port;
	uint16_t n_to;
	const struct hf_addrport *to; /* which backend is taken is the kernel's choice */
};

/* (address, protocol, port), for named ports and services; docs/semantics.md 11.3. */
struct hf_member {
	struct hf_addr addr;
	uint8_t proto;
	uint16_t port;
};

/* Nets are sorted by hf_prefix_cmp() and none covers another; members are sorted, none twice. */
struct hf_set {
	const char *name; /* for people: the selector, or the nets as written */
	size_t n_nets;
	const struct hf_prefix *nets;
	size_t n_members;
	const struct hf_member *members;
};

/* The order of hf_set.members. */
int hf_member_cmp(const struct hf_member *a, const struct hf_member *b);

bool hf_set_has(const struct hf_set *set, const struct hf_addr *addr);
bool hf_set_has_member(const struct hf_set *set, const struct hf_member *member);

const char *hf_verdict_name(enum hf_verdict v); /* allow, deny, no-decision, allow-untracked */
const char *hf_class_name(enum hf_class c);	/* remote, workload, host */
const char *hf_from_name(enum hf_from f);	/* uplink, host, workload, tunnel */
