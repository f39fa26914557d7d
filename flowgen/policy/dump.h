/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Objects as jansson trees, from which text and JSON are printed.
 *
 * Fields have the names of Calico's v3 API, defaults are written out, selectors are canonical.
 * Every function returns a new reference, or NULL when out of memory.
 */

#pragma once

#include "policy/objects.h"
#include "policy/set.h"

#include <jansson.h>

json_t *hf_dump_entry(const struct hf_entry *entry);

/* Adds take_value under key; empty lists and objects, and NULL text, are left out. */
struct hf_dump {
	json_t *obj;
	bool failed; /* out of memory */
};

void hf_dump_put(struct hf_dump *d, const char *key, json_t *take_value);
void hf_dump_text(struct hf_dump *d, const char *key, const char *text);
void hf_dump_flag(struct hf_dump *d, const char *key, bool value); /* left out when false */
void hf_dump_names(struct hf_dump *d, const char *key, const struct hf_names *names);
void hf_dump_labels(struct hf_dump *d, const char *key, const struct hf_labels *labels);
void hf_dump_nets(struct hf_dump *d, const char *key, const struct hf_nets *nets);
void hf_dump_addr(struct hf_dump *d, const char *key, const struct hf_addr *addr);
void hf_dump_addrs(struct hf_dump *d, const char *key, const struct hf_addrs *addrs);
void hf_dump_selector(struct hf_dump *d, const char *key, const struct hf_selector_spec *sel);
void hf_dump_rules(struct hf_dump *d, const char *key, const struct hf_policy_rules *rules);
json_t *hf_dump_number(double v); /* without a fraction when it has none */
json_t *hf_dump_net(const struct hf_prefix *net);
json_t *hf_dump_proto(uint8_t proto); /* v3 spelling, or the number */
/* d->obj, or NULL after dropping it when something failed. */
json_t *hf_dump_done(struct hf_dump *d);

/* Adds what is beside metadata: spec, and for some kinds status or fields at the top. */
typedef void (*hf_dump_fn)(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_policy(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_tier(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_profile(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_hep(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_wep(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_netset(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_ipset(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_felix(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_node(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_ippool(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_bgpconf(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_labelled(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_service(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_slice(struct hf_dump *top, const struct hf_entry *entry);
void hf_dump_facts(struct hf_dump *top, const struct hf_entry *entry);
