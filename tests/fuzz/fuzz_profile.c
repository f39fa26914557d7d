/* SPDX-License-Identifier: BSD-3-Clause */

/* A NIC profile that reads answers for a few flows without harm. */

#include "fuzz.h"

#include <hepflow/err.h>
#include <hepflow/nic.h>
#include <hepflow/profile.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct hf_flow flows[] = {
	{.ingress = true,
		.n_items = 3,
		.items = {HF_LAYER_ETH, HF_LAYER_IPV4, HF_LAYER_TCP},
		.pattern = {.layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV4) |
				      HF_LAYER_BIT(HF_LAYER_TCP),
			.mask = {.ip_dst = {255, 255, 255, 255}, .dport = {255, 255}}},
		.n_actions = 2,
		.actions = {{HF_ACT_COUNT}, {HF_ACT_DROP}}},
	{.ingress = true,
		.group = 1,
		.priority = 3,
		.n_items = 2,
		.items = {HF_LAYER_ETH, HF_LAYER_IPV6},
		.pattern = {.layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV6),
			.mask = {.ip_src = {255, 255}, .ip_frag = 1}},
		.n_actions = 2,
		.actions = {{HF_ACT_MARK, 1}, {HF_ACT_QUEUE, 0}}},
	{.transfer = true, .n_actions = 1, .actions = {{HF_ACT_JUMP, 2}}},
};

static void ask(const struct hf_nic *nic, const struct hf_flow *flow)
{
	enum hf_reject reject = HF_REJECT_NONE;
	const struct hf_engine *engine = hf_nic_accept(nic, flow, &reject);
	const struct hf_nic_error *error;

	if (engine) {
		FUZZ_CHECK(hf_nic_danger(engine, flow) <= HF_F_MAX_);
		return;
	}
	FUZZ_CHECK(reject > HF_REJECT_NONE && reject < HF_REJECT_MAX_);
	error = hf_nic_error_of(nic, reject, flow);
	FUZZ_CHECK(error->err > 0 && memchr(error->message, '\0', sizeof(error->message)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hf_nic *nic = NULL;
	struct hf_err err = {0};
	char path[64];
	size_t i;
	int fd = memfd_create("profile", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (hf_profile_read(path, &nic, &err) == 0) {
		for (i = 0; i < sizeof(flows) / sizeof(*flows); i++)
			ask(nic, &flows[i]);
	} else {
		FUZZ_CHECK(strncmp(err.text, path, strlen(path)) == 0 && !strchr(err.text, '\n'));
	}
	hf_profile_free(nic);
	(void)close(fd); /* it was only read */
	return 0;
}
