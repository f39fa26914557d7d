/* SPDX-License-Identifier: BSD-3-Clause */

#include "frames.h"

#include <arpa/inet.h>
#include <string.h>

static size_t put16(uint8_t *b, size_t at, uint16_t v)
{
	b[at] = (uint8_t)(v >> 8);
	b[at + 1] = (uint8_t)v;
	return at + 2;
}

static size_t l4_size(uint8_t proto)
{
	switch (proto) {
	case 6:
		return 20;
	case 17:
	case 1:
	case 58:
		return 8;
	case 132:
		return 12;
	}
	return 4;
}

static size_t put_l4(uint8_t *b, size_t at, const struct frame *f)
{
	if (f->proto == 1 || f->proto == 58) {
		b[at] = (uint8_t)f->sport;
		b[at + 1] = (uint8_t)f->dport;
	} else {
		put16(b, at, f->sport);
		put16(b, at + 2, f->dport);
	}
	if (f->proto == 6) {
		b[at + 12] = 0x50;
		b[at + 13] = f->tcp_flags;
	}
	return at + l4_size(f->proto);
}

static size_t put_ip4(uint8_t *b, size_t at, const struct frame *f)
{
	size_t ihl = 20u + f->options;

	b[at] = (uint8_t)(0x40 | ihl / 4);
	put16(b, at + 2, (uint16_t)(ihl + l4_size(f->proto)));
	put16(b, at + 6, f->off);
	b[at + 8] = 64;
	b[at + 9] = f->proto;
	inet_pton(AF_INET, f->src, &b[at + 12]);
	inet_pton(AF_INET, f->dst, &b[at + 16]);
	memset(&b[at + 20], 1, f->options); /* no-operation */
	return put_l4(b, at + ihl, f);
}

static size_t put_ip6(uint8_t *b, size_t at, const struct frame *f)
{
	size_t start = at, next = at + 6;

	b[at] = 0x60;
	b[at + 7] = 64;
	inet_pton(AF_INET6, f->src, &b[at + 8]);
	inet_pton(AF_INET6, f->dst, &b[at + 24]);
	at += 40;
	if (f->ext) {
		b[next] = f->ext;
		next = at;
		at += 8;
	}
	if (f->off) {
		b[next] = 44;
		next = at;
		put16(b, at + 2, f->off);
		at += 8;
	}
	b[next] = f->proto;
	at = put_l4(b, at, f);
	put16(b, start + 4, (uint16_t)(at - start - 40));
	return at;
}

size_t frame_build(const struct frame *f, uint8_t ret[static FRAME_MAX])
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
	bool v6 = f->src && strchr(f->src, ':');
	size_t at = sizeof(macs);
	unsigned int i;

	memset(ret, 0, FRAME_MAX);
	memcpy(ret, macs, sizeof(macs));
	for (i = 0; i < f->n_tags; i++) {
		at = put16(ret, at, f->n_tags == 2 && i == 0 ? 0x88a8 : 0x8100);
		at = put16(ret, at, (uint16_t)((f->vid ? f->vid : 5) + i));
	}
	if (!f->src)
		return put16(ret, at, f->eth_type) + 46 - f->cut;
	at = put16(ret, at, v6 ? 0x86dd : 0x0800);
	at = v6 ? put_ip6(ret, at, f) : put_ip4(ret, at, f);
	return at - f->cut;
}
