/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Classes: what address sets make of the address space.
 *
 * Two addresses are of one class when they are in the same sets. Instead of every address times
 * every rule a packet's address is looked up once, and rules ask for the class: a table of prefixes
 * (longest match, class) and, of each class, the sets it is in. The addresses of this host are one
 * more set, hf_rules' own ("addresses of this host"); who owns a destination (enum hf_class) is
 * something else and stays in hf_dest.
 *
 * Ids are stable: a class keeps its id as long as some net has it, whatever else is added or taken
 * away. Id 0 is the class of what is in no set; it is always there.
 *
 * A set with nothing in it but members (address, protocol, port) has no nets and makes no class.
 *
 * Threads: one at a time while it is changed; otherwise any number may read.
 */

#pragma once

#include <hepflow/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_classes;
struct hf_err;
struct hf_rules;

#define HF_IN_NO_SET 0u

/* Without any set. -ENOMEM. */
int hf_classes_new(struct hf_classes **ret, struct hf_err *err);
/*
 * Of the sets of rules, by their index there; sets says which (n_sets flags), NULL: all. Points
 * into nothing of rules. -ENOMEM.
 */
int hf_classes_build(const struct hf_rules *rules, const bool *sets, struct hf_classes **ret,
	struct hf_err *err);
void hf_classes_free(struct hf_classes *classes);

/* Flags the sets that conditions on that side ask for, for hf_classes_build(); others are left. */
void hf_classes_want(const struct hf_rules *rules, bool dst, bool *sets);

/* Ids are below this. Not all of them need be in use. */
uint32_t hf_classes_count(const struct hf_classes *classes);
bool hf_classes_used(const struct hf_classes *classes, uint32_t class);
/* The sets a class is in, ascending; NULL with n = 0 for HF_IN_NO_SET and for ids not in use. */
const uint32_t *hf_classes_sets(const struct hf_classes *classes, uint32_t class, size_t *ret_n);
bool hf_classes_has(const struct hf_classes *classes, uint32_t class, uint32_t set);
/* The class of an address. Does not allocate. */
uint32_t hf_classes_find(const struct hf_classes *classes, const struct hf_addr *addr);

/*
 * Calls fn for every net whose class is not that of the net around it, wider nets before those
 * inside: what a longest-prefix table has to hold. Addresses that are in none are HF_IN_NO_SET.
 * Stops at the first result that is not 0 and gives it back.
 */
typedef int (*hf_classes_fn)(void *arg, const struct hf_prefix *net, uint32_t class);
int hf_classes_each(const struct hf_classes *classes, hf_classes_fn fn, void *arg);

/*
 * One net more or less in a set; adding what is there and removing what is not changes nothing.
 * Nets of one set may overlap. What changes is told after the fact, for the addresses of net that
 * no longer net inside of it (told as well if it changes) has: old is their class before, new the
 * one they have now. old may be a class that is no longer used. new is one that was not used
 * before when is_new. The cost is that of the nets inside. changed may be NULL. -ENOMEM, and then
 * nothing is changed.
 */
struct hf_class_change {
	struct hf_prefix net;
	uint32_t old;
	uint32_t new;
	bool is_new;
};
typedef void (*hf_class_change_fn)(void *arg, const struct hf_class_change *change);
int hf_classes_add(struct hf_classes *classes, uint32_t set, const struct hf_prefix *net,
	hf_class_change_fn changed, void *arg);
int hf_classes_remove(struct hf_classes *classes, uint32_t set, const struct hf_prefix *net,
	hf_class_change_fn changed, void *arg);
