/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Model: what of the policy applies to one host.
 *
 * Names are gone: selectors and named ports have become sets, every interface knows the host
 * endpoint that governs it, every endpoint has its tiers in the order of evaluation. Nothing is
 * known of NICs, and nothing is lowered: docs/semantics.md can be read next to it.
 *
 * Lifetime: complete when hf_model_build() returns it, never changed again; it does not point into
 * the policy set. Any number of threads may read it. What it has in common with another model is
 * freed with the last of them.
 */

#pragma once

#include <hepflow/facts.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct hf_err;
struct hf_model;
struct hf_policy;

struct hf_model_opts {
	/* NULL: the only node that HostFacts name, else the only one that endpoints name, else the
	 * host name. */
	const char *node;
	/*
	 * Calico release to be like, as major * 100 + minor: 328 or 329. 0: the newest. Matters to
	 * the default of forwarded traffic (docs/semantics.md 4).
	 */
	unsigned int calico;
	/*
	 * NULL, or the model that this one follows: it makes no difference but in time. What
	 * policies that have not changed became is not made again. Read only while the new one is
	 * built.
	 */
	const struct hf_model *previous;
};

/* Errors: -EINVAL when the input leaves open what to build (several nodes and none named). */
int hf_model_build(const struct hf_policy *policy, const struct hf_model_opts *opts,
	struct hf_model **ret, struct hf_err *err);
void hf_model_free(struct hf_model *model);

const char *hf_model_node(const struct hf_model *model);

/* Policies that cannot do what their author meant: "code: place: text"; docs/warnings.md lists the
 * codes. */
size_t hf_model_n_warnings(const struct hf_model *model);
const char *hf_model_warning(const struct hf_model *model, size_t i);

/* What Calico calls the state of a host endpoint; docs/semantics.md 8. */
enum hf_endpoint_status {
	HF_ENDPOINT_ERROR, /* governs no interface */
	HF_ENDPOINT_DOWN,
	HF_ENDPOINT_UP,
};

/* Host endpoints of this node, by name. */
size_t hf_model_n_host_endpoints(const struct hf_model *model);
const char *hf_model_host_endpoint(
	const struct hf_model *model, size_t i, enum hf_endpoint_status *ret_status);

/* What rules with action Log write; docs/semantics.md 11.7. */
struct hf_model_logs {
	const char *prefix; /* with %t %k %n %p for tier, kind, name, and name with namespace */
	uint32_t lines;	    /* of each rule, in so many seconds; 0: no limit */
	uint32_t seconds;
	uint32_t burst; /* lines at once before that counts */
};

const struct hf_model_logs *hf_model_logs(const struct hf_model *model);

/* Ports that bypass policy of host endpoints; docs/semantics.md 6. */
struct hf_failsafe_port {
	uint8_t proto;
	uint16_t port;
	struct hf_prefix net; /* of the other end; family 0: any */
};

size_t hf_model_n_failsafes(const struct hf_model *model, bool out);
struct hf_failsafe_port hf_model_failsafe(const struct hf_model *model, bool out, size_t i);

/*
 * Endpoints with tiers and profiles, destination classes, sets, warnings. The text is stable.
 * `more` are warnings that a later stage has, in the same form; they come after the model's own.
 */
void hf_model_print(const struct hf_model *model, char *const *more, size_t n_more, FILE *out);
/* The same as JSON ("schema": 1; docs/flowgen-json.md). Returns 0 or -EIO. */
int hf_model_print_json(const struct hf_model *model, char *const *more, size_t n_more, FILE *out);
