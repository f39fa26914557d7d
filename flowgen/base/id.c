/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/base/id.h>

#include <stdatomic.h>

uint64_t hf_id_new(void)
{
	static atomic_uint_fast64_t next = 1;

	return atomic_fetch_add(&next, 1);
}
