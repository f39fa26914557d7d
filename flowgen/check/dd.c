/* SPDX-License-Identifier: BSD-3-Clause */

#include "dd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define START_NODES 100000  /* grows; libbdd's advice for medium problems */
#define MAX_STEP    1000000 /* nodes the table grows by at most, so that the limit is met closely */
#define CACHE_RATIO 8	    /* one cache slot for so many nodes */

/* The one that is open; libbdd's error hook has no argument of its own. */
static struct dd *opened;

static const enum dd_field orders[DD_ORDERS][DD_FIELDS] = {
	[DD_ADDRS_FIRST] = {DD_PROTO, DD_EXT, DD_NEXT, DD_DEEP, DD_VLAN, DD_FRAG, DD_LATER, DD_SYN,
		DD_ACK, DD_SRC, DD_DST, DD_DPORT, DD_SPORT},
	[DD_PORTS_FIRST] = {DD_PROTO, DD_EXT, DD_NEXT, DD_DEEP, DD_VLAN, DD_FRAG, DD_LATER, DD_SYN,
		DD_ACK, DD_DPORT, DD_SPORT, DD_DST, DD_SRC},
};

unsigned int hf_dd_field_bits(const struct dd *dd, enum dd_field f)
{
	static const uint8_t bits[DD_FIELDS] = {
		[DD_PROTO] = 8,
		[DD_SYN] = 1,
		[DD_ACK] = 1,
		[DD_FRAG] = 1,
		[DD_LATER] = 1,
		[DD_VLAN] = 1,
		[DD_EXT] = 1,
		[DD_NEXT] = 8,
		[DD_DEEP] = 1,
		[DD_SPORT] = 16,
		[DD_DPORT] = 16,
	};

	if (f == DD_SRC || f == DD_DST)
		return dd->family == 4 ? 32 : 128;
	return bits[f];
}

static void on_error(int code)
{
	(void)code; /* memory, or the limit of nodes: the answer is the same */
	if (opened)
		opened->failed = true;
}

/* libbdd prints a line of its own for each collection unless told otherwise. */
static void on_collect(int pre, bddGbcStat *stat)
{
	(void)pre;
	(void)stat;
}

int hf_dd_open(struct dd *dd, uint8_t family, enum dd_order order, size_t max_nodes)
{
	int vars = 0;
	size_t i;

	if (opened)
		return -EBUSY;
	*dd = (struct dd){.family = family};
	for (i = 0; i < DD_FIELDS; i++) {
		dd->at[orders[order][i]] = vars;
		vars += (int)hf_dd_field_bits(dd, orders[order][i]);
	}
	if (max_nodes > INT32_MAX)
		max_nodes = INT32_MAX;
	if (bdd_init(max_nodes < START_NODES ? (int)max_nodes : START_NODES,
		    START_NODES / CACHE_RATIO) < 0)
		return -ENOMEM;
	opened = dd;
	(void)bdd_error_hook(on_error);
	(void)bdd_gbc_hook(on_collect);
	(void)bdd_resize_hook(NULL);
	(void)bdd_setcacheratio(CACHE_RATIO);
	(void)bdd_setmaxnodenum((int)max_nodes);
	(void)bdd_setmaxincrease(MAX_STEP);
	if (bdd_setvarnum(vars) < 0)
		dd->failed = true;
	return 0;
}

void hf_dd_close(struct dd *dd)
{
	if (opened != dd)
		return;
	dd->peak = (size_t)bdd_getallocnum();
	hf_vec_fini(&dd->kept);
	bdd_clear_error();
	bdd_done();
	opened = NULL;
}

static BDD keep(struct dd *dd, BDD set)
{
	if (dd->failed || set < 0)
		return bddfalse;
	if (set == bddtrue || set == bddfalse)
		return set;
	if (hf_vec_push(&dd->kept, set)) {
		dd->failed = true;
		return bddfalse;
	}
	return bdd_addref(set);
}

size_t hf_dd_mark(const struct dd *dd)
{
	return dd->kept.n;
}

BDD hf_dd_release(struct dd *dd, size_t mark, BDD set)
{
	if (dd->failed)
		return bddfalse;
	bdd_addref(set);
	while (dd->kept.n > mark)
		bdd_delref(dd->kept.v[--dd->kept.n]);
	set = keep(dd, set);
	bdd_delref(set);
	return set;
}

static BDD apply(struct dd *dd, BDD a, BDD b, int op)
{
	return dd->failed ? bddfalse : keep(dd, bdd_apply(a, b, op));
}

BDD hf_dd_and(struct dd *dd, BDD a, BDD b)
{
	return apply(dd, a, b, bddop_and);
}

BDD hf_dd_or(struct dd *dd, BDD a, BDD b)
{
	return apply(dd, a, b, bddop_or);
}

BDD hf_dd_minus(struct dd *dd, BDD a, BDD b)
{
	return apply(dd, a, b, bddop_diff);
}

BDD hf_dd_not(struct dd *dd, BDD a)
{
	return dd->failed ? bddfalse : keep(dd, bdd_not(a));
}

