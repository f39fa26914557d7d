/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A binary trie for each family, paths compressed: a node is a net that some set names, or a fork.
 * The class of a node is made of the sets of its own and those of the nodes above. Nodes point to
 * each other by index, so that the array may move. Node 0 and 1 are the roots, 0.0.0.0/0 and ::/0.
 */

#include <hepflow/classes.h>

#include <hepflow/base/vec.h>
#include <hepflow/err.h>
#include <hepflow/rules.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct class
{
	uint32_t id;
	uint32_t n;
	size_t refs; /* nodes that are of it; class 0 has one more */
	UT_hash_handle hh;
	uint32_t sets[];
};

struct node {
	struct hf_prefix net;
	uint32_t child[2];
	uint32_t parent; /* NONE: a root. Of free nodes: the next free one */
	uint32_t n_own;
	uint32_t one;	/* the set, when there is just one, which is the usual thing */
	uint32_t *many; /* when there are several, ascending; else NULL */
	struct class *class;
};

struct hf_classes {
	HF_VEC(struct node) nodes;
	uint32_t free_node; /* the first, or NONE */
	HF_VEC(struct class *) ids;
	size_t free_id; /* no id below is free */
	struct class *by_sets;
};

/* What nodes are to become; holds a reference to the class. */
struct move {
	uint32_t node;
	bool is_new;
	struct class *to;
};

struct moves {
	struct hf_classes *c;
	HF_VEC(struct move) list;
	HF_VEC(uint32_t) sets; /* scratch */
	bool failed;
};

static const uint32_t *own_sets(const struct node *n)
{
	return n->many ? n->many : &n->one;
}

static unsigned int bit_at(const struct hf_addr *a, unsigned int i)
{
	return a->b[i / 8] >> (7 - i % 8) & 1;
}

/* How many leading bits both have, at most max. */
static unsigned int common_bits(const struct hf_addr *a, const struct hf_addr *b, unsigned int max)
{
	unsigned int i = 0;

	while (i + 8 <= max && a->b[i / 8] == b->b[i / 8])
		i += 8;
	while (i < max && bit_at(a, i) == bit_at(b, i))
		i++;
	return i;
}

static uint32_t root_of(const struct hf_addr *addr)
{
	return addr->family == 6;
}

static struct class *new_class(struct hf_classes *c, const uint32_t *sets, size_t n)
{
	struct class *k = calloc(1, sizeof(*k) + n * sizeof(*sets));

	if (!k)
		return NULL;
	if (n)
		memcpy(k->sets, sets, n * sizeof(*sets));
	k->n = (uint32_t)n;
	while (c->free_id < c->ids.n && c->ids.v[c->free_id])
		c->free_id++;
	if (c->free_id == c->ids.n && hf_vec_push(&c->ids, NULL) < 0) {
		free(k);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, c->by_sets, k->sets, n * sizeof(*sets), k);
	if (!k->hh.tbl) {
		free(k);
		return NULL;
	}
	k->id = (uint32_t)c->free_id;
	c->ids.v[k->id] = k;
	return k;
}

static void put_class(struct hf_classes *c, struct class *k)
{
	if (!k || --k->refs > 0)
		return;
	HASH_DEL(c->by_sets, k);
	c->ids.v[k->id] = NULL;
	if (k->id < c->free_id)
		c->free_id = k->id;
	free(k);
}

/* Both lists are ascending; so is the scratch list they are merged into. 0 or -1. */
static int merge_sets(struct moves *m, const struct class *above, const struct node *node)
{
	const uint32_t *own = own_sets(node);
	size_t i = 0, k = 0;

	m->sets.n = 0;
	while (i < above->n || k < node->n_own) {
		bool mine = i == above->n || (k < node->n_own && own[k] < above->sets[i]);
		uint32_t set = mine ? own[k] : above->sets[i];

		i += i < above->n && above->sets[i] == set;
		k += k < node->n_own && own[k] == set;
		if (hf_vec_push(&m->sets, set) < 0)
			return -1;
	}
	return 0;
}

/* The class of a node inside of above, and a reference to it. NULL: out of memory. */
static struct class *get_class(
	struct moves *m, struct class *above, const struct node *node, bool *ret_is_new)
{
	struct class *ret = above;

	*ret_is_new = false;
	if (node->n_own > 0) {
		if (merge_sets(m, above, node) < 0)
			return NULL;
		HASH_FIND(hh, m->c->by_sets, m->sets.v, m->sets.n * sizeof(*m->sets.v), ret);
		*ret_is_new = !ret;
		if (!ret)
			ret = new_class(m->c, m->sets.v, m->sets.n);
	}
	if (ret)
		ret->refs++;
	return ret;
}

