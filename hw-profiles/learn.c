/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A profile from the answers to micro-rules. At first it takes whatever any rule that was taken
 * has: its items, fields, lists of actions. Then it learns to refuse: of a rule that the driver
 * refused and the profile takes, everything is stated in a condition, and as much of it is left out
 * again as leaves no rule in it that the driver took.
 */

#include <hepflow/micro.h>

#include "profiles.h"
#include "when.h"

#include <stdlib.h>
#include <string.h>

#define ENGINE_NAME "learned"

struct lesson {
	const struct hf_micro *list;
	size_t n;
	struct hf_nic *nic;
	struct hf_engine *e;
};

static void add_seq(struct hf_nic_seq *seqs, size_t *n, size_t max, const struct hf_nic_seq *seq)
{
	size_t i;

	for (i = 0; i < *n; i++) {
		if (seqs[i].n == seq->n && memcmp(seqs[i].v, seq->v, seq->n) == 0)
			return;
	}
	if (*n < max)
		seqs[(*n)++] = *seq; /* else such rules stay refused, and count as missed */
}

static void take_sequences(struct hf_engine *e, const struct hf_flow *flow)
{
	struct hf_nic_seq seq = {.n = (uint8_t)flow->n_items};
	size_t i;

	memcpy(seq.v, flow->items, flow->n_items);
	add_seq(e->patterns, &e->n_patterns, HF_NIC_PATTERNS_MAX, &seq);
	memset(&seq, 0, sizeof(seq));
	for (i = 0; i < flow->n_actions; i++) {
		const struct hf_flow_action *a = &flow->actions[i];

		seq.v[seq.n++] = (uint8_t)a->act;
		if (a->act == HF_ACT_MARK && a->value > e->mark_max)
			e->mark_max = a->value;
	}
	add_seq(e->lists, &e->n_lists, HF_NIC_LISTS_MAX, &seq);
	e->actions |= hf_flow_acts(flow);
}

/* Fields that several drivers take and do not look at; nothing is believed of them. */
#define DOUBTFUL                                                                                   \
	(HF_F_BIT(HF_F_ETH_HAS_VLAN) | HF_F_BIT(HF_F_IP4_OFF) | HF_F_BIT(HF_F_IP6_FLOW) |          \
		HF_F_BIT(HF_F_IP6_FRAG))

static void add_danger(struct hf_engine *e, enum hf_field f)
{
	if (e->n_danger == HF_NIC_RULES_MAX)
		return;
	e->danger[e->n_danger].when.fields = HF_F_BIT(f);
	e->danger[e->n_danger++].field = f;
}

static void take_fields(struct lesson *l)
{
	uint64_t all = 0, some = 0;
	unsigned int f;
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (!hf_micro_taken(&l->list[i]))
			continue;
		all |= hf_flow_fields(&l->list[i].flow, HF_EXTENT_FULL, HF_EXTENT_FULL);
		some |= hf_flow_fields(&l->list[i].flow, HF_EXTENT_PARTIAL, HF_EXTENT_PARTIAL);
		if (l->list[i].flow.frag != HF_FRAG_UNSAID)
			l->e->frag_forms |= HF_FRAG_BIT(l->list[i].flow.frag);
	}
	for (f = 0; f < HF_F_MAX_; f++) {
		bool is_all = all >> f & 1u, is_some = some >> f & 1u;

		if (!is_all && !is_some)
			continue;
		if (DOUBTFUL & HF_F_BIT(f))
			l->e->field[f] = HF_MASK_IGNORE;
		else if (is_all)
			l->e->field[f] = is_some ? HF_MASK_WIDEN : HF_MASK_EXACT;
		else
			l->e->field[f] = HF_MASK_PARTIAL_ONLY;
		if (l->e->field[f] == HF_MASK_PARTIAL_ONLY || f == HF_F_IP4_FRAG)
			add_danger(l->e, (enum hf_field)f);
	}
}

