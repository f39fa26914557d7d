/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the rules say of the packets that arrive by one interface, as sets: their tables, walked
 * with all packets at once. Services, classes and routes are those of the rules.
 */

#pragma once

#include "policy.h"

#include <hepflow/rules.h>

struct block_image;

struct tables {
	const struct hf_rules *rules;
	const struct pol *pol; /* the packets there can be; nothing of its verdicts is used */
	uint16_t in;
	BDD *src_sets;
	BDD *dst_sets;
	BDD *reach;		    /* per block, of the walk at hand */
	struct block_image *images; /* per block */
	uint8_t *meets;		    /* hf_check_opts.meets */
};

/* Returns 0 or -ENOMEM. */
int hf_tables_init(
	struct tables *t, const struct hf_rules *rules, const struct pol *pol, uint16_t in);
void hf_tables_fini(struct tables *t);

/* As hf_pol_fates() with one backend, for one state. */
void hf_tables_fates(struct tables *t, enum hf_ct ct, int backend, struct fates *ret);