/* Lists what node i and those below become. Where a class stays, so does everything inside. */
static void list_moves(struct moves *m, uint32_t i, struct class *above)
{
	const struct node *node = &m->c->nodes.v[i];
	struct move move = {.node = i};
	unsigned int k;

	move.to = get_class(m, above, node, &move.is_new);
	if (!move.to) {
		m->failed = true;
		return;
	}
	if (move.to == node->class || hf_vec_push(&m->list, move) < 0) {
		m->failed |= move.to != node->class;
		put_class(m->c, move.to);
		return;
	}
	for (k = 0; k < 2 && !m->failed; k++) {
		if (node->child[k] != NONE)
			list_moves(m, node->child[k], move.to);
	}
}

/* Makes the moves, or if listing them failed gives back what they hold. 0 or -ENOMEM. */
static int finish_moves(struct moves *m, hf_class_change_fn changed, void *arg)
{
	size_t i;

	for (i = 0; i < m->list.n && !m->failed; i++) {
		struct move *move = &m->list.v[i];
		struct node *node = &m->c->nodes.v[move->node];
		struct class *old = node->class;
		struct hf_class_change change = {
			.net = node->net, .new = move->to->id, .is_new = move->is_new};

		node->class = move->to;
		move->to = old; /* to be given back, but not before all is told */
		change.old = old ? old->id : HF_IN_NO_SET;
		if (changed)
			changed(arg, &change);
	}
	for (i = m->list.n; i-- > 0;)
		put_class(m->c, m->list.v[i].to);
	hf_vec_fini(&m->list);
	hf_vec_fini(&m->sets);
	return m->failed ? -ENOMEM : 0;
}

/* Gives node i and those inside their classes. 0 or -ENOMEM. */
static int classify(struct hf_classes *c, uint32_t i, hf_class_change_fn changed, void *arg)
{
	struct moves m = {.c = c};
	uint32_t parent = c->nodes.v[i].parent;

	list_moves(&m, i, parent == NONE ? c->ids.v[HF_IN_NO_SET] : c->nodes.v[parent].class);
	return finish_moves(&m, changed, arg);
}

/* A node without sets of its own. NONE: out of memory. */
static uint32_t new_node(struct hf_classes *c, const struct hf_prefix *net, uint32_t parent)
{
	struct node n = {.net = *net, .child = {NONE, NONE}, .parent = parent};
	uint32_t i = c->free_node;

	if (i != NONE) {
		c->free_node = c->nodes.v[i].parent;
		c->nodes.v[i] = n;
		return i;
	}
	return hf_vec_push(&c->nodes, n) < 0 ? NONE : (uint32_t)c->nodes.n - 1;
}

static void free_node(struct hf_classes *c, uint32_t i)
{
	free(c->nodes.v[i].many);
	put_class(c, c->nodes.v[i].class);
	c->nodes.v[i] = (struct node){.parent = c->free_node};
	c->free_node = i;
}

/* Takes away node i, and then what is above, if it says nothing and forks nothing. */
static void prune(struct hf_classes *c, uint32_t i)
{
	while (c->nodes.v[i].parent != NONE) {
		const struct node *n = &c->nodes.v[i];
		uint32_t parent = n->parent,
			 below = n->child[0] != NONE ? n->child[0] : n->child[1];

		if (n->n_own > 0 || (n->child[0] != NONE && n->child[1] != NONE))
			return;
		c->nodes.v[parent].child[bit_at(&n->net.addr, c->nodes.v[parent].net.len)] = below;
		if (below != NONE)
			c->nodes.v[below].parent = parent;
		free_node(c, i);
		i = parent;
	}
}

/* The deepest node whose net has the whole of net. */
static uint32_t descend(const struct hf_classes *c, const struct hf_prefix *net)
{
	uint32_t i = root_of(&net->addr), below;

	while (c->nodes.v[i].net.len < net->len) {
		below = c->nodes.v[i].child[bit_at(&net->addr, c->nodes.v[i].net.len)];
		if (below == NONE || !hf_prefix_covers(&c->nodes.v[below].net, net))
			break;
		i = below;
	}
	return i;
}

