/* SPDX-License-Identifier: BSD-3-Clause */

#include "packets.h"

#include "daemon.h"
#include "log.h"
#include "logrule.h"
#include "pcapng.h"

#include "soft/soft.h"

#include <hepflow/err.h>
#include <hepflow/net.h>

#include <rte_cycles.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define PREFIX_SIZE    256
#define RECORDS_A_POLL (64 * HF_TAP_RECORDS)

static size_t find_wire(const struct hf_daemon *d, uint16_t soft)
{
	size_t i;

	for (i = 0; i < d->n_wires && d->wires[i].soft != soft; i++)
		;
	return i;
}

static void log_record(struct hf_daemon *d, const struct hf_tap_record *r)
{
	char src[HF_ADDRSTR_SIZE], dst[HF_ADDRSTR_SIZE], proto[12], ports[32] = "";
	char prefix[PREFIX_SIZE];
	size_t wire = find_wire(d, r->wire);
	const char *name = wire < d->n_wires ? d->wires[wire].outer_conf->name : "?";
	bool in = r->dir == HF_SOFT_IN;

	hf_logrule_prefix(hf_model_logs(d->now->model)->prefix, r->origin, prefix, sizeof(prefix));
	if (hf_proto_has_ports(r->proto))
		(void)snprintf(ports, sizeof(ports), " SPT=%u DPT=%u", r->sport, r->dport);
	hf_log(HF_LOG_INFO, "packet",
		"%s: IN=%s OUT=%s SRC=%s DST=%s LEN=%" PRIu32 " PROTO=%s%s RULE=%s", prefix,
		in ? name : "", in ? "" : name, hf_addr_print(&r->src, src),
		hf_addr_print(&r->dst, dst), r->length, hf_proto_name(r->proto, proto), ports,
		r->origin);
}

static uint64_t wall_us(uint64_t cycles)
{
	uint64_t ago = rte_rdtsc() - cycles, hz = rte_get_tsc_hz();
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t); /* is there on Linux */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 -
	       (ago / hz * 1000000 + ago % hz * 1000000 / hz);
}

static void write_record(struct hf_daemon *d, const struct hf_tap_record *r)
{
	struct hf_packets *p = &d->packets;
	char comment[HF_TAP_ORIGIN_MAX + 64];
	size_t wire = find_wire(d, r->wire);

	if (!p->file || wire == d->n_wires)
		return;
	(void)snprintf(comment, sizeof(comment), "%s%s%s",
		hf_soft_reason_name((enum hf_soft_reason)r->reason), r->origin[0] ? " " : "",
		r->origin);
	hf_pcapng_packet(p->file, &(struct hf_pcapng_packet){
					  .interface = (uint32_t)wire,
					  .time_us = wall_us(r->now),
					  .outbound = r->dir == HF_SOFT_OUT,
					  .length = r->length,
					  .n_bytes = r->snap_length,
					  .bytes = r->snap,
					  .comment = comment,
				  });
	p->count++;
	p->captured++;
	if (ferror(p->file))
		hf_capture_end(d, "the file cannot be written");
	else if (p->count >= p->count_max)
		hf_capture_end(d, "count reached");
	else if ((uint64_t)ftell(p->file) >= p->size_max)
		hf_capture_end(d, "size reached");
}

/* By the rule's own limit, else by the one over all. */
static bool may_log(struct hf_daemon *d, const struct hf_tap_record *r, unsigned int *lines)
{
	const struct hf_model_logs *logs = hf_model_logs(d->now->model);
	struct hf_packets *p = &d->packets;

	if (logs->lines && !p->limits)
		p->limits = hf_loglimits_new();
	if (logs->lines && p->limits)
		return hf_loglimits_take(
			p->limits, logs, r->origin, r->now / (rte_get_tsc_hz() / 1000));
	if (*lines == 0)
		return false;
	--*lines;
	return true;
}

void hf_packets_poll(struct hf_daemon *d)
{
	uint64_t before = d->packets.suppressed;
	unsigned int lines = HF_PACKETS_LINES, n;
	struct hf_packets *p = &d->packets;
	struct hf_tap_record r;

	for (n = 0; n < RECORDS_A_POLL && hf_soft_next_record(d->soft, &r); n++) {
		if (r.kind == HF_TAP_CAPTURE) {
			write_record(d, &r);
		} else if (may_log(d, &r, &lines)) {
			log_record(d, &r);
			p->logged++;
		} else {
			p->suppressed++;
		}
	}
	if (p->suppressed > before)
		hf_log(HF_LOG_WARN, "packet", "%" PRIu64 " lines suppressed",
			p->suppressed - before);
	if (p->file && fflush(p->file) != 0)
		hf_capture_end(d, "the file cannot be written");
}

void hf_packets_fini(struct hf_daemon *d)
{
	hf_loglimits_free(d->packets.limits);
	d->packets.limits = NULL;
}

/* A new file of ours, whoever may write to the folder. */
static int create(const char *path, FILE **ret, struct hf_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), code;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (f) {
		*ret = f;
		return 0;
	}
	code = errno;
	if (fd >= 0)
		(void)close(fd); /* empty */
	return hf_fail(err, -code, "%s: %s", path, strerror(code));
}

int hf_capture_begin(struct hf_daemon *d, const struct hf_capture_opts *opts, struct hf_err *err)
{
	struct hf_packets *p = &d->packets;
	size_t i;
	int rc;

	if (p->file)
		return hf_fail(err, -EBUSY, "%s is being written; capture/stop ends it", p->path);
	if (opts->path[0] != '/' || strlen(opts->path) >= sizeof(p->path))
		return hf_fail(err, -EINVAL, "'%.80s': not an absolute path of less than %d bytes",
			opts->path, HF_CAPTURE_PATH_MAX);
	rc = create(opts->path, &p->file, err);
	if (rc < 0)
		return rc;
	memcpy(p->path, opts->path, strlen(opts->path) + 1);
	p->count = 0;
	p->count_max = opts->count;
	p->size_max = opts->size;
	p->ended[0] = '\0';
	hf_pcapng_begin(p->file, HF_PROGRAM);
	for (i = 0; i < d->n_wires; i++)
		hf_pcapng_interface(p->file, d->wires[i].outer_conf->name, HF_TAP_SNAP);
	hf_soft_capture(d->soft, opts->reasons, opts->any_wire,
		opts->any_wire ? 0 : d->wires[opts->wire].soft);
	return 0;
}

void hf_capture_end(struct hf_daemon *d, const char *why)
{
	struct hf_packets *p = &d->packets;
	FILE *f = p->file;

	if (!f)
		return;
	hf_soft_capture(d->soft, 0, true, 0);
	p->file = NULL;
	(void)snprintf(p->ended, sizeof(p->ended), "%s", fclose(f) == 0 ? why : strerror(errno));
	hf_log(HF_LOG_INFO, "capture", "%s: %" PRIu64 " packets; %s", p->path, p->count, p->ended);
}