/* Whether a value of a field under a full mask was refused, and never taken. */
static bool is_refused(const struct lesson *l, enum hf_field f, uint32_t v)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		const struct hf_flow *flow = &l->list[i].flow;

		if (hf_micro_taken(&l->list[i]) && hf_field_extent(flow, f) == HF_EXTENT_FULL &&
			hf_field_number(&flow->pattern.spec, f) == v)
			return false;
	}
	return true;
}

static void take_limits(struct lesson *l)
{
	static const enum hf_field fields[] = {HF_F_ETH_TYPE, HF_F_IP4_PROTO, HF_F_IP6_PROTO};
	size_t k, i, j;

	for (k = 0; k < sizeof(fields) / sizeof(*fields); k++) {
		struct hf_nic_limit limit = {.field = fields[k], .kind = HF_LIMIT_NOT};

		for (i = 0; i < l->n && l->e->field[fields[k]] != HF_MASK_NONE; i++) {
			const struct hf_flow *flow = &l->list[i].flow;
			uint32_t v = hf_field_number(&flow->pattern.spec, fields[k]);

			if (hf_field_extent(flow, fields[k]) != HF_EXTENT_FULL ||
				!is_refused(l, fields[k], v) || limit.n == HF_NIC_VALUES_MAX)
				continue;
			for (j = 0; j < limit.n && limit.v[j] != v; j++)
				;
			if (j == limit.n)
				limit.v[limit.n++] = v;
		}
		if (limit.n > 0)
			l->e->limits[l->e->n_limits++] = limit;
	}
}

static void take_numbers(struct hf_engine *e, const struct hf_flow *flow, uint32_t *ret_highest)
{
	uint32_t *taken = flow->group ? &e->prio_taken_others : &e->prio_taken;

	if (flow->priority > *taken)
		*taken = flow->priority;
	if (flow->group > *ret_highest)
		*ret_highest = flow->group;
	e->range_ignored |= flow->has_last;
}

/* Groups are of use where a jump leads to them. */
static void take_groups(struct lesson *l, uint32_t highest)
{
	bool jumps = l->e->actions & HF_ACT_BIT(HF_ACT_JUMP);
	struct hf_engine *e = l->e;
	size_t i;

	e->groups = jumps && highest > 0 ? highest + 1 : 1;
	e->prios = e->groups > 1 ? 1 : 0;
	e->group_ignored = !jumps && highest > 0;
	if (e->groups == 1 && e->prio_taken_others > e->prio_taken)
		e->prio_taken = e->prio_taken_others;
	if (e->groups == 1 || e->prio_taken_others == e->prio_taken)
		e->prio_taken_others = 0;
	e->jump_forward = e->groups > 1;
	for (i = 0; i < l->n; i++) {
		const struct hf_flow *flow = &l->list[i].flow;

		if (hf_micro_taken(&l->list[i]) && flow->n_actions > 0 &&
			flow->actions[flow->n_actions - 1].act == HF_ACT_JUMP &&
			flow->actions[flow->n_actions - 1].value <= flow->group)
			e->jump_forward = false;
	}
}

static void take(struct lesson *l)
{
	uint32_t highest = 0, repeated;
	size_t i;

	(void)strcpy(l->e->name, ENGINE_NAME);
	l->e->prios_root = 1;
	for (i = 0; i < l->n; i++) {
		const struct hf_flow *flow = &l->list[i].flow;

		if (!hf_micro_taken(&l->list[i]))
			continue;
		l->nic->n_engines = 1;
		l->nic->ingress |= flow->ingress;
		l->nic->egress |= flow->egress;
		l->nic->transfer |= flow->transfer;
		l->e->layers |= hf_flow_layers(flow, &repeated);
		take_sequences(l->e, flow);
		take_numbers(l->e, flow, &highest);
	}
	take_fields(l);
	take_limits(l);
	take_groups(l, highest);
}

