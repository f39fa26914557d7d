/* SPDX-License-Identifier: BSD-3-Clause */

/* Reading the connections, by any thread; and forgetting some. */

#include "ct_state.h"

#include <string.h>

#define TICKET_VERSION 48
#define TICKET_PLACE   ((1u << HF_CT_TICKET_SPARE) - 1)
static_assert(HF_CT_TICKET_SPARE + HF_CT_TICKET_BITS <= 47, "a ticket is one word");

/* i as for hf_ct_read(). */
static uint64_t ticket_of(uint16_t version, uint32_t i)
{
	return (uint64_t)version << TICKET_VERSION | i;
}

uint32_t hf_ct_count(const struct hf_ct_table *ct)
{
	return HF_CT_GET(ct->pools[0].n) + HF_CT_GET(ct->pools[1].n);
}

uint32_t hf_ct_size(const struct hf_ct_table *ct)
{
	return HF_CT_N_POOLS * ct->max;
}

static uint64_t packets_of(const struct hf_ct_hot *e, unsigned int reply)
{
	uint16_t high = HF_CT_GET(e->packets_high[reply]), again;
	uint32_t low;

	for (;; high = again) {
		low = HF_CT_GET(e->packets[reply]);
		again = HF_CT_GET(e->packets_high[reply]);
		if (again == high)
			return (uint64_t)high << 32 | low;
	}
}

static void describe(const struct hf_ct_table *ct, const struct hf_ct_pool *p, uint32_t at,
	struct hf_ct_info *ret)
{
	const struct hf_ct_hot *e = hf_ct_hot_at(p, at);
	uint8_t bits = HF_CT_GET(e->bits), timer = HF_CT_GET(e->timer);
	uint64_t now = HF_CT_GET(ct->now);
	int32_t left;
	struct hf_ct_key key;
	unsigned int i, n;

	n = (p->family == 4 ? HF_CT_KEY4 : HF_CT_KEY6) / sizeof(e->key[0]);
	for (i = 0; i < n; i++)
		key.w[i] = HF_CT_GET(e->key[i]);
	hf_tuple_read(&key, p->family, bits & HF_CT_CALLER, ret);
	ret->tcp_state =
		ret->proto == HF_PROTO_TCP ? HF_CT_GET(p->cold[at].tcp.state) : HF_TCP_NONE;
	ret->sctp_state =
		ret->proto == HF_PROTO_SCTP ? HF_CT_GET(p->cold[at].sctp.state) : HF_SCTP_NONE;
	ret->replied = bits & HF_CT_REPLIED;
	ret->assured = bits & HF_CT_ASSURED;
	ret->translated = bits & HF_CT_TRANSLATED;
	ret->forwarded = bits & HF_CT_FORWARDED;
	ret->judged = HF_CT_GET(p->cold[at].judged);
	left = (int32_t)(HF_CT_GET(e->seen) + ct->ticks[timer < HF_CT_N_TIMERS ? timer : 0] -
			 hf_ct_ticks_of(ct, now));
	ret->expires = now + (uint64_t)((int64_t)left * (int64_t)ct->cycles_per_tick);
	for (i = 0; i < 2; i++) {
		ret->packets[i] = packets_of(e, i);
		ret->bytes[i] = HF_CT_GET(e->bytes[i]);
	}
}

bool hf_ct_read(const struct hf_ct_table *ct, uint32_t i, struct hf_ct_info *ret)
{
	const struct hf_ct_pool *p = &ct->pools[i >= ct->max];
	uint32_t at = i % ct->max;
	const struct hf_ct_hot *e = hf_ct_hot_at(p, at);
	uint16_t version = __atomic_load_n(&e->version, __ATOMIC_ACQUIRE);

	if (version % 2 == 0)
		return false;
	describe(ct, p, at, ret);
	ret->ticket = ticket_of(version, i);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return HF_CT_GET(e->version) == version;
}

uint32_t hf_ct_packets(const struct hf_ct_table *ct, const struct hf_ct_view *view)
{
	return hf_ct_hot_at(&ct->pools[view->family == 6], view->at)->packets[view->reply];
}

uint64_t hf_ct_ticket(const struct hf_ct_table *ct, const struct hf_ct_view *view)
{
	const struct hf_ct_hot *e = hf_ct_hot_at(&ct->pools[view->family == 6], view->at);

	return ticket_of(e->version, view->at + (view->family == 6 ? ct->max : 0)) |
	       (view->reply ? HF_CT_TICKET_REPLY : 0);
}

bool hf_ct_has_ticket(const struct hf_ct_table *ct, uint64_t ticket)
{
	uint32_t i = ticket & TICKET_PLACE;

	return HF_CT_GET(hf_ct_hot_at(&ct->pools[i >= ct->max], i % ct->max)->version) ==
	       ticket >> TICKET_VERSION;
}

bool hf_ct_read_ticket(
	const struct hf_ct_table *ct, uint64_t ticket, struct hf_ct_info *ret, bool *ret_reply)
{
	if (!hf_ct_read(ct, ticket & TICKET_PLACE, ret))
		return false;
	*ret_reply = ticket & HF_CT_TICKET_REPLY;
	return hf_ct_has_ticket(ct, ticket);
}

bool hf_ct_filter_fits(const struct hf_ct_filter *f, const struct hf_ct_info *info)
{
	return (!f->zone || f->zone == info->zone) && (!f->proto || f->proto == info->proto) &&
	       (!f->src.addr.family || hf_prefix_has(&f->src, &info->src)) &&
	       (!f->dst.addr.family || hf_prefix_has(&f->dst, &info->dst)) &&
	       (!f->sport || f->sport == info->sport) && (!f->dport || f->dport == info->dport);
}

bool hf_ct_flush(
	struct hf_ct_table *ct, const struct hf_ct_filter *filter, uint32_t *at, unsigned int max)
{
	struct hf_ct_info info;

	for (; max > 0 && *at < hf_ct_size(ct); max--, (*at)++) {
		if (!hf_ct_read(ct, *at, &info) || !hf_ct_filter_fits(filter, &info))
			continue;
		hf_ct_remove(ct, &ct->pools[*at >= ct->max], *at % ct->max);
		HF_CT_ADD(ct->stats.flushed, 1);
	}
	return *at < hf_ct_size(ct);
}

void hf_ct_read_stats(const struct hf_ct_table *ct, struct hf_ct_stats *ret)
{
	ret->made = HF_CT_GET(ct->stats.made);
	ret->expired = HF_CT_GET(ct->stats.expired);
	ret->flushed = HF_CT_GET(ct->stats.flushed);
	ret->evicted = HF_CT_GET(ct->stats.evicted);
	ret->refused = HF_CT_GET(ct->stats.refused);
	ret->refused_share = HF_CT_GET(ct->stats.refused_share);
	ret->half_open = HF_CT_GET(ct->half_open);
}
