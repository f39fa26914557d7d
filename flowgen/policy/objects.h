/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The Calico kinds as plain structs, each with the place it came from.
 *
 * These are the objects after reading: defaulted where the API server would default
 * (docs/semantics.md 12), validated (13), nothing resolved. All memory belongs to the policy set's
 * arena. Absent text is NULL, an absent list has n == 0; where absence and emptiness differ, a
 * has_ flag says which.
 */

#pragma once

#include <hepflow/facts.h>
#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_arena;
struct hf_selector;

struct hf_place {
	const char *file;
	uint32_t line; /* from 1; 0 = no place */
	uint32_t col;
};

struct hf_label {
	const char *key;
	const char *value;
};

/* Sorted by key. */
struct hf_labels {
	size_t n;
	const struct hf_label *v;
};

struct hf_names {
	size_t n;
	const char *const *v;
};

/* A selector as written and as parsed; text NULL = not given. docs/semantics.md 11.4. */
struct hf_selector_spec {
	const char *text;
	const struct hf_selector *sel; /* NULL when text is NULL or blank */
	struct hf_place place;
};

struct hf_meta {
	/* Of one object as it was read, in this process: another of the name has another. 0 = none.
	 */
	uint64_t id;
	struct hf_place place;
	const char *name;
	const char *ns; /* NULL for cluster-wide kinds */
	struct hf_labels labels;
	enum hf_offload offload;
};

/* docs/semantics.md 11.3: a number, a range, or a name. */
struct hf_port_spec {
	struct hf_ports range; /* when name is NULL */
	const char *name;
};

struct hf_port_specs {
	size_t n;
	const struct hf_port_spec *v;
};

/* As written: host bits cleared, order kept. */
struct hf_nets {
	size_t n;
	const struct hf_prefix *v;
};

struct hf_service_ref {
	const char *name; /* NULL = no services match */
	const char *ns;	  /* NULL = the policy's own */
};

/* source: or destination: of a rule. */
struct hf_entity {
	struct hf_nets nets;
	struct hf_nets not_nets;
	struct hf_selector_spec selector;
	struct hf_selector_spec not_selector;
	struct hf_selector_spec ns_selector;
	struct hf_names sa_names;
	struct hf_selector_spec sa_selector;
	struct hf_port_specs ports;
	struct hf_port_specs not_ports;
	struct hf_service_ref service;
	/*
	 * What Felix has resolved already, by ids of struct hf_ipset_obj; from files these are
	 * empty. The address is in all of set_ids and in none of not_set_ids; port_set_ids and
	 * not_port_set_ids stand beside ports and not_ports; (address, protocol, port) is in all of
	 * member_set_ids.
	 */
	struct hf_names set_ids;
	struct hf_names not_set_ids;
	struct hf_names port_set_ids;
	struct hf_names not_port_set_ids;
	struct hf_names member_set_ids;
};

/* protocol: and notProtocol:. Naming ICMP or ICMPv6 implies a family, the number does not (11.1).
 */
struct hf_proto_spec {
	bool given;
	bool by_name;
	uint8_t proto;
};

struct hf_icmp_spec {
	bool given;
	bool has_type; /* icmp: {} matches every type */
	bool has_code;
	uint8_t type;
	uint8_t code;
};

enum hf_action {
	HF_ACTION_DENY,
	HF_ACTION_ALLOW,
	HF_ACTION_PASS,
	HF_ACTION_LOG,
};

/* One Calico rule, as written. */
struct hf_policy_rule {
	struct hf_place place;
	enum hf_action action;
	uint8_t ip_version; /* 4, 6, or 0 = not given */
	struct hf_proto_spec proto;
	struct hf_proto_spec not_proto;
	struct hf_icmp_spec icmp;
	struct hf_icmp_spec not_icmp;
	struct hf_entity src;
	struct hf_entity dst;
	bool http; /* has an http match: not enforceable on a host endpoint, to be reported */
};

