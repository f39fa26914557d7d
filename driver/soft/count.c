/* SPDX-License-Identifier: BSD-3-Clause */

/* Reading what workers count; workers write each counter alone, so sums need no locks. */

#include "state.h"
#include "tcp.h"

#include <limits.h>

static const char *const reasons[HF_SOFT_N_REASONS] = {
	[HF_SOFT_NOT_IP] = "not-ip",
	[HF_SOFT_MARKED] = "marked",
	[HF_SOFT_MARKED_UNTRACKED] = "marked-untracked",
	[HF_SOFT_MARKED_DENY] = "marked-deny",
	[HF_SOFT_OFFLOADED] = "offloaded",
	[HF_SOFT_ESTABLISHED] = "established",
	[HF_SOFT_RELATED] = "related",
	[HF_SOFT_ALLOW] = "allow",
	[HF_SOFT_ALLOW_UNTRACKED] = "allow-untracked",
	[HF_SOFT_KERNEL_ALLOW] = "kernel-allow",
	[HF_SOFT_TRANSIT] = "transit",
	[HF_SOFT_DNAT_AMBIGUOUS] = "dnat-ambiguous",
	[HF_SOFT_DNAT_TRANSLATED] = "dnat-translated",
	[HF_SOFT_FRAGMENT] = "fragment",
	[HF_SOFT_DENY] = "deny",
	[HF_SOFT_KERNEL_DENY] = "kernel-deny",
	[HF_SOFT_DNAT_REFUSED] = "dnat-refused",
	[HF_SOFT_NO_RULES] = "no-rules",
	[HF_SOFT_NO_INTERFACE] = "no-interface",
	[HF_SOFT_MALFORMED] = "malformed",
	[HF_SOFT_FRAGMENT_DENY] = "fragment-deny",
	[HF_SOFT_FRAGMENT_UNKNOWN] = "fragment-unknown",
	[HF_SOFT_FRAGMENT_OVERLAP] = "fragment-overlap",
	[HF_SOFT_FRAGMENT_DUPLICATE] = "fragment-duplicate",
	[HF_SOFT_TABLE_FULL] = "table-full",
	[HF_SOFT_SOURCE_FULL] = "source-full",
};

const char *hf_soft_reason_name(enum hf_soft_reason reason)
{
	return reasons[reason];
}

static void add(struct hf_soft_count *sum, const struct hf_soft_count *c)
{
	sum->packets += HF_GET(c->packets);
	sum->bytes += HF_GET(c->bytes);
}

struct hf_soft_count hf_soft_count_reason(const struct hf_soft *soft, enum hf_soft_reason reason)
{
	struct hf_soft_count sum = {0};
	unsigned int w;

	for (w = 0; w < soft->n_workers; w++)
		add(&sum, &soft->workers[w]->reasons[reason]);
	return sum;
}

static void subtract(struct hf_soft_count *sum, const struct hf_soft_count *c)
{
	sum->packets -= c->packets;
	sum->bytes -= c->bytes;
}

struct hf_soft_wire_counts hf_soft_count_wire(
	const struct hf_soft *soft, unsigned int wire, enum hf_soft_dir dir)
{
	const struct hf_soft_wire_counts *base = &soft->wires[wire].base[dir];
	struct hf_soft_wire_counts sum = {0};
	unsigned int w;

	for (w = 0; w < soft->n_workers; w++) {
		const struct hf_soft_wire_counts *c = &soft->workers[w]->wires[wire][dir];

		add(&sum.rx, &c->rx);
		add(&sum.tx, &c->tx);
		add(&sum.drop, &c->drop);
	}
	subtract(&sum.rx, &base->rx);
	subtract(&sum.tx, &base->tx);
	subtract(&sum.drop, &base->drop);
	return sum;
}

uint64_t hf_soft_count_lost(const struct hf_soft *soft, enum hf_tap_kind kind)
{
	uint64_t sum = 0;
	unsigned int w;

	for (w = 0; w < soft->n_workers; w++)
		sum += hf_tap_lost(soft->workers[w]->tap, kind);
	return sum;
}

