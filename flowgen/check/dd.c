/* SPDX-License-Identifier: BSD-3-Clause */

#include "dd.h"

#include "memory.h"

#include <hepflow/err.h>

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define START_NODES 100000  /* grows; libbdd's advice for medium problems */
#define MAX_STEP    8000000 /* nodes the table grows by at most; else it doubles */
#define CACHE_RATIO 4	    /* one cache slot for so many nodes */
#define MIN_FREE    40	    /* it grows when a collection leaves less of it free, in percent */

/* The one that is open; libbdd's error hook has no argument of its own. */
static struct dd *opened;
static bool in_use;  /* libbdd's table */
static bool trouble; /* an error while it is set up */

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

static bool is_over(struct dd_budget *b)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	if (b->end_ms && (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 >= b->end_ms)
		b->out_of_time = true;
	else if (b->stop && b->stop(b->arg))
		b->stopped = true;
	return hf_dd_spent(b);
}

bool hf_dd_spent(const struct dd_budget *budget)
{
	return budget->out_of_time || budget->stopped;
}

static void on_error(int code)
{
	(void)code; /* memory, or the limit of nodes: the answer is the same */
	if (opened)
		opened->failed = opened->broken = true;
	else
		trouble = true;
}

/* Where an operation of libbdd is left that is not worth its time any more. */
static jmp_buf way_out;
static bool may_leave;

/*
 * Before each collection, so at least once in as many new nodes as there are. One operation may
 * make millions of them, and it has touched nothing yet that the next one would have to put in
 * order.
 */
static void on_collect(int pre, bddGbcStat *stat)
{
	(void)stat;
	if (pre && may_leave && opened && opened->budget && is_over(opened->budget))
		longjmp(way_out, 1);
}

static int layout(struct dd *dd, enum dd_order order)
{
	int vars = 0;
	size_t i;

	for (i = 0; i < DD_FIELDS; i++) {
		enum dd_field f = orders[order][i];

		dd->bits[f] = hf_axis_bits(dd->axes, f, hf_dd_field_bits(dd, f));
		dd->at[f] = vars;
		vars += (int)dd->bits[f];
	}
	return vars;
}

static int open_libbdd(size_t max_nodes, int vars)
{
	int start;

	if (in_use)
		return -EBUSY;
	if (max_nodes > INT32_MAX)
		max_nodes = INT32_MAX;
	/* libbdd takes a limit only above what there is. */
	start = max_nodes / 2 < START_NODES ? (int)max_nodes / 2 : START_NODES;
	if (bdd_init(start, start / CACHE_RATIO) < 0)
		return -ENOMEM;
	in_use = true;
	trouble = false;
	(void)bdd_error_hook(on_error);
	(void)bdd_gbc_hook(on_collect);
	(void)bdd_resize_hook(NULL);
	(void)bdd_setcacheratio(CACHE_RATIO);
	(void)bdd_setmaxnodenum((int)max_nodes);
	(void)bdd_setmaxincrease(MAX_STEP);
	(void)bdd_setminfreenodes(MIN_FREE);
	return bdd_setvarnum(vars) < 0 || trouble ? -ENOMEM : 0;
}

static void close_libbdd(void)
{
	bdd_clear_error();
	bdd_done();
	in_use = false;
}

int hf_dd_open(
	struct dd *dd, uint8_t family, enum dd_order order, size_t max_nodes, struct dd_axes *axes)
{
	int rc;

	*dd = (struct dd){.family = family, .axes = axes};
	rc = open_libbdd(max_nodes, layout(dd, order));
	if (rc == -EBUSY || (rc < 0 && !in_use))
		return rc;
	dd->failed = rc < 0;
	opened = dd;
	return 0;
}

/* For either family, and whether a field is cut or not. */
static int wide_layout(struct dd *dd)
{
	int vars = 0;
	size_t i;

	for (i = 0; i < DD_FIELDS; i++) {
		enum dd_field f = orders[DD_ADDRS_FIRST][i];
		bool addr = f == DD_SRC || f == DD_DST, port = f == DD_SPORT || f == DD_DPORT;

		dd->bits[f] = hf_axis_bits(dd->axes, f, hf_dd_field_bits(dd, f));
		dd->at[f] = vars;
		vars += addr ? 128 : port ? 32 : (int)dd->bits[f];
	}
	return vars;
}

