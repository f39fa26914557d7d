/* SPDX-License-Identifier: BSD-3-Clause */

#include "felix/state.h"

#include <hepflow/base/id.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Missing text and missing messages read as empty. */
#define TEXT(p) ((p) ? (p) : "")
#define ID(p)	((p) ? (p)->name : "")

static char *policy_key(const HfFelix__PolicyID *id)
{
	char *key = NULL;

	if (!id || asprintf(&key, "%s\n%s\n%s\n%s", TEXT(id->tier), TEXT(id->namespace_),
			   TEXT(id->name), TEXT(id->kind)) < 0)
		return NULL;
	return key;
}

static char *wep_key(const HfFelix__WorkloadEndpointID *id)
{
	char *key = NULL;

	if (!id || asprintf(&key, "%s\n%s\n%s", TEXT(id->orchestrator_id), TEXT(id->workload_id),
			   TEXT(id->endpoint_id)) < 0)
		return NULL;
	return key;
}

static char *service_key(const HfFelix__Service *s)
{
	char *key = NULL;

	return asprintf(&key, "%s/%s", TEXT(s->namespace_), TEXT(s->name)) < 0 ? NULL : key;
}

static char *single_key(HfFelix__ToDataplane__PayloadCase payload)
{
	char *key = NULL;

	return asprintf(&key, "%d", (int)payload) < 0 ? NULL : key;
}

static char *hep_key(const HfFelix__HostEndpointID *id)
{
	return strdup(id ? TEXT(id->endpoint_id) : "");
}

/* What a message is about. The key is of malloc; NULL: out of memory. */
struct about {
	enum hf_felix_kind kind;
	bool removes;
	char *key;
};

