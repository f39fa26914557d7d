/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The state as frames, in Felix's own order (docs/semantics.md 16.2): what is used stands before
 * what uses it.
 */

#include "felix/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER_SIZE (HF_ADDRSTR_SIZE + 24) /* ",udplite:65535" and the like */

struct out {
	hf_felix_put_fn put;
	void *arg;
};

static int put_frame(const struct out *o, const HfFelix__ToDataplane *msg)
{
	size_t i, size = hf_felix__to_dataplane__get_packed_size(msg);
	uint8_t *buf = malloc(HF_FELIX_HEAD_SIZE + size);
	int rc;

	if (!buf)
		return -ENOMEM;
	for (i = 0; i < HF_FELIX_HEAD_SIZE; i++)
		buf[i] = (uint8_t)((uint64_t)size >> 8 * i);
	(void)hf_felix__to_dataplane__pack(msg, buf + HF_FELIX_HEAD_SIZE); /* size, by definition */
	rc = o->put(o->arg, buf, HF_FELIX_HEAD_SIZE + size);
	free(buf);
	return rc;
}

static int put_items(const struct out *o, const struct hf_felix_item *items)
{
	const struct hf_felix_item *item;
	int rc = 0;

	for (item = items; item && rc == 0; item = item->hh.next)
		rc = put_frame(o, item->msg);
	return rc;
}

static void print_member(const struct hf_felix_set *set, size_t i, char *buf)
{
	char addr[HF_ADDRSTR_SIZE], proto[12];

	if (set->type == HF_FELIX__IPSET_TYPE__NET)
		(void)hf_prefix_print(&set->nets.v[i], buf);
	else if (set->type == HF_FELIX__IPSET_TYPE__IP)
		(void)hf_addr_print(&set->nets.v[i].addr, buf);
	else
		(void)snprintf(buf, MEMBER_SIZE, "%s,%s:%u",
			hf_addr_print(&set->members.v[i].addr, addr),
			hf_proto_name(set->members.v[i].proto, proto), set->members.v[i].port);
}

static int put_set(const struct out *o, const struct hf_felix_set *set)
{
	size_t i, n = set->nets.n + set->members.n;
	HfFelix__ToDataplane msg = HF_FELIX__TO_DATAPLANE__INIT;
	HfFelix__IPSetUpdate u = HF_FELIX__IPSET_UPDATE__INIT;
	char *text = malloc(n * MEMBER_SIZE + 1), **v = malloc((n + 1) * sizeof(*v));
	int rc = -ENOMEM;

	if (text && v) {
		for (i = 0; i < n; i++) {
			v[i] = text + i * MEMBER_SIZE;
			print_member(set, i, v[i]);
		}
		u.id = set->id;
		u.type = set->type;
		u.members = v;
		u.n_members = n;
		msg.payload_case = HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_UPDATE;
		msg.ipset_update = &u;
		rc = put_frame(o, &msg);
	}
	free(text);
	free(v);
	return rc;
}

int hf_felix_print(const struct hf_felix *felix, hf_felix_put_fn put, void *arg)
{
	static const enum hf_felix_kind after_sets[] = {HF_FELIX_POLICY, HF_FELIX_PROFILE,
		HF_FELIX_HEP, HF_FELIX_WEP, HF_FELIX_VTEP, HF_FELIX_HOST, HF_FELIX_HOST46,
		HF_FELIX_HOST6, HF_FELIX_POOL, HF_FELIX_SERVICE};
	HfFelix__ToDataplane msg = HF_FELIX__TO_DATAPLANE__INIT;
	HfFelix__InSync in_sync = HF_FELIX__IN_SYNC__INIT;
	const struct out o = {put, arg};
	const struct hf_felix_set *set;
	int rc = put_items(&o, felix->items[HF_FELIX_SINGLE]);
	size_t i;

	for (set = felix->sets; set && rc == 0; set = set->hh.next)
		rc = put_set(&o, set);
	for (i = 0; i < sizeof(after_sets) / sizeof(after_sets[0]) && rc == 0; i++)
		rc = put_items(&o, felix->items[after_sets[i]]);
	if (rc < 0 || !felix->in_sync)
		return rc;
	msg.payload_case = HF_FELIX__TO_DATAPLANE__PAYLOAD_IN_SYNC;
	msg.in_sync = &in_sync;
	return put_frame(&o, &msg);
}
