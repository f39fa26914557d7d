/* SPDX-License-Identifier: BSD-3-Clause */

/* Classes: the rows of a field, numbered from 0 on, and all classes of a packet as one number. */

#include "classify_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_CLASS UINT32_MAX

/* The classes of one field so far. */
struct classes {
	const struct hf_rows *rows;
	uint32_t *class_of; /* by number of a row */
	uint32_t *row_of;   /* by class */
	uint32_t n;
};

/* Rows become classes; neighbours mostly have the same one. */
static void sort_rows(struct classes *k, uint32_t *value, size_t n, size_t step)
{
	uint8_t *at = (uint8_t *)value;
	uint32_t last = UINT32_MAX, class = 0;
	size_t i;

	for (i = 0; i < n; i++, at += step) {
		uint32_t *v = (uint32_t *)(void *)at;

		if (*v != last) {
			uint32_t *c = &k->class_of[*v / k->rows->n_chunks];

			last = *v;
			if (*c == NO_CLASS) {
				k->row_of[k->n] = *v;
				*c = k->n++;
			}
			class = *c;
		}
		*v = class;
	}
}

static void sort_dim(struct classes *k, struct hf_classifier *c, enum hf_dim dim)
{
	struct hf_spans *s = &c->addrs[dim];

	if (dim == HF_DIM_META)
		sort_rows(k, &c->meta[0][0][0][0], sizeof(c->meta) / sizeof(uint32_t),
			sizeof(uint32_t));
	else if (dim == HF_DIM_OUT)
		sort_rows(k, c->outs, c->n_ifaces + 1, sizeof(uint32_t));
	else if (c->ports[dim])
		sort_rows(k, c->ports[dim], HF_PORT_ROWS, sizeof(uint32_t));
	if (s->roots) {
		sort_rows(k, s->value4, s->n4, sizeof(uint32_t));
		sort_rows(k, &s->v6->value, s->n6, sizeof(*s->v6));
	}
}

/* If all combinations, and blocks, have numbers. */
static void set_strides(struct hf_classifier *c)
{
	uint64_t stride = 1;
	int dim;

	for (dim = 0; dim < HF_N_DIMS; dim++) {
		if (!c->has[dim])
			continue;
		c->stride[dim] = stride;
		if (__builtin_mul_overflow(stride, (uint64_t)c->n_classes[dim], &stride))
			return;
	}
	if (stride <= UINT64_MAX / (hf_rules_n_blocks(c->rules) + 1))
		c->block_stride = stride;
}

/* Of every packet, in any state. */
static bool is_all(const struct hf_match *m)
{
	int i;

	for (i = 0; i < 4; i++) {
		if (m->proto[i] != UINT64_MAX)
			return false;
	}
	return !m->family && !m->dnated_only && m->out == HF_IF_ANY && m->wire_out == HF_IF_ANY &&
	       !m->n_addr && !m->n_port && !m->n_icmp;
}

/* The fields that a rule asks for. */
static unsigned int dims_of(const struct hf_match *m)
{
	unsigned int dims = 0;
	uint16_t i;

	for (i = 0; i < m->n_addr; i++)
		dims |= 1u << (!m->addr[i].dst ? HF_DIM_SRC
				: m->wire      ? HF_DIM_WIRE_DST
					       : HF_DIM_DST);
	for (i = 0; i < m->n_port; i++)
		dims |= 1u << (!m->port[i].dst ? HF_DIM_SPORT
				: m->wire      ? HF_DIM_WIRE_DPORT
					       : HF_DIM_DPORT);
	if (m->out != HF_IF_ANY)
		dims |= 1u << HF_DIM_OUT;
	return dims;
}

/*
 * Fields asked for by the rules that a packet of no known state may meet from a block on: those up
 * to the first that holds for any packet and asks for the state, and those behind jumps.
 */
static uint8_t blind_dims(const struct hf_classifier *c, uint32_t block)
{
	const struct hf_block *b = hf_rules_block(c->rules, block);
	unsigned int dims = 1u << HF_DIM_META;
	uint32_t i;

	for (i = 0; i < b->n_rules; i++) {
		const struct hf_rule *r = &b->rules[i];

		if (r->op == HF_OP_LOG)
			continue;
		if (r->match.ct && r->match.ct != HF_CT_ANY && is_all(&r->match))
			break;
		dims |= dims_of(&r->match);
		if (r->op == HF_OP_GOTO)
			dims |= c->blind_dims[r->target];
	}
	return (uint8_t)(dims & c->all_dims);
}

/* Jumps lead forward, so that blocks are gone through from the last to the first. */
static int find_dims(struct hf_classifier *c)
{
	size_t n = hf_rules_n_blocks(c->rules);
	int dim;

	for (dim = 0; dim < HF_N_DIMS; dim++)
		c->all_dims |= (uint8_t)(c->has[dim] << dim);
	c->blind_dims = calloc(n + 1, sizeof(*c->blind_dims));
	if (!c->blind_dims)
		return -ENOMEM;
	while (n-- > 0)
		c->blind_dims[n] = blind_dims(c, (uint32_t)n);
	return 0;
}

int hf_build_classes(struct hf_build *b)
{
	struct hf_classifier *c = b->c;
	uint32_t n_rows = c->rows.n_rows;
	struct classes k = {.rows = &c->rows, .class_of = malloc(n_rows * sizeof(*k.class_of))};
	int dim, rc = k.class_of ? 0 : -ENOMEM;

	c->has[HF_DIM_META] = true;
	for (dim = 0; dim < HF_N_DIMS && rc == 0; dim++) {
		if (!c->has[dim])
			continue;
		memset(k.class_of, 0xff, n_rows * sizeof(*k.class_of)); /* NO_CLASS */
		k.n = 0;
		k.row_of = c->row_of[dim] = malloc(n_rows * sizeof(*k.row_of));
		if (!k.row_of) {
			rc = -ENOMEM;
			break;
		}
		sort_dim(&k, c, (enum hf_dim)dim);
		c->n_classes[dim] = k.n;
	}
	if (rc == 0)
		set_strides(c);
	if (rc == 0)
		rc = find_dims(c);
	free(k.class_of);
	return rc;
}
