/* SPDX-License-Identifier: BSD-3-Clause */

#include "memory.h"

#include <hepflow/base/hash.h>
#include <hepflow/check.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdlib.h>

#define START_ROOM 65536 /* results, 20 bytes each; a power of two */
#define KEEP_TURNS 4	 /* generations that a result stays for without being asked for */
#define REST_TURNS 16	 /* generations without it after it was too small */
#define FAMILIES   2

struct result {
	uint32_t op; /* MEMORY_NONE: free */
	uint32_t a, b;
	BDD set;
	uint32_t turn; /* asked for last */
};

struct hf_check_memory {
	size_t max_nodes;
	bool open;
	uint32_t turn;
	uint32_t rest_until;
	size_t n, room;
	size_t sweep_at; /* as many results are looked through when a turn begins */
	struct result *results;
	struct dd_axes axes[FAMILIES];
	bool cut[FAMILIES]; /* axes are there */
};

int hf_check_memory_new(size_t max_nodes, struct hf_check_memory **ret, struct hf_err *err)
{
	struct hf_check_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return hf_fail(err, -ENOMEM, "check: out of memory");
	m->max_nodes = max_nodes;
	m->sweep_at = START_ROOM;
	*ret = m;
	return 0;
}

static void clear(struct hf_check_memory *m)
{
	free(m->results);
	m->results = NULL;
	m->n = m->room = 0;
	if (m->open)
		hf_dd_close_table();
	m->open = false;
}

void hf_check_memory_free(struct hf_check_memory *m)
{
	size_t i;

	if (!m)
		return;
	clear(m);
	for (i = 0; i < FAMILIES; i++)
		hf_dd_axes_fini(&m->axes[i]);
	free(m);
}

static bool of_sets(uint32_t op)
{
	return op < MEMORY_RANGE;
}

/* Where a result is or belongs. */
static size_t place_of(
	const struct result *results, size_t room, uint32_t op, uint32_t a, uint32_t b)
{
	size_t i = hf_hash_mix(hf_hash_mix(op, a), b) & (room - 1);

	while (results[i].op != MEMORY_NONE &&
		(results[i].op != op || results[i].a != a || results[i].b != b))
		i = (i + 1) & (room - 1);
	return i;
}

bool hf_memory_find(struct hf_check_memory *m, unsigned int op, uint32_t a, uint32_t b, BDD *ret)
{
	struct result *r;

	if (!m->room)
		return false;
	r = &m->results[place_of(m->results, m->room, op, a, b)];
	if (r->op == MEMORY_NONE)
		return false;
	r->turn = m->turn;
	*ret = r->set;
	return true;
}

static void let_go(const struct result *r)
{
	if (of_sets(r->op)) {
		bdd_delref((BDD)r->a);
		bdd_delref((BDD)r->b);
	}
	bdd_delref(r->set);
}

/* All results that are still of use, in a table of that size. */
static bool move_to(struct hf_check_memory *m, size_t room, uint32_t oldest)
{
	struct result *results = calloc(room, sizeof(*results));
	size_t i, n = 0;

	if (!results)
		return false;
	for (i = 0; i < m->room; i++) {
		const struct result *r = &m->results[i];

		if (r->op == MEMORY_NONE)
			continue;
		if (r->turn < oldest) {
			let_go(r);
			continue;
		}
		results[place_of(results, room, r->op, r->a, r->b)] = *r;
		n++;
	}
	free(m->results);
	m->results = results;
	m->room = room;
	m->n = n;
	return true;
}

bool hf_memory_note(struct hf_check_memory *m, unsigned int op, uint32_t a, uint32_t b, BDD set)
{
	/* A result that is remembered for each node: as much memory again, and no more. */
	if (m->n >= m->max_nodes ||
		(m->n >= m->room / 2 && !move_to(m, m->room ? 2 * m->room : START_ROOM, 0)))
		return false;
	m->results[place_of(m->results, m->room, op, a, b)] =
		(struct result){op, a, b, set, m->turn};
	m->n++;
	if (of_sets(op)) {
		bdd_addref((BDD)a);
		bdd_addref((BDD)b);
	}
	bdd_addref(set);
	return true;
}

void hf_check_memory_turn(struct hf_check_memory *m)
{
	m->turn++;
	if (m->n < m->sweep_at || m->turn <= KEEP_TURNS)
		return;
	/* Without memory for the copy it goes on with all of them, up to its limit. */
	(void)move_to(m, m->room, m->turn - KEEP_TURNS);
	m->sweep_at = 2 * m->n > START_ROOM ? 2 * m->n : START_ROOM;
}

/* Cuts fields anew, with room for further cuts. */
static int cut_fields(
	struct hf_check_memory *m, uint8_t family, const struct dd_proof *proof, struct hf_err *err)
{
	size_t at = family != 4;
	struct dd_axes axes;
	struct dd dd;
	int rc;

	hf_dd_record(&dd, family, &axes);
	rc = proof->run(proof->job, &dd);
	if (rc == 0 && (dd.failed || hf_axes_label(&axes, &m->axes[at]) < 0))
		rc = hf_fail(err, -ENOMEM, "check: out of memory");
	if (rc < 0) {
		hf_dd_axes_fini(&axes);
		return rc;
	}
	hf_dd_axes_fini(&m->axes[at]);
	m->axes[at] = axes;
	m->cut[at] = true;
	return 0;
}

static int run_in(struct hf_check_memory *m, uint8_t family, const struct dd_proof *proof,
	struct dd *dd, struct hf_err *err)
{
	size_t at = family != 4;
	int rc = m->cut[at] ? 0 : cut_fields(m, family, proof, err);

	if (rc == 0 && !m->open) {
		rc = hf_dd_open_table(m->max_nodes);
		if (rc < 0)
			return hf_fail(err, rc, "check: no room for decision diagrams");
		m->open = true;
	}
	if (rc < 0)
		return rc;
	hf_dd_join(dd, family, &m->axes[at], m);
	dd->budget = proof->budget;
	rc = proof->run(proof->job, dd);
	if (dd->crowded)
		m->cut[at] = false;
	return rc;
}

int hf_memory_prove(uint8_t family, const struct dd_proof *proof, bool *ret_decided,
	size_t *ret_nodes, struct hf_err *err)
{
	struct hf_check_memory *m = proof->memory;
	struct dd dd = {0};
	int rc;

	if (m->turn < m->rest_until)
		return 0;
	rc = run_in(m, family, proof, &dd, err);
	if (rc == 0 && dd.crowded)
		rc = run_in(m, family, proof, &dd, err);
	*ret_decided = rc == 0 && !dd.failed;
	if (ret_nodes)
		*ret_nodes = dd.peak;
	if (dd.failed && (dd.broken || !hf_dd_spent(proof->budget))) {
		clear(m);
		m->rest_until = m->turn + REST_TURNS;
	}
	return rc;
}
