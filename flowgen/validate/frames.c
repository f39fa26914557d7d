/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/frames.h>

#include <hepflow/err.h>
#include <hepflow/net.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PROTO_FRAG6   44 /* RFC 8200 4.5 */
#define PCAP_MAGIC    0xa1b2c3d4
#define PCAP_ETHERNET 1
#define BIT_MORE      0x2000 /* RFC 791: "more fragments" */
#define LATER_AT      16     /* offset of a later fragment, in units of eight bytes */

/* A frame that is being written. */
struct frame {
	uint8_t *b;
	size_t at;
};

static void put8(struct frame *f, unsigned int v)
{
	f->b[f->at++] = (uint8_t)v;
}

static void put16(struct frame *f, unsigned int v)
{
	put8(f, v >> 8);
	put8(f, v);
}

static void put_bytes(struct frame *f, const void *v, size_t n)
{
	memcpy(&f->b[f->at], v, n);
	f->at += n;
}

static void put_ether(struct frame *f, uint32_t number)
{
	static const uint8_t dst[] = {2, 0, 0, 0, 0, 1}, src[] = {2, 0};

	put_bytes(f, dst, sizeof(dst));
	put_bytes(f, src, sizeof(src));
	put16(f, number >> 16);
	put16(f, number);
}

static size_t l4_size(const struct hf_packet *pkt)
{
	if (pkt->frag == HF_FRAG_LATER)
		return 8; /* bytes of the middle */
	switch (pkt->proto) {
	case HF_PROTO_TCP:
		return 20;
	case HF_PROTO_SCTP:
		return 12;
	default:
		return 8;
	}
}

static void put_l4(struct frame *f, const struct hf_packet *pkt)
{
	uint8_t *b = &f->b[f->at];
	struct frame head = *f;

	f->at += l4_size(pkt);
	if (pkt->frag == HF_FRAG_LATER)
		return;
	if (pkt->proto == HF_PROTO_ICMP || pkt->proto == HF_PROTO_ICMPV6) {
		b[0] = pkt->icmp_type;
		b[1] = pkt->icmp_code;
	} else if (hf_proto_has_ports(pkt->proto)) {
		put16(&head, pkt->sport);
		put16(&head, pkt->dport);
	}
	if (pkt->proto == HF_PROTO_TCP) {
		b[12] = 0x50; /* a header of five words */
		b[13] = pkt->tcp_flags;
	} else if (pkt->proto == HF_PROTO_UDP) {
		b[5] = 8; /* length */
	}
}

static void put_ip4(struct frame *f, const struct hf_packet *pkt)
{
	put16(f, 0x4500);
	put16(f, (unsigned int)(20 + l4_size(pkt)));
	put16(f, 0);
	put16(f, pkt->frag == HF_FRAG_FIRST ? BIT_MORE : pkt->frag == HF_FRAG_LATER ? LATER_AT : 0);
	put8(f, 64);
	put8(f, pkt->proto);
	put16(f, 0);
	put_bytes(f, pkt->src.b, 4);
	put_bytes(f, pkt->dst.b, 4);
}

static void put_ip6(struct frame *f, const struct hf_packet *pkt)
{
	bool frag = pkt->frag != HF_FRAG_NONE;

	put16(f, 0x6000);
	put16(f, 0);
	put16(f, (unsigned int)(l4_size(pkt) + (frag ? 8 : 0)));
	put8(f, frag ? PROTO_FRAG6 : pkt->proto);
	put8(f, 64);
	put_bytes(f, pkt->src.b, 16);
	put_bytes(f, pkt->dst.b, 16);
	if (!frag)
		return;
	put16(f, (unsigned int)pkt->proto << 8);
	put16(f, pkt->frag == HF_FRAG_FIRST ? 1 : LATER_AT << 3);
	f->at += 4;
}

size_t hf_frame_build(
	const struct hf_packet *pkt, uint32_t number, uint8_t ret[static HF_FRAME_MAX])
{
	struct frame f = {.b = ret};
	bool v4 = pkt->src.family == 4;

	memset(ret, 0, HF_FRAME_MAX);
	put_ether(&f, number);
	if (pkt->vlan) {
		put16(&f, 0x8100);
		put16(&f, pkt->vlan);
	}
	put16(&f, v4 ? 0x0800 : 0x86dd);
	if (v4)
		put_ip4(&f, pkt);
	else
		put_ip6(&f, pkt);
	put_l4(&f, pkt);
	return f.at;
}

static void write_frame(const uint8_t *b, size_t len, FILE *out)
{
	uint32_t head[4] = {0, 0, (uint32_t)len, (uint32_t)len};

	(void)fwrite(head, sizeof(head), 1, out); /* ferror() has the last word */
	(void)fwrite(b, len, 1, out);
}

int hf_frames_write(const struct hf_packet *pkts, size_t n, FILE *out)
{
	static const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, digits, snaplen, link;
	} head = {PCAP_MAGIC, 2, 4, 0, 0, 65535, PCAP_ETHERNET};
	static const uint8_t end[60] = {
		2, 0, 0, 0, 0, 1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0x08, 0x06};
	uint8_t frame[HF_FRAME_MAX];
	size_t i;

	(void)fwrite(&head, sizeof(head), 1, out);
	for (i = 0; i < n; i++)
		write_frame(frame, hf_frame_build(&pkts[i], (uint32_t)i, frame), out);
	write_frame(end, sizeof(end), out);
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

/* " - FDIR matched ID=0x1 - ..." or " - FDIR matched hash=0x0 ID=0x1 ": the mark. */
static void read_mark(const char *line, size_t len, struct hf_frame_seen *ret)
{
	static const char key[] = "FDIR matched ";
	const char *p = memmem(line, len, key, strlen(key)), *id;

	if (!p)
		return;
	id = memmem(p, len - (size_t)(p - line), "ID=0x", 5);
	if (!id)
		return;
	ret->marked = true;
	ret->mark = (uint32_t)strtoul(id + 5, NULL, 16);
}

int hf_frames_read(const char *text, struct hf_frame_seen *ret, size_t n, struct hf_err *err)
{
	static const char key[] = "src=02:00:";
	const char *p;

	memset(ret, 0, n * sizeof(*ret));
	for (p = strstr(text, key); p; p = strstr(p + 1, key)) {
		unsigned int b[4];
		size_t i;

		if (sscanf(p + strlen(key), "%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3]) != 4)
			return hf_fail(err, -EINVAL, "testpmd: no source address: %.40s", p);
		i = (size_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
		if (i >= n || ret[i].received)
			return hf_fail(err, -EINVAL, "testpmd received frame %zu of %zu %s", i, n,
				i < n ? "twice" : "");
		ret[i].received = true;
		read_mark(p, strcspn(p, "\n"), &ret[i]);
	}
	return 0;
}
