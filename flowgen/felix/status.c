/* SPDX-License-Identifier: BSD-3-Clause */

/* What the driver tells Felix: docs/semantics.md 16.5. */

#include <hepflow/felix.h>

#include "felix.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int frame(const HfFelix__FromDataplane *msg, uint8_t **ret, size_t *ret_size)
{
	size_t i, size = hf_felix__from_dataplane__get_packed_size(msg);
	uint8_t *buf = malloc(HF_FELIX_HEAD_SIZE + size);

	if (!buf)
		return -ENOMEM;
	for (i = 0; i < HF_FELIX_HEAD_SIZE; i++)
		buf[i] = (uint8_t)((uint64_t)size >> 8 * i);
	(void)hf_felix__from_dataplane__pack(
		msg, buf + HF_FELIX_HEAD_SIZE); /* size, by definition */
	*ret = buf;
	*ret_size = HF_FELIX_HEAD_SIZE + size;
	return 0;
}

int hf_felix_print_status(
	const char *endpoint, enum hf_felix_status status, uint8_t **ret, size_t *ret_size)
{
	static const char *const names[] = {
		[HF_FELIX_STATUS_ERROR] = "error",
		[HF_FELIX_STATUS_DOWN] = "down",
		[HF_FELIX_STATUS_UP] = "up",
		[HF_FELIX_STATUS_REMOVE] = "",
	};
	HfFelix__FromDataplane msg = HF_FELIX__FROM_DATAPLANE__INIT;
	HfFelix__HostEndpointStatus hep = HF_FELIX__HOST_ENDPOINT_STATUS__INIT;
	HfFelix__HostEndpointID id = HF_FELIX__HOST_ENDPOINT_ID__INIT;
	HfFelix__EndpointStatus s = HF_FELIX__ENDPOINT_STATUS__INIT;

	/* Packing only reads. */
	id.endpoint_id = (char *)(uintptr_t)endpoint;
	s.status = (char *)(uintptr_t)names[status];
	hep.id = &id;
	if (status == HF_FELIX_STATUS_REMOVE) {
		msg.payload_case = HF_FELIX__FROM_DATAPLANE__PAYLOAD_HOST_ENDPOINT_STATUS_REMOVE;
		msg.host_endpoint_status_remove = &hep;
	} else {
		hep.status = &s;
		msg.payload_case = HF_FELIX__FROM_DATAPLANE__PAYLOAD_HOST_ENDPOINT_STATUS_UPDATE;
		msg.host_endpoint_status_update = &hep;
	}
	return frame(&msg, ret, ret_size);
}

int hf_felix_print_alive(double uptime_s, uint8_t **ret, size_t *ret_size)
{
	HfFelix__FromDataplane msg = HF_FELIX__FROM_DATAPLANE__INIT;
	HfFelix__ProcessStatusUpdate u = HF_FELIX__PROCESS_STATUS_UPDATE__INIT;
	char when[sizeof("2026-01-01T00:00:00Z")] = "";
	time_t now = time(NULL);
	struct tm tm;

	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	u.iso_timestamp = when;
	u.uptime = uptime_s;
	msg.payload_case = HF_FELIX__FROM_DATAPLANE__PAYLOAD_PROCESS_STATUS_UPDATE;
	msg.process_status_update = &u;
	return frame(&msg, ret, ret_size);
}
