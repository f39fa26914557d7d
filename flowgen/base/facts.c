/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/facts.h>

#include <hepflow/net.h>

/*
 * The nets are sorted and disjoint, so the only one that can hold addr is the last that does not
 * begin behind it.
 */
bool hf_set_has(const struct hf_set *set, const struct hf_addr *addr)
{
	size_t lo = 0, hi = set->n_nets;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (hf_addr_cmp(&set->nets[mid].addr, addr) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && hf_prefix_has(&set->nets[lo - 1], addr);
}

int hf_member_cmp(const struct hf_member *a, const struct hf_member *b)
{
	int c = hf_addr_cmp(&a->addr, &b->addr);

	if (c)
		return c;
	c = (int)a->proto - (int)b->proto;
	return c ? c : (int)a->port - (int)b->port;
}

bool hf_set_has_member(const struct hf_set *set, const struct hf_member *member)
{
	size_t lo = 0, hi = set->n_members;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = hf_member_cmp(&set->members[mid], member);

		if (c == 0)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

const char *hf_verdict_name(enum hf_verdict v)
{
	static const char *const names[] = {
		[HF_VERDICT_DENY] = "deny",
		[HF_VERDICT_ALLOW] = "allow",
		[HF_VERDICT_NO_DECISION] = "no-decision",
		[HF_VERDICT_ALLOW_UNTRACKED] = "allow-untracked",
	};

	return names[v];
}

const char *hf_class_name(enum hf_class c)
{
	static const char *const names[] = {
		[HF_CLASS_REMOTE] = "remote",
		[HF_CLASS_WORKLOAD] = "workload",
		[HF_CLASS_HOST] = "host",
	};

	return names[c];
}

const char *hf_from_name(enum hf_from f)
{
	static const char *const names[] = {
		[HF_FROM_UPLINK] = "uplink",
		[HF_FROM_HOST] = "host",
		[HF_FROM_WORKLOAD] = "workload",
		[HF_FROM_TUNNEL] = "tunnel",
	};

	return names[f];
}