/* A node for net between parent and one of its children, if any; both of the parent's class. */
static uint32_t insert(struct hf_classes *c, const struct hf_prefix *net, uint32_t parent)
{
	unsigned int side = bit_at(&net->addr, c->nodes.v[parent].net.len);
	uint32_t below = c->nodes.v[parent].child[side], i = new_node(c, net, parent);

	if (i == NONE)
		return NONE;
	c->nodes.v[i].class = c->nodes.v[parent].class;
	if (c->nodes.v[i].class)
		c->nodes.v[i].class->refs++;
	c->nodes.v[parent].child[side] = i;
	if (below != NONE) {
		c->nodes.v[below].parent = i;
		c->nodes.v[i].child[bit_at(&c->nodes.v[below].net.addr, net->len)] = below;
	}
	return i;
}

/* The node of net, made if there is none. NONE: out of memory. */
static uint32_t node_of(struct hf_classes *c, const struct hf_prefix *net)
{
	uint32_t i = descend(c, net), below, fork;
	struct hf_prefix both = *net;

	if (c->nodes.v[i].net.len == net->len)
		return i;
	below = c->nodes.v[i].child[bit_at(&net->addr, c->nodes.v[i].net.len)];
	if (below != NONE && !hf_prefix_covers(net, &c->nodes.v[below].net)) {
		both.len = (uint8_t)common_bits(&net->addr, &c->nodes.v[below].net.addr, net->len);
		hf_prefix_mask(&both);
		fork = insert(c, &both, i);
		if (fork == NONE)
			return NONE;
		i = fork;
	}
	below = insert(c, net, i);
	if (below == NONE)
		prune(c, i);
	return below;
}