void hf_soft_count_tables(const struct hf_soft *soft, struct hf_soft_table_counts *ret)
{
	struct hf_soft_table_counts sum = {0};
	struct hf_frag_stats frags;
	struct hf_ct_stats stats;
	unsigned int w;

	for (w = 0; w < soft->n_workers; w++) {
		const struct hf_worker *worker = soft->workers[w];

		hf_ct_read_stats(worker->ct, &stats);
		sum.conns += hf_ct_count(worker->ct);
		sum.conns_max += hf_ct_size(worker->ct);
		sum.conns_made += stats.made;
		sum.conns_expired += stats.expired;
		sum.conns_evicted += stats.evicted;
		sum.conns_flushed += stats.flushed;
		sum.conns_refused += stats.refused;
		sum.conns_refused_share += stats.refused_share;
		sum.conns_half_open += stats.half_open;
		sum.conns_translated += hf_xlat_count(worker->xlat);
		hf_frag_read_stats(worker->frag, &frags);
		sum.frags += frags.entries;
		sum.frags_held += frags.held;
		sum.frags_completed += frags.completed;
		sum.frags_expired += frags.expired;
		sum.frags_evicted += frags.evicted;
		sum.listed += HF_GET(worker->listed);
		sum.memo_asked += HF_GET(worker->memo->asked);
		sum.memo_known += HF_GET(worker->memo->known);
	}
	*ret = sum;
}

struct hf_soft_count hf_gen_count(const struct hf_gen *gen, size_t i)
{
	struct hf_soft_count sum = {0};
	uint32_t at = (uint32_t)i;
	unsigned int w;

	for (; gen && at != HF_NO_ORIGIN; gen = gen->older) {
		add(&sum, &gen->carried[at]);
		for (w = 0; w < gen->n_workers; w++)
			add(&sum, &gen->counts[w][at]);
		at = gen->older ? gen->from_older[at] : HF_NO_ORIGIN;
	}
	return sum;
}

struct hf_soft_count hf_soft_count_origin(const struct hf_soft *soft, size_t i)
{
	struct hf_gen *gen = soft->gen;

	if (!gen || i >= gen->n_origins || !hf_gens_link(gen))
		return (struct hf_soft_count){0};
	return hf_gen_count(gen, i);
}

static unsigned int find_wire(const struct hf_soft *soft, uint32_t zone)
{
	unsigned int w;

	for (w = 0; w < HF_SOFT_WIRES_MAX; w++) {
		if (soft->wires[w].used && soft->wires[w].zone == zone)
			return w;
	}
	return UINT_MAX;
}

bool hf_soft_filter_fits(const struct hf_soft_filter *f, const struct hf_soft_conn *c)
{
	return (f->any_wire || f->wire == c->wire) && (!f->proto || f->proto == c->proto) &&
	       (!f->src.addr.family || hf_prefix_has(&f->src, &c->src)) &&
	       (!f->dst.addr.family || hf_prefix_has(&f->dst, &c->dst)) &&
	       (!f->sport || f->sport == c->sport) && (!f->dport || f->dport == c->dport);
}

static const char *state_name(const struct hf_ct_info *info)
{
	if (info->proto == HF_PROTO_TCP)
		return hf_tcp_state_name((enum hf_tcp_state)info->tcp_state);
	if (info->proto == HF_PROTO_SCTP)
		return hf_sctp_state_name((enum hf_sctp_state)info->sctp_state);
	return "";
}

bool hf_soft_next_conn(
	const struct hf_soft *soft, struct hf_soft_iter *iter, struct hf_soft_conn *ret)
{
	struct hf_ct_info info;
	struct hf_xlat xlat;
	int i;

	for (; iter->worker < soft->n_workers; iter->worker++, iter->entry = 0) {
		const struct hf_ct_table *ct = soft->workers[iter->worker]->ct;

		while (iter->entry < hf_ct_size(ct) && !hf_ct_read(ct, iter->entry, &info))
			iter->entry++;
		if (iter->entry < hf_ct_size(ct))
			break;
	}
	if (iter->worker == soft->n_workers)
		return false;
	*ret = (struct hf_soft_conn){
		.worker = iter->worker,
		.wire = find_wire(soft, info.zone),
		.proto = info.proto,
		.state = state_name(&info),
		.replied = info.replied,
		.assured = info.assured,
		.src = info.src,
		.dst = info.dst,
		.sport = info.sport,
		.dport = info.dport,
		.expires = info.expires,
	};
	for (i = 0; i < 2; i++) {
		ret->packets[i] = info.packets[i];
		ret->bytes[i] = info.bytes[i];
	}
	if (info.translated &&
		hf_xlat_read(soft->workers[iter->worker]->xlat, info.ticket, &xlat)) {
		ret->translated = true;
		ret->backend = xlat.backend;
		ret->backend_port = xlat.ports ? xlat.backend_port : info.dport;
	}
	iter->entry++;
	return true;
}