struct hf_policy_rules {
	size_t n;
	const struct hf_policy_rule *v;
};

enum hf_policy_kind {
	HF_POLICY_GNP, /* GlobalNetworkPolicy, StagedGlobalNetworkPolicy */
	HF_POLICY_NP,  /* NetworkPolicy, StagedNetworkPolicy */
	HF_POLICY_KNP, /* StagedKubernetesNetworkPolicy */
};

struct hf_policy_obj {
	struct hf_meta meta;
	enum hf_policy_kind kind;
	bool staged;
	bool staged_delete; /* stagedAction: Delete */
	const char *tier;   /* never NULL */
	bool has_order;
	double order;
	struct hf_selector_spec selector;
	struct hf_selector_spec ns_selector;
	struct hf_selector_spec sa_selector;
	bool ingress; /* types, defaulted (12) */
	bool egress;
	struct hf_policy_rules in;
	struct hf_policy_rules out;
	bool untracked; /* doNotTrack */
	bool pre_dnat;
	bool on_forward; /* applyOnForward */
	/* NULL, or what struct hf_tier_ref calls it: then only such a list applies it. */
	const char *ref;
};

/* A tier as Felix lists it for one endpoint: its policies in order, by hf_policy_obj.ref. */
struct hf_tier_ref {
	const char *name;
	bool default_pass;
	struct hf_names in;
	struct hf_names out;
};

struct hf_tier_refs {
	size_t n;
	const struct hf_tier_ref *v;
};

/* The four lists of an endpoint (docs/semantics.md 2); pods have only the normal one. */
struct hf_tier_lists {
	struct hf_tier_refs untracked;
	struct hf_tier_refs pre_dnat;
	struct hf_tier_refs normal;
	struct hf_tier_refs forward;
};

struct hf_tier_obj {
	struct hf_meta meta;
	bool has_order;
	double order;
	bool default_pass; /* defaultAction: Pass */
};

struct hf_profile_obj {
	struct hf_meta meta;
	struct hf_labels to_apply; /* labelsToApply */
	struct hf_policy_rules in;
	struct hf_policy_rules out;
};

/* A named port of an endpoint. */
struct hf_endpoint_port {
	const char *name;
	uint8_t proto;
	uint16_t port;
};

struct hf_endpoint_ports {
	size_t n;
	const struct hf_endpoint_port *v;
};

struct hf_addrs {
	size_t n;
	const struct hf_addr *v;
};

struct hf_hep_obj {
	struct hf_meta meta;
	const char *node;
	const char *iface; /* NULL = by expectedIPs; "*" = all interfaces */
	struct hf_addrs expected;
	struct hf_names profiles;
	struct hf_endpoint_ports ports;
	const struct hf_tier_lists *tiers; /* NULL: by selectors */
};

struct hf_wep_obj {
	struct hf_meta meta;
	const char *node;
	const char *iface;   /* host side name, cali...; NULL when not given */
	const char *pod;     /* NULL when not given */
	const char *sa;	     /* service account; NULL when not given */
	struct hf_nets nets; /* ipNetworks */
	struct hf_names profiles;
	struct hf_endpoint_ports ports;
	size_t n_nats; /* ipNATs: floating (external) to internal address */
	const struct hf_ip_nat {
		struct hf_addr internal;
		struct hf_addr external;
	} * nats;
	bool allow_spoofed; /* allowSpoofedSourcePrefixes given: rpf is relaxed for those nets */
	struct hf_nets spoofed;
	const struct hf_tier_lists *tiers; /* NULL: by selectors */
};

/* A set that Felix has resolved; its name is the id. Nets may cover each other. */
struct hf_ipset_obj {
	struct hf_meta meta;
	struct hf_nets nets;
	size_t n_members;
	const struct hf_member *members;
};

/* NetworkSet (with a namespace) and GlobalNetworkSet. */
struct hf_netset_obj {
	struct hf_meta meta;
	struct hf_nets nets;
};

