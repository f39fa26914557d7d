/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test_eal.h"

#include <rte_mempool.h>

HF_EAL_SUITE(eal);

Test(eal, has_memory_without_hugepages)
{
	struct rte_mempool *pool =
		rte_mempool_create("t", 127, 64, 0, 0, NULL, NULL, NULL, NULL, 0, 0);

	cr_assert_not_null(pool);
	rte_mempool_free(pool);
}

Test(eal, starts_anew_in_each_test)
{
	cr_expect_null(rte_mempool_lookup("t"));
}
