/* SPDX-License-Identifier: BSD-3-Clause */

#include "privileges.h"

#include <hepflow/err.h>

#include <linux/capability.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEEP (1ull << CAP_NET_ADMIN | 1ull << CAP_NET_RAW | 1ull << CAP_IPC_LOCK)

static int fail(const char *what, struct hf_err *err)
{
	return hf_fail(err, -errno, "privileges: %s: %s", what, strerror(errno));
}

int hf_privileges_drop(struct hf_err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	unsigned int i;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail("no_new_privs", err);
	/* The bounding set: whoever may not change it (EPERM) has nothing to lose from it. */
	for (i = 0; i <= CAP_LAST_CAP; i++) {
		if (!(KEEP & 1ull << i) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0 &&
			errno != EPERM && errno != EINVAL)
			return fail("bounding set", err);
	}
	if (syscall(SYS_capget, &head, data) < 0)
		return fail("capget", err);
	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t keep = (uint32_t)(KEEP >> 32 * i);

		data[i].effective &= keep;
		data[i].permitted &= keep;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return fail("capset", err);
	return 0;
}
