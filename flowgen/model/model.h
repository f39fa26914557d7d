/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The inside of the model, for the two stages that read it: ref and rules.
 *
 * Indexes instead of pointers where a thing is shared and counted (sets, interfaces); pointers into
 * the model's own arena elsewhere. Everything is const once built.
 */

#pragma once

#include <hepflow/facts.h>
#include <hepflow/model.h>
#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_arena;

#define HF_NO_SET UINT32_MAX

enum hf_rule_action {
	HF_RULE_DENY,
	HF_RULE_ALLOW,
	HF_RULE_PASS,
	HF_RULE_LOG,
};

/* ports: or notPorts: of one side; named ports have become sets of (address, protocol, port). */
struct hf_model_ports {
	size_t n_ranges;
	const struct hf_ports *ranges;
	size_t n_sets;
	const uint32_t *sets; /* indexes into hf_model.sets */
};

/* One side (source or destination) of a rule. Everything given must hold. */
struct hf_model_side {
	size_t n_nets;
	const struct hf_prefix *nets; /* as written: rendering per family is the reader's (11.2) */
	size_t n_not_nets;
	const struct hf_prefix *not_nets;
	uint32_t set;	  /* address must be in it; HF_NO_SET = no such criterion */
	uint32_t not_set; /* address must not be in it */
	struct hf_model_ports ports;
	struct hf_model_ports not_ports;
	uint32_t service; /* (address, protocol, port) must be a member; HF_NO_SET = no such
			     criterion */
};

struct hf_model_icmp {
	bool given;
	bool has_type; /* else every type */
	bool has_code;
	uint8_t type;
	uint8_t code;
};

struct hf_model_rule {
	const char *origin; /* "default/gnp:deny-3000/ingress/0", "profile:NAME/ingress/0" */
	const char *place;  /* "file:line:col", "" when unknown */
	enum hf_rule_action action;
	uint8_t ip_version; /* 4, 6, 0 = both; a protocol named ICMP or ICMPv6 has set it (11.1) */
	bool has_proto;
	uint8_t proto;
	bool has_not_proto;
	uint8_t not_proto;
	struct hf_model_icmp icmp;
	struct hf_model_icmp not_icmp;
	struct hf_model_side src;
	struct hf_model_side dst;
};

struct hf_model_rules {
	size_t n;
	const struct hf_model_rule *v;
};

struct hf_model_policy {
	const char *id; /* "gnp:deny-3000", "np:NAMESPACE/NAME" or "knp:..." (Kubernetes, staged) */
	bool staged;	/* member of the tier, never enforced */
	uint8_t offload; /* enum hf_offload */
	struct hf_model_rules rules;
};

/* The policies of one tier that select an endpoint, for one direction, in order. */
struct hf_model_policies {
	size_t n;
	const struct hf_model_policy *v;
};

struct hf_model_tier {
	const char *name;
	const char *origin; /* "tier-default:NAME" */
	bool default_pass;
	struct hf_model_policies in;
	struct hf_model_policies out;
};

struct hf_model_tiers {
	size_t n;
	const struct hf_model_tier *v;
};

/* The four lists a policy can land in; docs/semantics.md 2. */
enum hf_chain {
	HF_CHAIN_UNTRACKED,
	HF_CHAIN_PREDNAT,
	HF_CHAIN_NORMAL,
	HF_CHAIN_FORWARD,
	HF_CHAIN_MAX_,
};

struct hf_model_profile {
	const char *name;
	bool missing; /* named but not there: denies everything at its place (4) */
	struct hf_model_rules in;
	struct hf_model_rules out;
};

/* A host endpoint, or a pod's endpoint (only the normal list). */
struct hf_model_endpoint {
	const char *name; /* resource name; NAMESPACE/NAME for a pod */
	bool workload;
	bool wildcard; /* interfaceName: "*" */
	enum hf_endpoint_status status;
	uint8_t offload; /* enum hf_offload */
	struct hf_model_tiers tiers[HF_CHAIN_MAX_];
	size_t n_profiles;
	const struct hf_model_profile *const *profiles; /* in order */
};