/* Kubernetes Namespace and ServiceAccount: only their labels matter (pcns., pcsa.; 11.5). */
struct hf_labelled_obj {
	struct hf_meta meta;
};

enum hf_felix_action {
	HF_FELIX_DROP,
	HF_FELIX_ACCEPT,
	HF_FELIX_RETURN,
	HF_FELIX_REJECT,
};

/* One failsafe port; net.addr.family 0 = any address (docs/semantics.md 6). */
struct hf_failsafe {
	uint8_t proto;
	uint16_t port;
	struct hf_prefix net;
};

struct hf_failsafes {
	bool given; /* absent = the defaults; given and empty = none */
	size_t n;
	const struct hf_failsafe *v;
};

/* Parameters of docs/semantics.md 17 that change verdicts; has_ = given in this object. */
struct hf_felix_obj {
	struct hf_meta meta; /* "default", or "node.NAME"; others do not apply and got a note */
	struct hf_selector_spec node_selector; /* nodeSelector: only such others have it */
	struct hf_failsafes fs_in;
	struct hf_failsafes fs_out;
	bool has_epha;
	enum hf_felix_action epha;
	bool has_filter_allow; /* iptablesFilterAllowAction (or the nftables twin) */
	enum hf_felix_action filter_allow;
	bool has_mangle_allow;
	enum hf_felix_action mangle_allow;
	bool has_filter_deny;
	enum hf_felix_action filter_deny;
	bool has_no_invalid_check; /* disableConntrackInvalidCheck */
	bool no_invalid_check;
	struct hf_names iface_prefixes; /* interfacePrefix; n == 0 = not given */
	bool has_iface_exclude;
	struct hf_names iface_exclude; /* names or /regex/ */
	bool has_vxlan_port;
	uint16_t vxlan_port;
	bool has_wireguard_port;
	uint16_t wireguard_port;
	bool has_wireguard_port6;
	uint16_t wireguard_port6;
	bool has_wireguard;
	bool wireguard; /* wireguardEnabled */
	bool has_wireguard6;
	bool wireguard6; /* wireguardEnabledV6 */
	bool has_ipip;
	bool ipip; /* ipipEnabled */
	bool has_vxlan;
	bool vxlan; /* vxlanEnabled */
	bool has_vxlan_from_wl;
	bool vxlan_from_wl; /* allowVXLANPacketsFromWorkloads */
	bool has_ipip_from_wl;
	bool ipip_from_wl; /* allowIPIPPacketsFromWorkloads */
	bool has_service_loop;
	enum hf_felix_action service_loop; /* Drop, Reject; Disabled reads as HF_FELIX_RETURN */
	bool has_ipv6;
	bool ipv6;		       /* ipv6Support */
	struct hf_nets external_nodes; /* externalNodesList: further tunnel peers */
	const char *log_prefix;
	bool has_log_limit; /* logActionRateLimit: so many lines of a rule in so long */
	struct {
		uint32_t lines;
		uint32_t seconds;
	} log_limit;
	bool has_log_burst;
	uint16_t log_burst; /* logActionRateLimitBurst */
	bool has_append;    /* chainInsertMode: Append */
	bool append;
};

struct hf_node_obj {
	struct hf_meta meta;
	bool has_bgp4, has_bgp6;
	struct hf_addr bgp4, bgp6; /* spec.bgp.ipv4Address and ipv6Address without the length */
	struct hf_addrs addrs;	   /* spec.addresses, and status.addresses of a Kubernetes node */
	struct hf_addrs tunnels;   /* IPIP, VXLAN and WireGuard tunnel addresses */
};

struct hf_ippool_obj {
	struct hf_meta meta;
	struct hf_prefix cidr;
	bool ipip;  /* ipipMode other than Never */
	bool vxlan; /* vxlanMode other than Never */
	bool nat_outgoing;
	bool disabled;
};