/* Where set stands among a node's own, or would stand. */
static size_t place_of(const struct node *n, uint32_t set)
{
	const uint32_t *own = own_sets(n);
	size_t lo = 0, hi = n->n_own;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (own[mid] < set)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool owns(const struct node *n, uint32_t set)
{
	size_t at = place_of(n, set);

	return at < n->n_own && own_sets(n)[at] == set;
}

static int put_set(struct node *n, uint32_t set)
{
	size_t at = place_of(n, set);
	uint32_t *many;

	if (n->n_own == 0) {
		n->one = set;
		n->n_own = 1;
		return 0;
	}
	many = reallocarray(n->many, n->n_own + 1, sizeof(*many));
	if (!many)
		return -ENOMEM;
	if (!n->many)
		many[0] = n->one;
	memmove(many + at + 1, many + at, (n->n_own - at) * sizeof(*many));
	many[at] = set;
	n->many = many;
	n->n_own++;
	return 0;
}

static void take_set(struct node *n, uint32_t set)
{
	size_t at = place_of(n, set);

	n->n_own--;
	if (!n->many)
		return;
	memmove(n->many + at, n->many + at + 1, (n->n_own - at) * sizeof(*n->many));
	if (n->n_own > 1)
		return;
	n->one = n->many[0];
	free(n->many);
	n->many = NULL;
}

int hf_classes_add(struct hf_classes *c, uint32_t set, const struct hf_prefix *net,
	hf_class_change_fn changed, void *arg)
{
	uint32_t i = node_of(c, net);
	int rc;

	if (i == NONE)
		return -ENOMEM;
	if (owns(&c->nodes.v[i], set))
		return 0;
	rc = put_set(&c->nodes.v[i], set);
	if (rc == 0) {
		rc = classify(c, i, changed, arg);
		if (rc < 0)
			take_set(&c->nodes.v[i], set);
	}
	if (rc < 0)
		prune(c, i);
	return rc;
}

int hf_classes_remove(struct hf_classes *c, uint32_t set, const struct hf_prefix *net,
	hf_class_change_fn changed, void *arg)
{
	uint32_t i = descend(c, net);
	struct node *n = &c->nodes.v[i];
	int rc;

	if (n->net.len != net->len || !owns(n, set))
		return 0;
	take_set(n, set);
	rc = classify(c, i, changed, arg);
	if (rc == 0)
		prune(c, i);
	else
		(void)put_set(n, set); /* there is room: it was there before */
	return rc;
}

int hf_classes_new(struct hf_classes **ret, struct hf_err *err)
{
	static const struct hf_prefix all[] = {{.addr.family = 4}, {.addr.family = 6}};
	struct hf_classes *c = calloc(1, sizeof(*c));
	struct class *none;
	size_t i;

	if (!c)
		return hf_fail(err, -ENOMEM, "classes: out of memory");
	c->free_node = NONE;
	none = new_class(c, NULL, 0);
	for (i = 0; none && i < 2; i++) {
		if (new_node(c, &all[i], NONE) == NONE)
			none = NULL;
	}
	if (!none) {
		hf_classes_free(c);
		return hf_fail(err, -ENOMEM, "classes: out of memory");
	}
	none->refs = 3; /* never to go, and the roots */
	c->nodes.v[0].class = c->nodes.v[1].class = none;
	*ret = c;
	return 0;
}

void hf_classes_free(struct hf_classes *c)
{
	size_t i;

	if (!c)
		return;
	HASH_CLEAR(hh, c->by_sets);
	for (i = 0; i < c->nodes.n; i++)
		free(c->nodes.v[i].many);
	for (i = 0; i < c->ids.n; i++)
		free(c->ids.v[i]);
	hf_vec_fini(&c->nodes);
	hf_vec_fini(&c->ids);
	free(c);
}

/* All nets first, and the classes once, from the roots down. */
static int fill(struct hf_classes *c, const struct hf_rules *rules, const bool *sets)
{
	size_t i, k;
	uint32_t node;

	for (i = 0; i < hf_rules_n_sets(rules); i++) {
		const struct hf_set *set = hf_rules_set(rules, i);

		for (k = 0; k < set->n_nets && (!sets || sets[i]); k++) {
			node = node_of(c, &set->nets[k]);
			if (node == NONE)
				return -ENOMEM;
			if (!owns(&c->nodes.v[node], (uint32_t)i) &&
				put_set(&c->nodes.v[node], (uint32_t)i) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* Nodes were made before their classes were known, and those are not the ones above. */
static int classify_all(struct hf_classes *c)
{
	int rc = 0;
	uint32_t i;
	unsigned int k;

	for (i = 0; i < c->nodes.n; i++) {
		put_class(c, c->nodes.v[i].class);
		c->nodes.v[i].class = NULL;
	}
	for (k = 0; k < 2 && rc == 0; k++)
		rc = classify(c, k, NULL, NULL);
	return rc;
}

int hf_classes_build(
	const struct hf_rules *rules, const bool *sets, struct hf_classes **ret, struct hf_err *err)
{
	struct hf_classes *c;
	int rc = hf_classes_new(&c, err);

	if (rc < 0)
		return rc;
	rc = fill(c, rules, sets);
	if (rc == 0)
		rc = classify_all(c);
	if (rc < 0) {
		hf_classes_free(c);
		return hf_fail(err, rc, "classes: out of memory");
	}
	*ret = c;
	return 0;
}

void hf_classes_want(const struct hf_rules *rules, bool dst, bool *sets)
{
	size_t i, k, n;

	for (i = 0; i < hf_rules_n_blocks(rules); i++) {
		const struct hf_block *block = hf_rules_block(rules, i);

		for (k = 0; k < block->n_rules; k++) {
			const struct hf_match *m = &block->rules[k].match;

			for (n = 0; n < m->n_addr; n++)
				sets[m->addr[n].set] |= m->addr[n].dst == dst;
		}
	}
}

uint32_t hf_classes_count(const struct hf_classes *c)
{
	return (uint32_t)c->ids.n;
}

bool hf_classes_used(const struct hf_classes *c, uint32_t class)
{
	return class < c->ids.n && c->ids.v[class];
}

const uint32_t *hf_classes_sets(const struct hf_classes *c, uint32_t class, size_t *ret_n)
{
	*ret_n = hf_classes_used(c, class) ? c->ids.v[class]->n : 0;
	return *ret_n ? c->ids.v[class]->sets : NULL;
}

static int set_cmp(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

bool hf_classes_has(const struct hf_classes *c, uint32_t class, uint32_t set)
{
	size_t n;
	const uint32_t *sets = hf_classes_sets(c, class, &n);

	return n && bsearch(&set, sets, n, sizeof(*sets), set_cmp);
}

uint32_t hf_classes_find(const struct hf_classes *c, const struct hf_addr *addr)
{
	struct hf_prefix host = {*addr, (uint8_t)hf_addr_bits(addr)};

	return c->nodes.v[descend(c, &host)].class->id;
}

static int visit(const struct hf_classes *c, uint32_t i, hf_classes_fn fn, void *arg)
{
	const struct node *n = &c->nodes.v[i];
	const struct class *above =
		n->parent == NONE ? c->ids.v[HF_IN_NO_SET] : c->nodes.v[n->parent].class;
	int rc = n->class == above ? 0 : fn(arg, &n->net, n->class->id);
	unsigned int k;

	for (k = 0; k < 2 && rc == 0; k++) {
		if (n->child[k] != NONE)
			rc = visit(c, n->child[k], fn, arg);
	}
	return rc;
}

int hf_classes_each(const struct hf_classes *c, hf_classes_fn fn, void *arg)
{
	int rc = visit(c, 0, fn, arg);

	return rc ? rc : visit(c, 1, fn, arg);
}
