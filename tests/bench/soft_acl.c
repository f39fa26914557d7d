/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The software path's classifier beside rte_acl, on the same rules and the same packets, in turns:
 *
 *	bench-soft-acl [--reps N] [--rules N] [-- EAL ARGUMENTS]
 *
 * A line of JSON for each set: cycles a packet, medians, by the memo (memo.h), which knows them all
 * as they are the same each time, by rows alone, by a list (flat.h) where there is one, and by
 * rte_acl alone. "cycles" are those of the way that the path would go. Sets shaped like
 *ClassBench's are made by acl.c, or read from the unpacked files in the folder HEPFLOW_CLASSBENCH;
 *those of Calico's shape are soft_data.c's. rte_acl knows no sets of addresses, so there each rule
 *is multiplied out for it; the classifier gets them as policy has them. rte_acl runs with the
 *widest vectors that EAL allows
 *(--force-max-simd-bitwidth=512).
 *
 * Packets are taken 32 at a time, as the path takes them, nine of ten aimed at a rule. Every
 * verdict of both is compared; any difference: exit 1.
 */

#include "acl.h"
#include "soft_data.h"

#include <hepflow/err.h>
#include <hepflow/model.h>
#include <hepflow/policy.h>
#include <hepflow/rules.h>
#include <soft/classify.h>
#include <soft/flat.h>

#include <hf_test_rand.h>

#include <rte_acl.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include <dirent.h>
#include <err.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEED	 1
#define BATCH	 32
#define KEYS	 16384
#define REPS_MAX 101
#define EAL_ARGS 32
#define READ_MAX 20000
#define ACL_ROOM ((size_t)1 << 30)

static struct {
	unsigned int reps;
	size_t n_rules; /* 0: 1000 and 10000 */
} opt = {.reps = 15};

/* What rte_acl reads: network order; the protocol stands alone in its first word. */
struct flat {
	uint8_t proto;
	uint8_t pad[3];
	uint32_t src_be, dst_be;
	uint16_t sport_be, dport_be;
};

enum { PROTO, SRC, DST, SPORT, DPORT, N_FIELDS };

static const struct rte_acl_field_def fields[N_FIELDS] = {
	{RTE_ACL_FIELD_TYPE_BITMASK, 1, PROTO, 0, offsetof(struct flat, proto)},
	{RTE_ACL_FIELD_TYPE_MASK, 4, SRC, 1, offsetof(struct flat, src_be)},
	{RTE_ACL_FIELD_TYPE_MASK, 4, DST, 2, offsetof(struct flat, dst_be)},
	{RTE_ACL_FIELD_TYPE_RANGE, 2, SPORT, 3, offsetof(struct flat, sport_be)},
	{RTE_ACL_FIELD_TYPE_RANGE, 2, DPORT, 3, offsetof(struct flat, dport_be)},
};

RTE_ACL_RULE_DEF(acl_rule, N_FIELDS);

/* One set: the same rules for both, and packets. */
struct set {
	const char *name;
	struct hf_acl acl; /* multiplied out */
	char *text;
	struct hf_rules *rules;
	struct hf_classifier *classifier;
	struct rte_acl_ctx *ctx;
	double build, acl_build; /* seconds */
	struct hf_key *keys;
	struct flat *flats;
	const uint8_t **data;
	struct hf_flat *flat; /* NULL: no list for them */
	unsigned int list;
	bool wins; /* the list is faster than the classifier */
	double list_build;
	bool *ours, *theirs;
	size_t known; /* by the memo */
	size_t wrong;
};

static void *need(void *p)
{
	if (!p)
		errx(1, "out of memory");
	return p;
}

/* Of this thread, in cycles of the TSC: what else runs on the core does not count. */
static double cycles_now(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		err(1, "clock_gettime");
	return ((double)t.tv_sec + (double)t.tv_nsec / 1e9) * (double)rte_get_tsc_hz();
}

static double seconds_since(double cycles)
{
	return (cycles_now() - cycles) / (double)rte_get_tsc_hz();
}