int hf_dd_open_table(size_t max_nodes)
{
	struct dd any = {0};
	int rc = open_libbdd(max_nodes, wide_layout(&any));

	if (rc < 0 && rc != -EBUSY && in_use)
		close_libbdd();
	return rc;
}

void hf_dd_close_table(void)
{
	close_libbdd();
}

void hf_dd_join(struct dd *dd, uint8_t family, struct dd_axes *axes, struct hf_check_memory *memory)
{
	*dd = (struct dd){.family = family, .axes = axes, .memory = memory};
	(void)wide_layout(dd);
	opened = dd;
}

void hf_dd_record(struct dd *dd, uint8_t family, struct dd_axes *axes)
{
	*axes = (struct dd_axes){0};
	*dd = (struct dd){.family = family, .record = axes};
}

void hf_dd_close(struct dd *dd)
{
	if (dd->record && hf_axes_finish(dd->record) < 0)
		dd->failed = true;
	if (opened != dd)
		return;
	dd->peak = (size_t)bdd_getallocnum();
	hf_vec_fini(&dd->kept);
	if (!dd->memory)
		close_libbdd();
	opened = NULL;
}

static BDD keep(struct dd *dd, BDD set)
{
	if (dd->failed || set < 0)
		return bddfalse;
	if (set == bddtrue || set == bddfalse || dd->memory)
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
	if (dd->record || dd->memory)
		return set;
	bdd_addref(set);
	while (dd->kept.n > mark)
		bdd_delref(dd->kept.v[--dd->kept.n]);
	set = keep(dd, set);
	bdd_delref(set);
	return set;
}

void hf_dd_release_but(struct dd *dd, size_t mark, BDD *sets, size_t n)
{
	size_t i;

	if (dd->record || (dd->memory && !dd->failed))
		return;
	for (i = 0; i < n && !dd->failed; i++)
		bdd_addref(sets[i]);
	while (dd->kept.n > mark && !dd->failed)
		bdd_delref(dd->kept.v[--dd->kept.n]);
	for (i = 0; i < n; i++) {
		BDD set = sets[i];

		sets[i] = keep(dd, set);
		if (!dd->failed)
			bdd_delref(set);
	}
}

void hf_dd_pin(struct dd *dd, BDD set)
{
	if (!dd->failed && !dd->record && !dd->memory)
		bdd_addref(set);
}

void hf_dd_unpin(struct dd *dd, BDD set)
{
	if (!dd->failed && !dd->record && !dd->memory)
		bdd_delref(set);
}

/* Whether there is no need to work it out: it is known, or there is no time. */
static bool is_settled(struct dd *dd, unsigned int op, BDD a, BDD b, BDD *ret)
{
	if (!dd->failed && dd->memory &&
		hf_memory_find(dd->memory, op, (uint32_t)a, (uint32_t)b, ret))
		return true;
	if (dd->budget && is_over(dd->budget))
		dd->failed = true;
	*ret = bddfalse;
	return dd->failed;
}

/* A set that was worked out. */
static BDD settle(struct dd *dd, unsigned int op, uint32_t a, uint32_t b, BDD set)
{
	if (dd->memory && !dd->failed && set >= 0 && !hf_memory_note(dd->memory, op, a, b, set))
		dd->failed = true;
	return keep(dd, set);
}

static BDD work_out(struct dd *dd, unsigned int op, BDD a, BDD b)
{
	static const int ops[] = {
		[MEMORY_AND] = bddop_and, [MEMORY_OR] = bddop_or, [MEMORY_MINUS] = bddop_diff};
	BDD set;

	if (setjmp(way_out)) {
		may_leave = false;
		dd->failed = true;
		return bddfalse;
	}
	may_leave = true;
	set = op == MEMORY_NOT	    ? bdd_not(a)
	      : op == MEMORY_PUT    ? bdd_restrict(a, b)
	      : op == MEMORY_FORGET ? bdd_exist(a, b)
				    : bdd_apply(a, b, ops[op]);
	may_leave = false;
	return set;
}