BDD hf_dd_all(void)
{
	return bddtrue;
}

BDD hf_dd_none(void)
{
	return bddfalse;
}

/* Whether bit i of the bytes, counted from the first byte's highest, is set. */
static bool bit_of(const uint8_t *bytes, unsigned int i)
{
	return bytes[i / 8] & 0x80 >> i % 8;
}

/* Where the bits of a field start within its bytes: fields of one bit use the lowest. */
static unsigned int first_bit(unsigned int bits)
{
	return bits < 8 ? 8 - bits : 0;
}

static BDD literal(int var, bool value)
{
	return value ? bdd_ithvar(var) : bdd_nithvar(var);
}

BDD hf_dd_masked(struct dd *dd, enum dd_field f, const uint8_t *value, const uint8_t *mask)
{
	unsigned int bits = hf_dd_field_bits(dd, f), i;
	size_t start = hf_dd_mark(dd);
	BDD set = bddtrue;

	/* From the last bit up, so that each step puts one node on top. */
	for (i = bits; i-- > 0 && !dd->failed;) {
		unsigned int at = first_bit(bits) + i;

		if (bit_of(mask, at))
			set = hf_dd_and(dd, literal(dd->at[f] + (int)i, bit_of(value, at)), set);
	}
	return hf_dd_release(dd, start, set);
}

BDD hf_dd_is(struct dd *dd, enum dd_field f, uint16_t value)
{
	static const uint8_t mask[2] = {0xff, 0xff};
	uint8_t two[2] = {(uint8_t)(value >> 8), (uint8_t)value}, one = (uint8_t)value;

	return hf_dd_masked(dd, f, hf_dd_field_bits(dd, f) == 16 ? two : &one, mask);
}

/* Packets whose port is at least (or, with most, at most) the limit. */
static BDD bound(struct dd *dd, enum dd_field f, uint16_t limit, bool most)
{
	BDD set = bddtrue;
	int i;

	for (i = 15; i >= 0 && !dd->failed; i--) {
		bool one = limit & 0x8000 >> i;
		BDD bit = literal(dd->at[f] + i, !most);

		set = one != most ? hf_dd_and(dd, bit, set) : hf_dd_or(dd, bit, set);
	}
	return set;
}

BDD hf_dd_ports(struct dd *dd, enum dd_field f, struct hf_ports range)
{
	size_t start = hf_dd_mark(dd);
	BDD lo = bound(dd, f, range.lo, false);

	return hf_dd_release(dd, start, hf_dd_and(dd, lo, bound(dd, f, range.hi, true)));
}

BDD hf_dd_prefix(struct dd *dd, enum dd_field f, const struct hf_prefix *p)
{
	uint8_t mask[16] = {0};
	unsigned int i;

	if (p->addr.family != dd->family)
		return bddfalse;
	for (i = 0; i < p->len; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return hf_dd_masked(dd, f, p->addr.b, mask);
}

BDD hf_dd_nets(struct dd *dd, enum dd_field f, const struct hf_prefix *nets, size_t n)
{
	size_t start = hf_dd_mark(dd);
	BDD half;

	if (n == 0)
		return bddfalse;
	if (n == 1)
		return hf_dd_prefix(dd, f, nets);
	half = hf_dd_nets(dd, f, nets, n / 2);
	return hf_dd_release(
		dd, start, hf_dd_or(dd, half, hf_dd_nets(dd, f, nets + n / 2, n - n / 2)));
}

double hf_dd_share(const struct dd *dd, BDD part, BDD whole)
{
	double all;

	if (dd->failed)
		return 0;
	all = bdd_satcount(whole);
	return all > 0 ? bdd_satcount(part) / all : 0;
}

/* The field that a variable belongs to, and which of its bits it is. */
static enum dd_field field_of(const struct dd *dd, int var, unsigned int *ret_bit)
{
	enum dd_field f = 0;

	while (var < dd->at[f] || var >= dd->at[f] + (int)hf_dd_field_bits(dd, f))
		f++;
	*ret_bit = first_bit(hf_dd_field_bits(dd, f)) + (unsigned int)(var - dd->at[f]);
	return f;
}

void hf_dd_pick(const struct dd *dd, BDD set, struct dd_packet *ret)
{
	*ret = (struct dd_packet){0};
	while (set != bddtrue && set != bddfalse) {
		unsigned int bit;
		enum dd_field f = field_of(dd, bdd_var(set), &bit);

		if (bdd_low(set) != bddfalse) {
			set = bdd_low(set);
			continue;
		}
		ret->v[f][bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		set = bdd_high(set);
	}
}

bool hf_dd_has(const struct dd *dd, BDD set, const struct dd_packet *pkt)
{
	while (set != bddtrue && set != bddfalse) {
		unsigned int bit;
		enum dd_field f = field_of(dd, bdd_var(set), &bit);

		set = bit_of(pkt->v[f], bit) ? bdd_high(set) : bdd_low(set);
	}
	return set == bddtrue;
}
