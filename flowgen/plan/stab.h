/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Stab: the items of a list that a region meets, found without asking every item.
 *
 * It is made for regions of one shape: some of source, destination and ports exact, the others any.
 * Items are sorted into tables by how long their prefixes are in those fields, a range of ports
 * being a few prefixes; each table is a hash, so asking costs a look into each table and then only
 * what is met.
 */

#pragma once

#include "items.h"

struct stab;

/* Fields that regions are exact in. */
enum { BY_SRC = 1, BY_DST = 2, BY_SPORT = 4, BY_DPORT = 8 };

/*
 * Of the items that meet within, for regions in it that are exact in the fields of by. The items
 * must stay. NULL: out of memory.
 */
struct stab *hf_stab_new(const struct items *items, const struct cube *within, unsigned int by);
void hf_stab_free(struct stab *stab);

/*
 * The one fate that every packet of the region meets whatever its state, or HF_FATE_PUNT when there
 * is more than one. *ret_origin: of the first item that decides NEW.
 */
enum hf_fate hf_stab_decide(struct stab *stab, const struct cube *region, uint32_t *ret_origin);
