/* SPDX-License-Identifier: BSD-3-Clause */

#include "memo.h"

#include <rte_common.h>
#include <rte_malloc.h>

struct hf_memo *hf_memo_new(int socket)
{
	return rte_zmalloc_socket("hf_memo", sizeof(struct hf_memo), RTE_CACHE_LINE_SIZE, socket);
}

void hf_memo_free(struct hf_memo *memo)
{
	rte_free(memo);
}