/* BGPConfiguration: the service addresses that the loop prevention guards (10). */
struct hf_bgpconf_obj {
	struct hf_meta meta;
	struct hf_nets cluster;
	struct hf_nets external;
	struct hf_nets lb;
};

/* Kubernetes Service: only what DNAT needs. */
struct hf_service_port {
	const char *name; /* NULL when not given */
	uint8_t proto;
	uint16_t port;
	uint16_t node_port; /* 0 = none */
};

struct hf_service_obj {
	struct hf_meta meta;
	size_t n_ports;
	const struct hf_service_port *ports;
	struct hf_addrs cluster_ips; /* headless services have none */
	struct hf_addrs external_ips;
	struct hf_addrs lb_ips;
	bool local_only; /* externalTrafficPolicy: Local: only backends on this node */
};

struct hf_slice_endpoint {
	struct hf_addrs addrs;
	bool ready;
	const char *node; /* NULL when not given */
};

/* Kubernetes EndpointSlice; service is the kubernetes.io/service-name label. */
struct hf_slice_obj {
	struct hf_meta meta;
	const char *service; /* NULL when not labelled */
	size_t n_ports;
	const struct hf_service_port *ports; /* name, proto, port */
	size_t n_endpoints;
	const struct hf_slice_endpoint *endpoints;
};

/* HostFacts: what the daemon would learn from the kernel (docs/host-facts.md). */
struct hf_facts_iface {
	const char *name;
	size_t n_addrs;
	const struct hf_facts_addr {
		struct hf_addr addr;
		uint8_t len;
	} * addrs;
	bool down; /* operState: down; default up */
};

struct hf_facts_route {
	struct hf_prefix dst;
	const char *dev;
};

struct hf_facts_obj {
	struct hf_meta meta; /* name = node */
	size_t n_ifaces;
	const struct hf_facts_iface *ifaces;
	size_t n_routes;
	const struct hf_facts_route *routes;
	size_t n_dnats;
	const struct hf_facts_dnat {
		struct hf_place place;
		uint8_t proto;
		struct hf_addr addr;
		uint16_t port;
		size_t n_to;
		const struct hf_addrport *to;
	} * dnats;
	bool drop_input; /* kernelPolicy; default accept */
	bool drop_output;
	bool drop_forward;
};

/* A list per kind, sorted by namespace and name once hf_policy_read() returns. */
#define HF_POLICY_KINDS(X)                                                                         \
	X(hep, struct hf_hep_obj)                                                                  \
	X(wep, struct hf_wep_obj)                                                                  \
	X(policy, struct hf_policy_obj)                                                            \
	X(tier, struct hf_tier_obj)                                                                \
	X(profile, struct hf_profile_obj)                                                          \
	X(netset, struct hf_netset_obj)                                                            \
	X(ipset, struct hf_ipset_obj)                                                              \
	X(felix, struct hf_felix_obj)                                                              \
	X(node, struct hf_node_obj)                                                                \
	X(ippool, struct hf_ippool_obj)                                                            \
	X(bgpconf, struct hf_bgpconf_obj)                                                          \
	X(ns, struct hf_labelled_obj)                                                              \
	X(sa, struct hf_labelled_obj)                                                              \
	X(service, struct hf_service_obj)                                                          \
	X(slice, struct hf_slice_obj)                                                              \
	X(facts, struct hf_facts_obj)

#define HF_POLICY_LIST(kind, type)                                                                 \
	struct {                                                                                   \
		size_t n;                                                                          \
		type *v;                                                                           \
	} kind;

/* The inside of struct hf_policy, for the stages that read it (model). */
struct hf_objects {
	HF_POLICY_KINDS(HF_POLICY_LIST)
};

struct hf_policy;
const struct hf_objects *hf_policy_objects(const struct hf_policy *policy);

/* Value of a label, or NULL. */
const char *hf_labels_find(const struct hf_labels *labels, const char *key);