static uint32_t addr_of(const struct hf_prefix *net)
{
	const uint8_t *b = net->addr.b;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* As Calico has them: ports belong to TCP and UDP, and there is no port 0. */
static struct hf_ports ports_of(const struct hf_acl_rule *r, struct hf_ports ports)
{
	if (!hf_proto_has_ports(r->proto) || (ports.lo == 0 && ports.hi == UINT16_MAX))
		return (struct hf_ports){0, UINT16_MAX};
	return (struct hf_ports){ports.lo + (ports.lo == 0), ports.hi + (ports.hi == 0)};
}

static void fill_rule(const struct hf_acl_rule *r, size_t i, size_t n, struct acl_rule *ret)
{
	struct hf_ports sport = ports_of(r, r->sport), dport = ports_of(r, r->dport);

	*ret = (struct acl_rule){
		.data = {.category_mask = 1, .priority = (int32_t)(n - i)},
	};
	ret->data.userdata = r->allow ? 2 : 1;
	ret->field[PROTO].value.u8 = r->proto;
	ret->field[PROTO].mask_range.u8 = r->proto ? 0xff : 0;
	ret->field[SRC].value.u32 = addr_of(&r->src);
	ret->field[SRC].mask_range.u32 = r->src.len;
	ret->field[DST].value.u32 = addr_of(&r->dst);
	ret->field[DST].mask_range.u32 = r->dst.len;
	ret->field[SPORT].value.u16 = sport.lo;
	ret->field[SPORT].mask_range.u16 = sport.hi;
	ret->field[DPORT].value.u16 = dport.lo;
	ret->field[DPORT].mask_range.u16 = dport.hi;
}

static void build_acl(struct set *s)
{
	struct rte_acl_param param = {.name = "bench",
		.socket_id = SOCKET_ID_ANY,
		.rule_size = RTE_ACL_RULE_SZ(N_FIELDS),
		.max_rule_num = (uint32_t)s->acl.n};
	struct rte_acl_config config = {
		.num_categories = 1, .num_fields = N_FIELDS, .max_size = ACL_ROOM};
	struct acl_rule *rules = need(calloc(s->acl.n, sizeof(*rules)));
	double t0 = cycles_now();
	size_t i;

	memcpy(config.defs, fields, sizeof(fields));
	for (i = 0; i < s->acl.n; i++)
		fill_rule(&s->acl.v[i], i, s->acl.n, &rules[i]);
	s->ctx = rte_acl_create(&param);
	if (!s->ctx ||
		rte_acl_add_rules(s->ctx, (struct rte_acl_rule *)rules, (uint32_t)s->acl.n) != 0 ||
		rte_acl_build(s->ctx, &config) != 0)
		errx(1, "%s: rte_acl does not build", s->name);
	/* It keeps what it has chosen where this is not to be had. */
	(void)rte_acl_set_ctx_classify(s->ctx, RTE_ACL_CLASSIFY_AVX512X32);
	s->acl_build = seconds_since(t0);
	free(rules);
}

/* Whether it is any good is found out as the path does. */
static void build_list(struct set *s)
{
	uint16_t in = (uint16_t)hf_rules_find_iface(s->rules, "eth0");
	uint32_t block = hf_rules_find_path(s->rules, in, HF_CLASS_HOST)->block;
	struct hf_flat *flat = NULL;
	double t0 = cycles_now();

	if (hf_flat_new(s->classifier, HF_FLAT_FASTER, &flat) == 0)
		s->wins = hf_flat_list_of(flat, block) != HF_FLAT_NO_LIST;
	s->list_build = seconds_since(t0);
	hf_flat_free(flat);
	if (hf_flat_new(s->classifier, HF_FLAT_ANY, &s->flat) < 0)
		return;
	s->list = hf_flat_list_of(s->flat, block);
	if (s->list == HF_FLAT_NO_LIST) {
		hf_flat_free(s->flat);
		s->flat = NULL;
	}
}

static void build_ours(struct set *s)
{
	struct hf_model_opts opts = {.node = "n0"};
	struct hf_policy *objects = NULL;
	struct hf_model *model = NULL;
	struct hf_err e = {0};
	double t0;

	if (hf_policy_new(&objects, &e) < 0 ||
		hf_policy_read_text(objects, s->name, s->text, strlen(s->text), &e) < 0 ||
		hf_model_build(objects, &opts, &model, &e) < 0 ||
		hf_rules_build(model, &s->rules, &e) < 0)
		errx(1, "%s", e.text);
	hf_model_free(model);
	hf_policy_free(objects);
	t0 = cycles_now();
	if (hf_classifier_new(s->rules, HF_LANES_FROM, &s->classifier) < 0)
		errx(1, "%s: no classifier", s->name);
	s->build = seconds_since(t0);
	build_list(s);
}

static void put_addr(uint32_t addr, struct hf_addr *ret)
{
	*ret = (struct hf_addr){4, {(uint8_t)(addr >> 24), (uint8_t)(addr >> 16),
					   (uint8_t)(addr >> 8), (uint8_t)addr}};
}

static void put_key(struct set *s, size_t i, const struct bench_flow *f, uint8_t proto)
{
	struct hf_key *key = &s->keys[i];

	*key = (struct hf_key){
		.in = (uint16_t)hf_rules_find_iface(s->rules, "eth0"),
		.class = HF_CLASS_HOST,
		.proto = proto,
		.sport = f->sport,
		.dport = f->dport,
		.wire_dport = f->dport,
	};
	put_addr(f->src, &key->src);
	put_addr(f->dst, &key->dst);
	key->wire_dst = key->dst;
	s->flats[i] = (struct flat){.proto = proto,
		.src_be = htonl(f->src),
		.dst_be = htonl(f->dst),
		.sport_be = htons(f->sport),
		.dport_be = htons(f->dport)};
	s->data[i] = (const uint8_t *)&s->flats[i];
}

static uint32_t inside(struct hf_rand *r, const struct hf_prefix *net)
{
	uint32_t host = net->len ? UINT32_MAX >> 1 >> (net->len - 1) : UINT32_MAX;

	return addr_of(net) | ((uint32_t)hf_rand_u64(r) & host);
}

static void make_keys(struct set *s)
{
	struct hf_rand r;
	size_t i;

	s->keys = need(calloc(KEYS, sizeof(*s->keys)));
	s->flats = need(calloc(KEYS, sizeof(*s->flats)));
	s->data = need(calloc(KEYS, sizeof(*s->data)));
	s->ours = need(calloc(KEYS, sizeof(*s->ours)));
	s->theirs = need(calloc(KEYS, sizeof(*s->theirs)));
	hf_rand_init(&r, SEED, 7);
	for (i = 0; i < KEYS; i++) {
		const struct hf_acl_rule *a = &s->acl.v[hf_rand_below(&r, s->acl.n)];
		struct hf_ports sport = ports_of(a, a->sport), dport = ports_of(a, a->dport);
		struct bench_flow f = {
			.src = inside(&r, &a->src),
			.dst = inside(&r, &a->dst),
			.sport = (uint16_t)hf_rand_between(&r, sport.lo, sport.hi),
			.dport = (uint16_t)hf_rand_between(&r, dport.lo, dport.hi),
		};

		if (hf_rand_below(&r, 10) == 0)
			f.src = (uint32_t)hf_rand_u64(&r);
		put_key(s, i, &f, a->proto ? a->proto : HF_PROTO_UDP);
	}
}

static void run_ours(struct set *s, struct hf_memo *memo)
{
	const struct hf_classifier *c = s->classifier;
	struct hf_walk walks[BATCH];
	struct hf_decision d;
	size_t i, k;

	for (i = 0; i < KEYS; i += BATCH) {
		const struct hf_key *keys = &s->keys[i];

		for (k = 0; k < BATCH && c->large; k++)
			hf_classify_fetch_roots(c, &keys[k].src, &keys[k].dst, keys[k].dport);
		for (k = 0; k < BATCH && c->large; k++)
			hf_classify_fetch_spans(c, &keys[k].src, &keys[k].dst);
		for (k = 0; k < BATCH; k++)
			hf_classify_aim(
				c, NULL, memo, &keys[k], &keys[k].src, &keys[k].dst, &walks[k]);
		for (k = 0; k < BATCH; k++) {
			if (hf_classify_recall(c, &walks[k]))
				s->known++;
			else
				hf_classify_lead(c, NULL, &keys[k], &walks[k]);
		}
		for (k = 0; k < BATCH && c->large; k++)
			hf_classify_fetch(c, NULL, &keys[k], &walks[k]);
		for (k = 0; k < BATCH; k++) {
			if (!hf_classify_blind(c, NULL, &keys[k], &walks[k], &d))
				d = hf_classify(c, NULL, &keys[k]);
			s->ours[i + k] = d.verdict != HF_VERDICT_DENY;
		}
	}
}

/* By the list, as the path does where there is one. */
static void run_list(struct set *s, struct hf_memo *memo)
{
	struct hf_flat_key flats[BATCH];
	const struct hf_classifier *c = s->classifier;
	uint32_t said[BATCH];
	struct hf_walk w;
	struct hf_decision d;
	size_t i, k;

	for (i = 0; i < KEYS; i += BATCH) {
		const struct hf_key *keys = &s->keys[i];

		for (k = 0; k < BATCH; k++)
			hf_flat_fill(&flats[k], &keys[k].src, &keys[k].dst, keys[k].proto,
				keys[k].sport, keys[k].dport);
		hf_flat_ask(s->flat, s->list, flats, BATCH, said);
		for (k = 0; k < BATCH; k++) {
			w.set = NULL;
			w.said = said[k];
			if (said[k] == HF_MEMO_NONE) {
				hf_classify_aim(
					c, NULL, memo, &keys[k], &keys[k].src, &keys[k].dst, &w);
				if (!hf_classify_recall(c, &w))
					hf_classify_lead(c, NULL, &keys[k], &w);
			}
			if (!hf_classify_blind(c, NULL, &keys[k], &w, &d))
				d = hf_classify(c, NULL, &keys[k]);
			s->ours[i + k] = d.verdict != HF_VERDICT_DENY;
		}
	}
}

static void run_theirs(struct set *s)
{
	uint32_t results[BATCH];
	size_t i, k;

	for (i = 0; i < KEYS; i += BATCH) {
		if (rte_acl_classify(s->ctx, &s->data[i], results, BATCH, 1) != 0)
			errx(1, "rte_acl does not classify");
		for (k = 0; k < BATCH; k++)
			s->theirs[i + k] = results[k] == 2;
	}
}

static int cycles_cmp(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return (a > b) - (a < b);
}

enum { BY_MEMO, BY_ROWS, BY_LIST, BY_ACL, N_WAYS };

static void run(struct set *s, int way, struct hf_memo *memo)
{
	switch (way) {
	case BY_LIST:
		if (!s->flat)
			return;
		run_list(s, memo);
		break;
	case BY_ACL:
		run_theirs(s);
		return;
	default:
		run_ours(s, way == BY_MEMO ? memo : NULL);
	}
}

/* Every answer of the way just gone. */
static void check(struct set *s)
{
	size_t k;

	for (k = 0; k < KEYS; k++)
		s->wrong += s->ours[k] != s->theirs[k] ||
			    s->ours[k] != (hf_rules_lookup(s->rules, &s->keys[k]).verdict !=
						  HF_VERDICT_DENY);
}

static void measure(struct set *s)
{
	double cycles[N_WAYS][REPS_MAX], ours, t;
	struct hf_memo *memo = need(hf_memo_new(SOCKET_ID_ANY));
	unsigned int i, half = opt.reps / 2;
	int way;

	run_theirs(s);
	for (way = 0; way < BY_ACL; way++) {
		run(s, way, memo);
		check(s);
	}
	s->known = 0;
	for (i = 0; i < opt.reps; i++) {
		for (way = 0; way < N_WAYS; way++) {
			t = cycles_now();
			run(s, way, memo);
			cycles[way][i] = (cycles_now() - t) / KEYS;
		}
	}
	hf_memo_free(memo);
	for (way = 0; way < N_WAYS; way++)
		qsort(cycles[way], opt.reps, sizeof(cycles[way][0]), cycles_cmp);
	ours = cycles[s->wins ? BY_LIST : BY_MEMO][half];
	printf("{\"bench\": \"soft-acl\", \"set\": \"%s\", \"acl_rules\": %zu, \"by\": \"%s\", "
	       "\"cycles\": %.0f, \"memo_cycles\": %.0f, \"known\": %.3f, "
	       "\"row_cycles\": %.0f, \"list_cycles\": %.0f, \"acl_cycles\": %.0f, "
	       "\"ratio\": %.2f, \"build_s\": %.3f, \"list_build_s\": %.3f, "
	       "\"acl_build_s\": %.3f, \"bytes\": %zu, \"wrong\": %zu}\n",
		s->name, s->acl.n, s->wins ? "list" : "memo", ours, cycles[BY_MEMO][half],
		(double)s->known / opt.reps / KEYS, cycles[BY_ROWS][half],
		s->flat ? cycles[BY_LIST][half] : 0, cycles[BY_ACL][half],
		ours / cycles[BY_ACL][half], s->build, s->list_build, s->acl_build,
		hf_classifier_size(s->classifier), s->wrong);
	(void)fflush(stdout);
}

/* Takes the text and what acl points to. */
static bool run_set(const char *name, struct hf_acl take_acl, char *take_text)
{
	struct set s = {.name = name, .acl = take_acl, .text = take_text};

	build_ours(&s);
	build_acl(&s);
	make_keys(&s);
	measure(&s);
	rte_acl_free(s.ctx);
	hf_flat_free(s.flat);
	hf_classifier_free(s.classifier);
	hf_rules_free(s.rules);
	hf_acl_fini(&s.acl);
	free(s.text);
	free(s.keys);
	free(s.flats);
	free(s.data);
	free(s.ours);
	free(s.theirs);
	return s.wrong == 0;
}

/* Untracked and without failsafe ports, so that the rules alone decide. */
static char *untracked_text(const struct hf_acl *acl)
{
	static const char forward[] = "applyOnForward: true\n",
			  untracked[] = "doNotTrack: true\n  ";
	char *text = hf_acl_text(acl), *ret = NULL, *at, *found;
	size_t size;
	FILE *out = need(open_memstream(&ret, &size));

	for (at = text; (found = strstr(at, forward)); at = found + strlen(forward)) {
		(void)fwrite(at, 1, (size_t)(found - at), out);
		fprintf(out, "%s%s", untracked, forward);
	}
	fprintf(out,
		"%s---\napiVersion: projectcalico.org/v3\nkind: FelixConfiguration\n"
		"metadata: {name: default}\n"
		"spec: {failsafeInboundHostPorts: [], failsafeOutboundHostPorts: []}\n",
		at);
	if (fclose(out) != 0)
		errx(1, "out of memory");
	free(text);
	return ret;
}

static struct hf_prefix prefix_of(struct bench_net net)
{
	struct hf_prefix p = {.len = net.len};

	put_addr(net.addr, &p.addr);
	return p;
}

static void add_rule(struct hf_acl *acl, size_t *room, struct hf_acl_rule rule)
{
	if (acl->n == *room) {
		*room = *room ? 2 * *room : 1024;
		acl->v = need(realloc(acl->v, *room * sizeof(*acl->v)));
	}
	acl->v[acl->n++] = rule;
}

/* Every source with every range of ports. */
static struct hf_acl multiply(const struct bench_policy *p)
{
	struct hf_acl acl = {0};
	size_t room = 0, i, k;
	unsigned int port;

	for (i = 0; i < p->n_rules; i++) {
		const struct bench_rule *r = &p->rules[i];
		const struct bench_set *set = r->set < 0 ? NULL : &p->sets[r->set];
		struct hf_acl_rule rule = {
			.dst = prefix_of(r->dst),
			.sport = {0, UINT16_MAX},
			.dport = {0, UINT16_MAX},
			.proto = r->udp ? HF_PROTO_UDP : HF_PROTO_TCP,
			.allow = r->allow,
		};

		for (k = 0; k < (set ? set->n : 1); k++) {
			rule.src = prefix_of(set ? set->nets[k] : r->src);
			for (port = 0; port < (r->n_ports ? r->n_ports : 1); port++) {
				if (r->n_ports)
					rule.dport = (struct hf_ports){
						r->ports[port][0], r->ports[port][1]};
				add_rule(&acl, &room, rule);
			}
		}
	}
	return acl;
}

static bool run_calico(size_t n)
{
	struct bench_policy *policy = bench_policy_make(n, BENCH_SET_SIZE, SEED);
	char *text = bench_policy_yaml(policy, true, false), name[64];
	bool good;

	(void)snprintf(name, sizeof(name), "calico %zu", n);
	good = run_set(name, multiply(policy), text);
	bench_policy_free(policy);
	return good;
}

static bool run_made(size_t n)
{
	static const char *const names[] = {
		[HF_ACL_ACL] = "acl", [HF_ACL_FW] = "fw", [HF_ACL_IPC] = "ipc"};
	enum hf_acl_kind kind;
	bool good = true;
	char name[64];

	for (kind = HF_ACL_ACL; kind <= HF_ACL_IPC; kind++) {
		struct hf_acl acl;

		hf_acl_make(&acl, kind, 4, n, SEED);
		(void)snprintf(name, sizeof(name), "%s %zu", names[kind], n);
		good &= run_set(name, acl, untracked_text(&acl));
	}
	return good;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool run_files(const char *folder)
{
	struct dirent **list;
	int i, n = scandir(folder, &list, NULL, by_name);
	bool good = true;

	if (n < 0)
		err(1, "%s", folder);
	for (i = 0; i < n; i++) {
		char path[PATH_MAX];
		struct hf_acl acl;

		(void)snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);
		if (list[i]->d_name[0] != '.' && hf_acl_read(&acl, path, READ_MAX, SEED))
			good &= run_set(list[i]->d_name, acl, untracked_text(&acl));
		free(list[i]);
	}
	free(list);
	return good;
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"reps", required_argument, NULL, 'n'},
		{"rules", required_argument, NULL, 'r'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			opt.reps = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			opt.n_rules = strtoul(optarg, NULL, 10);
			break;
		default:
			exit(2);
		}
	}
	if (!opt.reps || opt.reps > REPS_MAX)
		errx(2, "--reps: 1 to %d", REPS_MAX);
}

int main(int argc, char **argv)
{
	const char *folder = getenv("HEPFLOW_CLASSBENCH");
	char *args[EAL_ARGS] = {argv[0], (char[]){"--no-pci"}, (char[]){"--no-telemetry"},
		(char[]){"--log-level=error"}, (char[]){"--force-max-simd-bitwidth=512"}};
	bool good = true;
	int i, n = 5;

	parse(argc, argv);
	for (i = optind; i < argc && n < EAL_ARGS - 1; i++)
		args[n++] = argv[i];
	if (rte_eal_init(n, args) < 0)
		errx(1, "EAL: %s", rte_strerror(rte_errno));
	if (folder) {
		good = run_files(folder);
	} else if (opt.n_rules) {
		good = run_made(opt.n_rules) && run_calico(opt.n_rules);
	} else {
		good = run_made(1000) && run_made(10000) && run_calico(1000);
	}
	(void)rte_eal_cleanup(); /* nobody is left to hear of it */
	if (!good)
		warnx("verdicts differ");
	return !good;
}
