/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Short YAML for tests of the model, and finding things in the result.
 */

#pragma once

#include <hepflow/base/arena.h>
#include <hepflow/err.h>
#include <hepflow/policy.h>

#include "hf_test.h"
#include "model/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OBJ(kind, meta, spec)                                                                      \
	"---\napiVersion: projectcalico.org/v3\nkind: " kind "\nmetadata: {" meta                  \
	"}\nspec: {" spec "}\n"
#define HEP(name, spec) OBJ("HostEndpoint", "name: " name, "node: n0, " spec)
#define LABELLED_HEP(name, labels, spec)                                                           \
	OBJ("HostEndpoint", "name: " name ", labels: {" labels "}", "node: n0, " spec)
#define GNP(name, spec)	    OBJ("GlobalNetworkPolicy", "name: " name, spec)
#define NP(ns, name, spec)  OBJ("NetworkPolicy", "name: " name ", namespace: " ns, spec)
#define TIER(name, spec)    OBJ("Tier", "name: " name, spec)
#define PROFILE(name, spec) OBJ("Profile", "name: " name, spec)
#define GNS(name, labels, nets)                                                                    \
	OBJ("GlobalNetworkSet", "name: " name ", labels: {" labels "}", "nets: [" nets "]")
#define NETSET(ns, name, labels, nets)                                                             \
	OBJ("NetworkSet", "name: " name ", namespace: " ns ", labels: {" labels "}",               \
		"nets: [" nets "]")
#define FELIX(name, spec)  OBJ("FelixConfiguration", "name: " name, spec)
#define IPPOOL(name, spec) OBJ("IPPool", "name: " name, spec)
#define NODE(name, spec)   OBJ("Node", "name: " name, spec)
/* A pod of node n0 (or of another: POD_ON); its name follows Calico's NODE-k8s-POD-eth0. */
#define POD_ON(node, ns, pod, labels, spec)                                                        \
	OBJ("WorkloadEndpoint",                                                                    \
		"name: " node "-k8s-" pod "-eth0, namespace: " ns ", labels: {" labels "}",        \
		"node: " node ", orchestrator: k8s, endpoint: eth0, pod: " pod ", " spec)
#define POD(ns, pod, labels, spec) POD_ON("n0", ns, pod, labels, spec)
#define KUBE(version, kind, meta, rest)                                                            \
	"---\napiVersion: " version "\nkind: " kind "\nmetadata: {" meta "}\n" rest "\n"
#define FACTS_OF(node, spec)                                                                       \
	"---\napiVersion: hepflow/v1\nkind: HostFacts\nmetadata: {name: " node "}\nspec: {" spec   \
	"}\n"
#define FACTS(spec) FACTS_OF("n0", spec)
#define ETH0	    FACTS("interfaces: [{name: eth0, addresses: [192.0.2.10/24]}]")

/* The policy set is freed before the model is looked at: a model does not point into it. */
static inline int try_model(const char *yaml, const struct hf_model_opts *opts,
	struct hf_model **ret, struct hf_err *err)
{
	struct hf_policy *policy = NULL;
	int rc;

	cr_assert_eq(hf_policy_new(&policy, err), 0, "%s", err->text);
	rc = hf_policy_read_text(policy, "t.yaml", yaml, strlen(yaml), err);
	cr_assert_eq(rc, 0, "%s", err->text);
	rc = hf_model_build(policy, opts, ret, err);
	hf_policy_free(policy);
	return rc;
}

static inline struct hf_model *make_model(const char *yaml)
{
	struct hf_model_opts opts = {.node = "n0"};
	struct hf_model *m = NULL;
	struct hf_err err = {0};

	cr_assert_eq(try_model(yaml, &opts, &m, &err), 0, "%s", err.text);
	return m;
}

static inline const struct hf_model_endpoint *endpoint(const struct hf_model *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->n_endpoints; i++) {
		if (strcmp(m->endpoints[i]->name, name) == 0)
			return m->endpoints[i];
	}
	cr_assert_fail("no endpoint '%s'", name);
	return NULL;
}

static inline const struct hf_model_iface *iface(const struct hf_model *m, const char *name)
{
	int i = hf_model_find_iface(m, name);

	cr_assert_geq(i, 0, "no interface '%s'", name);
	return &m->ifaces[i];
}

static inline struct hf_addr addr(const char *text)
{
	struct hf_addr a = {0};

	cr_assert_eq(hf_addr_parse(text, &a), 0, "%s", text);
	return a;
}

/* How many warnings have this code. */
static inline size_t warned(const struct hf_model *m, const char *code)
{
	size_t i, n = 0, len = strlen(code);

	for (i = 0; i < m->n_warnings; i++)
		n += strncmp(m->warnings[i], code, len) == 0 && m->warnings[i][len] == ':';
	return n;
}

/* "a b c" of what is in the set: nets, then members as proto/addr:port. */
static inline const char *set_text(const struct hf_model *m, uint32_t set)
{
	static char text[4096];
	char buf[HF_ADDRSTR_SIZE], proto[12];
	size_t i, len = 0;

	cr_assert_lt(set, m->n_sets);
	text[0] = '\0';
	for (i = 0; i < m->sets[set].n_nets; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? " " : "",
			hf_prefix_print(&m->sets[set].nets[i], buf));
	for (i = 0; i < m->sets[set].n_members; i++) {
		const struct hf_member *e = &m->sets[set].members[i];

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s/%s", len ? " " : "",
			hf_proto_name(e->proto, proto),
			hf_addrport_print(&(struct hf_addrport){e->addr, e->port}, buf));
	}
	return text;
}

/* "tier:id,id tier:id" of one list and direction; default Pass shows as "tier+". */
static inline const char *tiers_text(
	const struct hf_model_endpoint *ep, enum hf_chain chain, bool egress)
{
	static char text[4096];
	size_t i, k, len = 0;

	text[0] = '\0';
	for (i = 0; i < ep->tiers[chain].n; i++) {
		const struct hf_model_tier *t = &ep->tiers[chain].v[i];
		const struct hf_model_policies *p = egress ? &t->out : &t->in;

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s:", len ? " " : "",
			t->name, t->default_pass ? "+" : "");
		for (k = 0; k < p->n; k++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s",
				k ? "," : "", p->v[k].id, p->v[k].staged ? "(staged)" : "");
	}
	return text;
}

/* First ingress (or egress) rule of the first normal policy of the endpoint. */
static inline const struct hf_model_rule *first_rule(
	const struct hf_model *m, const char *name, bool egress)
{
	const struct hf_model_tiers *list = &endpoint(m, name)->tiers[HF_CHAIN_NORMAL];
	const struct hf_model_policies *p;

	cr_assert_geq(list->n, 1);
	p = egress ? &list->v[0].out : &list->v[0].in;
	cr_assert_geq(p->n, 1);
	cr_assert_geq(p->v[0].rules.n, 1);
	return &p->v[0].rules.v[0];
}

#define expect_text(actual, expected)                                                              \
	do {                                                                                       \
		const char *text_ = (actual);                                                      \
		cr_expect_str_eq(text_, expected, "got '%s'", text_);                              \
	} while (0)