static bool hits_taken(const struct lesson *l, const struct hf_nic_when *when)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (hf_micro_taken(&l->list[i]) && hf_when_holds(when, &l->list[i].flow))
			return true;
	}
	return false;
}

/* All that can be said of a flow, but for the items and fields it has: of items one can be named,
 * of fields two. */
static void state(const struct lesson *l, const struct hf_flow *flow, struct hf_nic_when *ret)
{
	uint64_t given = hf_flow_fields(flow, HF_EXTENT_PARTIAL, HF_EXTENT_FULL);
	uint64_t some = hf_flow_fields(flow, HF_EXTENT_PARTIAL, HF_EXTENT_PARTIAL);
	uint64_t all = hf_flow_fields(flow, HF_EXTENT_FULL, HF_EXTENT_FULL);
	uint32_t repeated, items = hf_flow_layers(flow, &repeated), acts = hf_flow_acts(flow);
	unsigned int f;

	memset(ret, 0, sizeof(*ret));
	ret->no_items = l->e->layers & ~items;
	for (f = 0; f < HF_F_MAX_; f++) {
		if (l->e->field[f] != HF_MASK_NONE && !(given >> f & 1u))
			ret->no_fields |= HF_F_BIT(f);
	}
	ret->partial = some & (~some + 1); /* the first */
	ret->full = all & (~all + 1);
	ret->frag = HF_FRAG_BIT(flow->frag);
	ret->all_actions = acts;
	ret->no_actions = l->e->actions & ~acts;
	if (flow->n_actions > 0)
		ret->first_action = HF_ACT_BIT(flow->actions[0].act);
	ret->directions = (uint8_t)hf_flow_directions(flow);
	ret->root = flow->group == 0;
	ret->not_root = flow->group != 0;
	ret->range = flow->has_last;
	ret->priority = flow->priority != 0;
}

/* Adds the one or two fields that set the flow apart from all that were taken. */
static bool name_fields(const struct lesson *l, uint64_t given, struct hf_nic_when *when)
{
	unsigned int i, k;

	when->fields = 0;
	when->and_fields = 0;
	if (given == 0)
		return !hits_taken(l, when);
	for (i = 0; i < HF_F_MAX_; i++) {
		for (k = i; k < HF_F_MAX_; k++) {
			if (!(given >> i & 1u) || !(given >> k & 1u))
				continue;
			when->fields = HF_F_BIT(i);
			when->and_fields = i == k ? 0 : HF_F_BIT(k);
			if (!hits_taken(l, when))
				return true;
		}
	}
	return false;
}

/* And the item: the last, or one in front of it. */
static bool set_apart(const struct lesson *l, const struct hf_flow *flow, struct hf_nic_when *when)
{
	uint64_t given = hf_flow_fields(flow, HF_EXTENT_PARTIAL, HF_EXTENT_FULL);
	size_t i;

	for (i = flow->n_items; i-- > 0;) {
		when->items = HF_LAYER_BIT(flow->items[i]);
		if (name_fields(l, given, when))
			return true;
	}
	return flow->n_items == 0 && name_fields(l, given, when);
}

/* Leaves out what is not needed: sets bit by bit. */
static void leave_out(const struct lesson *l, struct hf_nic_when *when)
{
	uint32_t *const sets[] = {&when->no_actions, &when->first_action, &when->no_items,
		&when->frag, &when->all_actions, &when->items};
	uint64_t *const wide[] = {
		&when->no_fields, &when->and_fields, &when->fields, &when->partial, &when->full};
	bool *const flags[] = {&when->root, &when->not_root, &when->priority, &when->range};
	uint8_t directions = when->directions;
	unsigned int bit;
	size_t i;

	when->directions = 0;
	if (hits_taken(l, when))
		when->directions = directions;
	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		bool before = *flags[i];

		*flags[i] = false;
		if (before && hits_taken(l, when))
			*flags[i] = true;
	}
	for (i = 0; i < sizeof(wide) / sizeof(*wide); i++) {
		for (bit = 0; bit < HF_F_MAX_; bit++) {
			uint64_t before = *wide[i];

			*wide[i] &= ~HF_F_BIT(bit);
			if (*wide[i] != before && hits_taken(l, when))
				*wide[i] = before;
		}
	}
	for (i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		for (bit = 0; bit < 32; bit++) {
			uint32_t before = *sets[i];

			*sets[i] &= ~(UINT32_C(1) << bit);
			if (*sets[i] != before && hits_taken(l, when))
				*sets[i] = before;
		}
	}
}