/* False: not of our concern. Sets are handled elsewhere. */
static bool look(const HfFelix__ToDataplane *m, struct about *ret)
{
#define ABOUT(KIND, REMOVES, KEY)                                                                  \
	*ret = (struct about){HF_FELIX_##KIND, REMOVES, KEY};                                      \
	return true
	switch (m->payload_case) {
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_ACTIVE_PROFILE_UPDATE:
		ABOUT(PROFILE, false, strdup(ID(m->active_profile_update->id)));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_ACTIVE_PROFILE_REMOVE:
		ABOUT(PROFILE, true, strdup(ID(m->active_profile_remove->id)));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_ACTIVE_POLICY_UPDATE:
		ABOUT(POLICY, false, policy_key(m->active_policy_update->id));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_ACTIVE_POLICY_REMOVE:
		ABOUT(POLICY, true, policy_key(m->active_policy_remove->id));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_ENDPOINT_UPDATE:
		ABOUT(HEP, false, hep_key(m->host_endpoint_update->id));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_ENDPOINT_REMOVE:
		ABOUT(HEP, true, hep_key(m->host_endpoint_remove->id));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_WORKLOAD_ENDPOINT_UPDATE:
		ABOUT(WEP, false, wep_key(m->workload_endpoint_update->id));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_WORKLOAD_ENDPOINT_REMOVE:
		ABOUT(WEP, true, wep_key(m->workload_endpoint_remove->id));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_UPDATE:
		ABOUT(HOST, false, strdup(m->host_metadata_update->hostname));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_REMOVE:
		ABOUT(HOST, true, strdup(m->host_metadata_remove->hostname));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_V4V6_UPDATE:
		ABOUT(HOST46, false, strdup(m->host_metadata_v4v6_update->hostname));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_V4V6_REMOVE:
		ABOUT(HOST46, true, strdup(m->host_metadata_v4v6_remove->hostname));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_V6_UPDATE:
		ABOUT(HOST6, false, strdup(m->host_metadata_v6_update->hostname));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_HOST_METADATA_V6_REMOVE:
		ABOUT(HOST6, true, strdup(m->host_metadata_v6_remove->hostname));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_IPAM_POOL_UPDATE:
		ABOUT(POOL, false, strdup(m->ipam_pool_update->id));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_IPAM_POOL_REMOVE:
		ABOUT(POOL, true, strdup(m->ipam_pool_remove->id));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_VTEP_UPDATE:
		ABOUT(VTEP, false, strdup(m->vtep_update->node));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_VTEP_REMOVE:
		ABOUT(VTEP, true, strdup(m->vtep_remove->node));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_SERVICE_UPDATE:
		ABOUT(SERVICE, false, service_key(m->service_update));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_SERVICE_REMOVE:
		ABOUT(SERVICE, true, service_key(m->service_remove));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_CONFIG_UPDATE:
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_GLOBAL_BGP_CONFIG_UPDATE:
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_ENCAPSULATION:
		ABOUT(SINGLE, false, single_key(m->payload_case));
	case HF_FELIX__TO_DATAPLANE__PAYLOAD__NOT_SET:
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_IN_SYNC:
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_UPDATE:
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_DELTA_UPDATE:
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_REMOVE:
	case _HF_FELIX__TO_DATAPLANE__PAYLOAD__CASE_IS_INT_SIZE:
		break;
	}
	return false;
#undef ABOUT
}

static void item_free(struct hf_felix_item *item)
{
	hf_felix__to_dataplane__free_unpacked(item->msg, NULL);
	free(item->key);
	free(item);
}

static int nomem(struct hf_err *err)
{
	return hf_fail(err, -ENOMEM, "felix: out of memory");
}

static int item_new(struct hf_felix *f, const struct about *about, struct hf_felix_item **ret,
	struct hf_err *err)
{
	struct hf_felix_item *item;

	if (HASH_COUNT(f->items[about->kind]) >= HF_FELIX_OBJECTS_MAX)
		return hf_fail(
			err, -E2BIG, "felix: more than %u objects of a kind", HF_FELIX_OBJECTS_MAX);
	item = calloc(1, sizeof(*item));
	if (!item)
		return nomem(err);
	item->key = about->key;
	HASH_ADD_KEYPTR(hh, f->items[about->kind], item->key, strlen(item->key), item);
	if (!item->hh.tbl) {
		free(item);
		return nomem(err);
	}
	*ret = item;
	return 0;
}

/* Keeps the message, or takes its object away. */
static int keep(struct hf_felix *f, HfFelix__ToDataplane **take_msg, struct about *take_about,
	enum hf_felix_event *ret, struct hf_err *err)
{
	struct hf_felix_item **list = &f->items[take_about->kind], *item;
	int rc = 0;

	HASH_FIND_STR(*list, take_about->key, item);
	if (take_about->removes) {
		*ret = item ? HF_FELIX_CHANGED : HF_FELIX_NOTHING;
		if (item) {
			HASH_DEL(*list, item);
			item_free(item);
		}
		return 0;
	}
	if (!item) {
		rc = item_new(f, take_about, &item, err);
		if (rc < 0)
			return rc;
		take_about->key = NULL;
	}
	hf_felix__to_dataplane__free_unpacked(item->msg, NULL);
	item->id = hf_id_new();
	item->msg = *take_msg;
	*take_msg = NULL;
	*ret = HF_FELIX_CHANGED;
	return 0;
}

static int take_set(struct hf_felix *f, const HfFelix__ToDataplane *m, enum hf_felix_event *ret,
	struct hf_err *err)
{
	bool known = true;
	int rc = 0;

	if (m->payload_case == HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_UPDATE)
		rc = hf_felix_set_put(f, m->ipset_update, err);
	else if (m->payload_case == HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_DELTA_UPDATE)
		rc = hf_felix_set_change(f, m->ipset_delta_update, &known, err);
	else
		known = hf_felix_set_remove(f, m->ipset_remove->id);
	*ret = known ? HF_FELIX_CHANGED : HF_FELIX_NOTHING;
	return rc;
}

static int take(struct hf_felix *f, HfFelix__ToDataplane **take_msg, enum hf_felix_event *ret,
	struct hf_err *err)
{
	struct about about;
	int rc;

	*ret = HF_FELIX_NOTHING;
	switch ((*take_msg)->payload_case) {
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_IN_SYNC:
		f->in_sync = true;
		*ret = HF_FELIX_IN_SYNC;
		return 0;
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_UPDATE:
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_DELTA_UPDATE:
	case HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_REMOVE:
		return take_set(f, *take_msg, ret, err);
	default: /* the rest is told apart by look(), which has them all */
		break;
	}
	if (!look(*take_msg, &about))
		return 0;
	rc = about.key ? keep(f, take_msg, &about, ret, err)
		       : hf_fail(err, -EINVAL, "felix: a message about nothing (or out of memory)");
	free(about.key);
	return rc;
}

int hf_felix_take(struct hf_felix *felix, const void *message, size_t size,
	enum hf_felix_event *ret, struct hf_err *err)
{
	HfFelix__ToDataplane *msg;
	enum hf_felix_event event;
	int rc;

	if (size > HF_FELIX_MESSAGE_MAX)
		return hf_fail(err, -E2BIG, "felix: a message of %zu bytes: at most %u", size,
			HF_FELIX_MESSAGE_MAX);
	msg = hf_felix__to_dataplane__unpack(NULL, size, message);
	if (!msg)
		return hf_fail(err, -EINVAL, "felix: %zu bytes that are no message", size);
	rc = take(felix, &msg, &event, err);
	hf_felix__to_dataplane__free_unpacked(msg, NULL);
	if (rc == 0)
		*ret = event;
	return rc;
}

long hf_felix_frame_size(const uint8_t *buf, size_t n)
{
	uint64_t size = 0;
	size_t i;

	if (n < HF_FELIX_HEAD_SIZE)
		return 0;
	for (i = 0; i < HF_FELIX_HEAD_SIZE; i++)
		size |= (uint64_t)buf[i] << 8 * i;
	return size > HF_FELIX_MESSAGE_MAX ? -E2BIG : (long)size + HF_FELIX_HEAD_SIZE;
}

bool hf_felix_in_sync(const struct hf_felix *felix)
{
	return felix->in_sync;
}

int hf_felix_new(struct hf_felix **ret, struct hf_err *err)
{
	struct hf_felix *f = calloc(1, sizeof(*f));

	if (!f)
		return nomem(err);
	*ret = f;
	return 0;
}

void hf_felix_free(struct hf_felix *felix)
{
	struct hf_felix_item *item, *next_item;
	struct hf_felix_set *set, *next_set;
	int kind;

	if (!felix)
		return;
	for (kind = 0; kind < HF_FELIX_N_KINDS; kind++) {
		HASH_ITER (hh, felix->items[kind], item, next_item) {
			HASH_DEL(felix->items[kind], item);
			item_free(item);
		}
	}
	HASH_ITER (hh, felix->sets, set, next_set) {
		HASH_DEL(felix->sets, set);
		hf_felix_set_free(set);
	}
	free(felix);
}

const HfFelix__ToDataplane *hf_felix_single(
	const struct hf_felix *felix, HfFelix__ToDataplane__PayloadCase payload)
{
	struct hf_felix_item *item;
	char key[12];

	(void)snprintf(key, sizeof(key), "%d", (int)payload);
	HASH_FIND_STR(felix->items[HF_FELIX_SINGLE], key, item);
	return item ? item->msg : NULL;
}
