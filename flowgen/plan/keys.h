/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Keys: the points (stab.h) that rules of an uplink name, for engines whose entries are exact.
 *
 * Keys of a kind of packets, exact in some fields, are a set. They are made of the items' own
 * constants; for "any destination" stand the addresses that the item's path leads to. Each is
 * judged by the lists of all paths that a packet of it may take. Sets are made when they are asked
 * for.
 *
 * Of sources that no list tells apart one stands for all (alike.h): a key of it is as many.
 *
 * A key is there as long as some item asks for it. So when items change, what is asked for less or
 * more is known without looking at the others, and only keys that meet a changed item are judged
 * again (follow.c).
 */

#pragma once

#include "alike.h"
#include "sight.h"
#include "stab.h"

/* Most keys of one set; beyond, what they are for stays in software. */
#define KEYS_MAX 262144

enum { KIND_TCP, KIND_UDP, KIND_SCTP, KIND_ANY, KIND_OTHERS /* none of the three */, N_KINDS };

#define KEY_NO_ENTRY UINT32_MAX

/* Fields that are not exact have NET_NONE and 0. */
struct key {
	struct point point;
	uint32_t refs; /* 0: no item asks for it any more */
	uint32_t origin;
	uint32_t entry; /* its index in the plan of entries, or KEY_NO_ENTRY */
	uint8_t fate;	/* enum hf_fate; PUNT: packets of it have several, or it is not judged */
	bool fresh;	/* not judged since it came */
};

/* What items ask for that take several destinations: all that do are counted as one. */
struct key_span {
	struct point point; /* dst: the net that holds the destinations */
	struct hf_ports sport, dport;
	uint32_t path;
	uint32_t refs;
};

enum key_state { KEYS_UNMADE, KEYS_FOUND, KEYS_JUDGED };
enum key_taken { KEYS_UNASKED, KEYS_TAKEN, KEYS_REFUSED };

struct key_set {
	uint8_t family;
	uint8_t kind;
	uint8_t by;
	enum key_state state;
	bool full;   /* some found no room */
	size_t most; /* keys that items ask for, one by one; once it is known */
	bool most_known;
	size_t n_dead;		     /* without refs */
	size_t n_fate[HF_FATE_JUMP]; /* of those with refs, as many as they stand for */
	uint8_t taken[HF_FATE_JUMP]; /* enum key_taken: for who uses them, by the fate */
	bool chosen;		     /* likewise: entry of its keys says where they are now */
	HF_VEC(struct key) keys;
	struct slots slots;
	HF_VEC(struct key_span) spans;
	struct slots span_slots;
};

/* What is needed of a path, by family. */
struct key_path {
	enum hf_class class;
	uint16_t out;
	struct faces faces[2];
	uint32_t *dests[2]; /* nets: addresses that lead to it */
	size_t n_dests[2];
};

struct key_host {
	const struct sight_host *host; /* the last one */
	/* Copies of what it says of destinations, as far as keys depend on them. */
	size_t n_dests, n_dnats;
	struct hf_dest *dests;
	struct hf_dnat *dnats; /* backends are not looked at */
	struct nets nets;
	size_t n_nets; /* when it was new */
	struct alike alike;
	size_t n_paths;
	struct key_path *paths;
	struct key_set sets[2][N_KINDS][BY_ALL + 1];
};

/* Returns 0 or -ENOMEM; the caller calls fini in any case. The host must stay until another one
 * follows or no more sets are asked for. */
int hf_key_host_init(struct key_host *h, const struct sight_host *host);
void hf_key_host_fini(struct key_host *h);

/*
 * Goes on with another host. Sets are as if they had been made for it. Returns 0; 1 when so much is
 * different that it has to be made anew; -ENOMEM. After anything but 0 it can only be given up.
 */
int hf_key_host_follow(struct key_host *h, const struct sight_host *host);

/* For another engine: what the driver takes has to be asked anew. */
void hf_key_host_forget_taken(struct key_host *h);

struct key_set *hf_key_set(struct key_host *h, uint8_t family, unsigned int kind, unsigned int by);
/* At least as many as there are keys in the set, without making it. */
size_t hf_key_set_most(const struct key_host *h, struct key_set *set);
/* Finds the keys, and gives them fates and origins. Return 0 or -ENOMEM. */
int hf_key_set_find(struct key_host *h, struct key_set *set);
int hf_key_set_judge(struct key_host *h, struct key_set *set);
/* Whether a key of it may be denied at all. */
bool hf_key_set_may_deny(const struct key_host *h, const struct key_set *set);
/* A key, for the source that it says or for one that is alike. */
struct named_key {
	uint32_t key;
	uint32_t src;
};
/* Of each net of a family a number that sorts as its address does. The caller frees it; NULL: out
 * of memory. */
uint32_t *hf_key_ranks(const struct key_host *h, uint8_t family);
/* Sorts by destination, its port, source, its port. Returns 0 or -ENOMEM. */
int hf_key_set_sort(
	const struct key_set *set, const uint32_t *ranks, struct named_key *keys, size_t n);

/* Of follow.c: the lists of a host, instead of those before, which are the caller's to free. */
int hf_key_host_lists(struct key_host *h, const struct sight_host *host);
/* After sources have become, or are no longer, alike. */
void hf_key_set_recount(const struct key_host *h, struct key_set *set);
/* One item more (1) or less (-1), and judging only some keys, of these numbers. */
int hf_key_set_count(
	struct key_host *h, struct key_set *set, size_t path, const struct face *f, int more);
int hf_key_set_judge_some(struct key_host *h, struct key_set *set, const uint32_t *keys, size_t n);
/* Keys that one item asks for, 0 for none, and the regions of all kinds of a family. */
size_t hf_key_set_asked(
	const struct key_host *h, const struct key_set *set, size_t path, const struct face *f);
void hf_key_kinds(uint8_t family, struct cube ret[N_KINDS]);