static void learn_to_refuse(struct lesson *l)
{
	enum hf_reject why;
	size_t i;

	for (i = 0; i < l->n && l->e->n_refuse < HF_NIC_RULES_MAX; i++) {
		const struct hf_flow *flow = &l->list[i].flow;
		struct hf_nic_when when;

		if (hf_micro_taken(&l->list[i]) || !hf_nic_accept(l->nic, flow, &why))
			continue;
		state(l, flow, &when);
		if (!set_apart(l, flow, &when))
			continue; /* counts as missed */
		leave_out(l, &when);
		l->e->refuse[l->e->n_refuse].when = when;
		l->e->refuse[l->e->n_refuse++].reject = HF_REJECT_COMBINATION;
	}
}

static bool is_same_answer(const struct hf_testpmd_answer *a, const struct hf_testpmd_answer *b)
{
	return a->err == b->err && strcmp(a->type, b->type) == 0 &&
	       strcmp(a->message, b->message) == 0;
}

/* What the driver says most often for a reason; HF_REJECT_NONE: for any. */
static void learn_answer(struct lesson *l, const uint8_t *reasons, enum hf_reject reason)
{
	const struct hf_testpmd_answer *best = NULL;
	struct hf_nic_error *ret = &l->nic->error[reason];
	size_t i, k, most = 0;
	int type;

	for (i = 0; i < l->n; i++) {
		size_t count = 0;

		if (hf_micro_taken(&l->list[i]) ||
			(reason != HF_REJECT_NONE && reasons[i] != (uint8_t)reason))
			continue;
		for (k = 0; k < l->n; k++)
			count += !hf_micro_taken(&l->list[k]) &&
				 (reason == HF_REJECT_NONE || reasons[k] == (uint8_t)reason) &&
				 is_same_answer(&l->list[i].answer, &l->list[k].answer);
		if (count > most) {
			most = count;
			best = &l->list[i].answer;
		}
	}
	if (!best)
		return;
	type = hf_names_find(&hf_names_error_type, best->type);
	ret->given = true;
	ret->err = best->err;
	ret->type = (uint8_t)(type > 0 ? type : 1);
	ret->no_message = best->message[0] == '\0';
	(void)snprintf(ret->message, sizeof(ret->message), "%.*s", (int)sizeof(ret->message) - 1,
		best->message);
}

void hf_micro_learn(const struct hf_micro *list, size_t n, struct hf_nic *ret, size_t *ret_missed)
{
	struct lesson l = {.list = list, .n = n, .nic = ret, .e = &ret->engine[0]};
	uint8_t *reasons = calloc(n + 1, 1);
	enum hf_reject why;
	unsigned int r;
	size_t i;

	take(&l);
	if (ret->n_engines > 0)
		learn_to_refuse(&l);
	*ret_missed = 0;
	for (i = 0; i < n; i++) {
		bool taken = hf_nic_accept(ret, &list[i].flow, &why) != NULL;

		*ret_missed += taken != hf_micro_taken(&list[i]);
		if (reasons && !taken)
			reasons[i] = (uint8_t)why;
	}
	for (r = HF_REJECT_NONE; reasons && r < HF_REJECT_MAX_; r++)
		learn_answer(&l, reasons, (enum hf_reject)r);
	free(reasons); /* without memory for them the answers are those of the reader */
}
