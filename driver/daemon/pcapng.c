/* SPDX-License-Identifier: BSD-3-Clause */

#include "pcapng.h"

#include <string.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	OPT_END = 0,
	OPT_COMMENT = 1,
	OPT_PACKET_FLAGS = 2,
	OPT_NAME = 2, /* of an interface */
	OPT_PROGRAM = 4,
	LINK_ETHERNET = 1,
	FLAG_INBOUND = 1,
	FLAG_OUTBOUND = 2,
	MAGIC = 0x1a2b3c4d,
};

static void put32(FILE *f, uint32_t v)
{
	(void)fwrite(&v, sizeof(v), 1, f); /* ferror() tells */
}

static void put16(FILE *f, uint16_t v)
{
	(void)fwrite(&v, sizeof(v), 1, f);
}

static uint32_t padded(size_t n)
{
	return (uint32_t)((n + 3) & ~(size_t)3);
}

static void put_padded(FILE *f, const void *data, size_t n)
{
	static const uint8_t zeros[4];

	if (n == 0)
		return;
	(void)fwrite(data, 1, n, f);
	(void)fwrite(zeros, 1, padded(n) - n, f);
}

static void put_option(FILE *f, uint16_t code, const void *data, size_t n)
{
	put16(f, code);
	put16(f, (uint16_t)n);
	put_padded(f, data, n);
}

void hf_pcapng_begin(FILE *f, const char *program)
{
	uint32_t size = 28 + 4 + padded(strlen(program)) + 4;

	put32(f, BLOCK_SECTION);
	put32(f, size);
	put32(f, MAGIC);
	put16(f, 1); /* version 1.0 */
	put16(f, 0);
	put32(f, UINT32_MAX); /* the section's length is not known */
	put32(f, UINT32_MAX);
	put_option(f, OPT_PROGRAM, program, strlen(program));
	put_option(f, OPT_END, NULL, 0);
	put32(f, size);
}

void hf_pcapng_interface(FILE *f, const char *name, uint32_t snap_length)
{
	uint32_t size = 20 + 4 + padded(strlen(name)) + 4;

	put32(f, BLOCK_INTERFACE);
	put32(f, size);
	put16(f, LINK_ETHERNET);
	put16(f, 0);
	put32(f, snap_length);
	put_option(f, OPT_NAME, name, strlen(name));
	put_option(f, OPT_END, NULL, 0);
	put32(f, size);
}

void hf_pcapng_packet(FILE *f, const struct hf_pcapng_packet *p)
{
	uint32_t flags = p->outbound ? FLAG_OUTBOUND : FLAG_INBOUND;
	uint32_t size = 32 + padded(p->n_bytes) + 8 + 4 + padded(strlen(p->comment)) + 4;

	put32(f, BLOCK_PACKET);
	put32(f, size);
	put32(f, p->interface);
	put32(f, (uint32_t)(p->time_us >> 32)); /* microseconds are the default */
	put32(f, (uint32_t)p->time_us);
	put32(f, p->n_bytes);
	put32(f, p->length);
	put_padded(f, p->bytes, p->n_bytes);
	put_option(f, OPT_PACKET_FLAGS, &flags, sizeof(flags));
	put_option(f, OPT_COMMENT, p->comment, strlen(p->comment));
	put_option(f, OPT_END, NULL, 0);
	put32(f, size);
}
