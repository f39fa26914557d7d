/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Random items whose fields take few values, so that they meet and cover each other often.
 */

#pragma once

#include "plan/items.h"

#include <hf_test_rand.h>

struct hf_prefix hf_random_net(struct hf_rand *rand, uint8_t family, bool host);
struct hf_ports hf_random_ports(struct hf_rand *rand, bool one);
/* For states that are seen. */
struct item hf_random_item(struct hf_rand *rand, uint8_t family, uint8_t seen);