static BDD apply(struct dd *dd, BDD a, BDD b, unsigned int op)
{
	BDD set;

	if (is_settled(dd, op, a, b, &set))
		return set;
	set = work_out(dd, op, a, b);
	return settle(dd, op, (uint32_t)a, (uint32_t)b, set);
}

BDD hf_dd_and(struct dd *dd, BDD a, BDD b)
{
	if (dd->record)
		return a == bddfalse ? a : b;
	return apply(dd, a, b, MEMORY_AND);
}

BDD hf_dd_or(struct dd *dd, BDD a, BDD b)
{
	if (dd->record)
		return a == bddfalse ? b : a;
	return apply(dd, a, b, MEMORY_OR);
}

BDD hf_dd_minus(struct dd *dd, BDD a, BDD b)
{
	if (dd->record)
		return a;
	return apply(dd, a, b, MEMORY_MINUS);
}

BDD hf_dd_not(struct dd *dd, BDD a)
{
	if (dd->record)
		return bddtrue;
	return apply(dd, a, bddtrue, MEMORY_NOT);
}

BDD hf_dd_forget(struct dd *dd, BDD set, unsigned int fields)
{
	size_t mark = hf_dd_mark(dd);
	BDD vars = bddtrue;
	int f, i;

	if (dd->record || fields == 0)
		return set;
	for (f = 0; f < DD_FIELDS; f++) {
		for (i = 0; fields & 1u << f && i < (int)dd->bits[f]; i++)
			vars = hf_dd_and(dd, vars, bdd_ithvar(dd->at[f] + i));
	}
	return hf_dd_release(dd, mark, apply(dd, set, vars, MEMORY_FORGET));
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

static bool is_prefix(const uint8_t *mask, unsigned int bits)
{
	unsigned int i;

	for (i = 1; i < bits; i++) {
		if (bit_of(mask, i) && !bit_of(mask, i - 1))
			return false;
	}
	return true;
}

static void range_of(enum dd_field f, unsigned int bits, const uint8_t *value, const uint8_t *mask,
	struct dd_value *ret_lo, struct dd_value *ret_hi)
{
	unsigned int i;

	(void)f;
	*ret_lo = *ret_hi = (struct dd_value){0};
	for (i = 0; i < bits / 8; i++) {
		ret_lo->b[i] = value[i] & mask[i];
		ret_hi->b[i] = (uint8_t)(ret_lo->b[i] | (uint8_t)~mask[i]);
	}
}

/* Puts a variable on top of a set that nobody else keeps. */
static BDD on_top(struct dd *dd, int var, bool value, BDD set, int op)
{
	BDD both = dd->failed ? bddfalse : bdd_apply(literal(var, value), set, op);

	if (dd->failed || both < 0)
		return bddfalse;
	bdd_addref(both);
	bdd_delref(set);
	return both;
}

/* Packets whose field, as its variables count, is at least (or, with most, at most) the limit. */
static BDD bound(struct dd *dd, enum dd_field f, uint32_t limit, bool most)
{
	BDD set = bddtrue;
	int bits = (int)dd->bits[f], i;

	for (i = bits - 1; i >= 0 && !dd->failed; i--) {
		bool one = limit >> (bits - 1 - i) & 1;

		set = on_top(dd, dd->at[f] + i, !most, set, one != most ? bddop_and : bddop_or);
	}
	return set;
}

/* Both bounds; they are nobody's then. */
static BDD between(struct dd *dd, enum dd_field f, uint32_t first, uint32_t last)
{
	BDD least = bound(dd, f, first, false), most = bound(dd, f, last, true), set;

	if (dd->failed)
		return bddfalse;
	set = bdd_apply(least, most, bddop_and);
	if (dd->failed || set < 0)
		return bddfalse;
	bdd_addref(set);
	bdd_delref(least);
	bdd_delref(most);
	return set;
}

static BDD pieces(struct dd *dd, enum dd_field f, uint32_t first, uint32_t last)
{
	BDD set, made;

	if (is_settled(dd, MEMORY_RANGE + f, (BDD)first, (BDD)last, &set))
		return set;
	made = between(dd, f, first, last);
	set = settle(dd, MEMORY_RANGE + f, first, last, made);
	if (!dd->failed)
		bdd_delref(made);
	return set;
}

/* A range of values of a field that is cut, or of a port. */
static BDD range(struct dd *dd, enum dd_field f, const uint8_t *lo, const uint8_t *hi)
{
	uint32_t first = (uint32_t)(lo[0] << 8 | lo[1]), last = (uint32_t)(hi[0] << 8 | hi[1]);

	if (hf_axis_is_cut(dd, f) && !hf_axis_pieces(dd, f, lo, hi, &first, &last)) {
		dd->failed = true;
		return bddfalse;
	}
	return pieces(dd, f, first, last);
}

/* A field that has all its bits. */
static BDD bits_are(struct dd *dd, enum dd_field f, const uint8_t *value, const uint8_t *mask)
{
	unsigned int bits = hf_dd_field_bits(dd, f), i;
	size_t start = hf_dd_mark(dd);
	uint32_t v = 0, m = 0;
	BDD set = bddtrue;

	for (i = 0; i < (bits + 7) / 8 && bits <= 32; i++) {
		v = v << 8 | (value[i] & mask[i]);
		m = m << 8 | mask[i];
	}
	if (bits <= 32 && is_settled(dd, MEMORY_MASKED + f, (BDD)v, (BDD)m, &set))
		return set;
	set = bddtrue;
	/* From the last bit up, so that each step puts one node on top. */
	for (i = bits; i-- > 0 && !dd->failed;) {
		unsigned int at = first_bit(bits) + i;

		if (bit_of(mask, at))
			set = hf_dd_and(dd, literal(dd->at[f] + (int)i, bit_of(value, at)), set);
	}
	set = hf_dd_release(dd, start, set);
	if (dd->memory && bits <= 32)
		set = settle(dd, MEMORY_MASKED + f, v, m, set);
	return set;
}

BDD hf_dd_masked(struct dd *dd, enum dd_field f, const uint8_t *value, const uint8_t *mask)
{
	unsigned int bits = hf_dd_field_bits(dd, f), i;
	struct dd_value lo, hi;

	if (dd->record || hf_axis_is_cut(dd, f)) {
		for (i = 0; i < (bits + 7) / 8 && !mask[i]; i++)
			;
		if (i == (bits + 7) / 8)
			return bddtrue;
		if (dd->record && !is_prefix(mask, bits))
			dd->record->of[f].plain = true;
		range_of(f, bits, value, mask, &lo, &hi);
		if (!dd->record)
			return is_prefix(mask, bits) ? range(dd, f, lo.b, hi.b)
						     : (dd->failed = true, bddfalse);
		hf_axis_note(dd, f, lo.b, hi.b);
		return bddtrue;
	}
	return bits_are(dd, f, value, mask);
}

BDD hf_dd_is(struct dd *dd, enum dd_field f, uint16_t value)
{
	static const uint8_t mask[2] = {0xff, 0xff};
	uint8_t two[2] = {(uint8_t)(value >> 8), (uint8_t)value}, one = (uint8_t)value;

	return hf_dd_masked(dd, f, hf_dd_field_bits(dd, f) == 16 ? two : &one, mask);
}

BDD hf_dd_ports(struct dd *dd, enum dd_field f, struct hf_ports ports)
{
	const uint8_t lo[16] = {(uint8_t)(ports.lo >> 8), (uint8_t)ports.lo};
	const uint8_t hi[16] = {(uint8_t)(ports.hi >> 8), (uint8_t)ports.hi};

	if (!dd->record)
		return range(dd, f, lo, hi);
	hf_axis_note(dd, f, lo, hi);
	return bddtrue;
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

/* The value, or the piece that it is in. */
static BDD value_is(struct dd *dd, enum dd_field f, const uint8_t *value)
{
	uint8_t mask[16];
	uint32_t piece;

	if (hf_axis_is_cut(dd, f)) {
		piece = hf_axis_find(dd, f, value);
		return pieces(dd, f, piece, piece);
	}
	memset(mask, 0xff, sizeof(mask));
	return hf_dd_masked(dd, f, value, mask);
}

BDD hf_dd_put(struct dd *dd, BDD set, enum dd_field f, const uint8_t *value)
{
	size_t mark = hf_dd_mark(dd);
	BDD is;

	if (dd->record)
		return set;
	is = value_is(dd, f, value);
	return hf_dd_release(dd, mark, apply(dd, set, is, MEMORY_PUT));
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

	if (dd->failed || dd->record)
		return 0;
	all = bdd_satcount(whole);
	return all > 0 ? bdd_satcount(part) / all : 0;
}

/* The field that a variable belongs to, and which of the field's variables it is. */
static enum dd_field field_of(const struct dd *dd, int var, unsigned int *ret_bit)
{
	enum dd_field f = 0;

	while (var < dd->at[f] || var >= dd->at[f] + (int)dd->bits[f])
		f++;
	*ret_bit = (unsigned int)(var - dd->at[f]);
	return f;
}

void hf_dd_pick(const struct dd *dd, BDD set, struct dd_packet *ret)
{
	uint32_t piece[DD_FIELDS] = {0};
	unsigned int i;

	*ret = (struct dd_packet){0};
	while (set != bddtrue && set != bddfalse) {
		unsigned int bit;
		enum dd_field f = field_of(dd, bdd_var(set), &bit);

		if (bdd_low(set) != bddfalse) {
			set = bdd_low(set);
			continue;
		}
		set = bdd_high(set);
		if (hf_axis_is_cut(dd, f)) {
			piece[f] |= 1u << (dd->bits[f] - 1 - bit);
			continue;
		}
		bit += first_bit(hf_dd_field_bits(dd, f));
		ret->v[f][bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	for (i = 0; i < DD_FIELDS; i++) {
		if (hf_axis_is_cut(dd, (enum dd_field)i))
			memcpy(ret->v[i], hf_axis_start(dd, (enum dd_field)i, piece[i]), 16);
	}
}

bool hf_dd_has(const struct dd *dd, BDD set, const struct dd_packet *pkt)
{
	while (set != bddtrue && set != bddfalse) {
		unsigned int bit;
		enum dd_field f = field_of(dd, bdd_var(set), &bit);
		bool one;

		if (hf_axis_is_cut(dd, f))
			one = hf_axis_find(dd, f, pkt->v[f]) >> (dd->bits[f] - 1 - bit) & 1;
		else
			one = bit_of(pkt->v[f], first_bit(hf_dd_field_bits(dd, f)) + bit);
		set = one ? bdd_high(set) : bdd_low(set);
	}
	return set == bddtrue;
}

BDD hf_dd_point(struct dd *dd, const struct dd_packet *pkt)
{
	size_t mark = hf_dd_mark(dd);
	BDD set = hf_dd_all();
	unsigned int f;

	for (f = 0; f < DD_FIELDS; f++)
		set = hf_dd_and(dd, set, value_is(dd, (enum dd_field)f, pkt->v[f]));
	return hf_dd_release(dd, mark, set);
}

BDD hf_dd_possible(struct dd *dd)
{
	size_t mark = hf_dd_mark(dd);
	BDD set = hf_dd_all();
	unsigned int f;

	for (f = 0; f < DD_FIELDS && !dd->record && !dd->memory; f++) {
		if (hf_axis_is_cut(dd, (enum dd_field)f))
			set = hf_dd_and(dd, set,
				pieces(dd, (enum dd_field)f, 0,
					(uint32_t)dd->axes->of[f].starts.n - 1));
	}
	return hf_dd_release(dd, mark, set);
}