/* Index 0 is the host itself (HF_IF_HOST): no name, no endpoint. */
struct hf_model_iface {
	struct hf_iface id;
	size_t n_addrs;
	const struct hf_prefix
		*addrs; /* local addresses with their on-link prefix length; host bits kept */
	const struct hf_model_endpoint *hep; /* the specific winner (8), or NULL */
	const struct hf_model_endpoint *wep; /* pod behind a workload interface, or NULL */
	size_t n_sources;
	const struct hf_prefix
		*sources; /* workload interfaces: sources that pass the reverse-path filter */
};

/* docs/semantics.md 6; net.addr.family 0 = any address. */
struct hf_model_failsafe {
	uint8_t proto;
	uint16_t port;
	struct hf_prefix net;
};

struct hf_model_failsafes {
	size_t n;
	const struct hf_model_failsafe *v;
};

enum hf_target {
	HF_TARGET_DROP,
	HF_TARGET_ACCEPT,
	HF_TARGET_RETURN,
};

struct hf_model_config {
	unsigned int calico; /* 328 or 329 and later: the per-direction forward default (4) */
	enum hf_target epha;
	bool filter_return; /* IptablesFilterAllowAction=Return: ALLOW degrades to NO_DECISION (1.1)
			     */
	bool mangle_return;
	bool no_invalid_check;
	struct hf_model_failsafes fs_in;
	struct hf_model_failsafes fs_out;
	bool ipip; /* encapsulations enabled on this node (10) */
	bool vxlan, vxlan6;
	bool wireguard, wireguard6;
	uint16_t vxlan_port;
	uint16_t wireguard_port, wireguard_port6;
	bool ipip_from_wl;
	bool vxlan_from_wl;
	uint32_t peers;	       /* set: addresses of all Calico hosts (IPIP and VXLAN peers) */
	bool loop_guard;       /* service loop prevention on, and service nets known */
	uint32_t service_nets; /* set */
	bool drop_input, drop_output, drop_forward; /* HostFacts kernelPolicy */
	struct hf_model_logs logs;
};

struct hf_set_note;

/* Objects that a model was made of; for the model that follows. */
enum hf_seen_list {
	HF_SEEN_HEP,
	HF_SEEN_WEP,
	HF_SEEN_NETSET,
	HF_SEEN_SLICE,
	HF_SEEN_IPSET,
	HF_SEEN_NS, /* and those whose labels others inherit */
	HF_SEEN_SA,
	HF_SEEN_PROFILE,
	HF_SEEN_MAX_,
};

struct hf_seen {
	size_t n;
	const uint64_t *ids;
};

struct hf_implied {
	const char *name; /* of a profile that has no object */
	uint64_t id;	  /* stands for the object's */
	const struct hf_implied *next;
};

struct hf_model {
	struct hf_arena *arena;
	const struct hf_implied *implied; /* for the model that follows */
	struct hf_seen seen[HF_SEEN_MAX_];
	const struct hf_set_note *const *notes; /* of the sets, for the model that follows */
	struct hf_model_part *parts;		/* for the model that follows: part.c */
	const char *node;
	struct hf_model_config config;
	size_t n_ifaces;
	const struct hf_model_iface *ifaces;
	const struct hf_model_endpoint *star; /* the winning "*" endpoint, or NULL */
	size_t n_endpoints;
	const struct hf_model_endpoint *const
		*endpoints; /* all of this node, by name; pods after hosts */
	size_t n_dests;
	const struct hf_dest *dests; /* longest prefix first; ends with 0.0.0.0/0 and ::/0 */
	size_t n_dnats;
	const struct hf_dnat *dnats;
	size_t n_sets;
	const struct hf_set *sets; /* nobody's have neither name nor nets nor members */
	const uint64_t *set_ids;   /* of the same id: the same set, and the same memory */
	size_t n_warnings;
	const char *const *warnings;
};

/* First interface of that name, or -ENOENT; "" is HF_IF_HOST. */
int hf_model_find_iface(const struct hf_model *model, const char *name);
/* Longest prefix match; never NULL. */
const struct hf_dest *hf_model_find_dest(const struct hf_model *model, const struct hf_addr *dst);
const struct hf_dnat *hf_model_find_dnat(
	const struct hf_model *model, uint8_t proto, const struct hf_addr *dst, uint16_t dport);
/* Whether addr is an address of this host (class host and not broadcast or multicast). */
bool hf_model_is_local(const struct hf_model *model, const struct hf_addr *addr);
