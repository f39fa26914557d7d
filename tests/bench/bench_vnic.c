/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The virtual SmartNIC by itself: what it costs to make and destroy a rule among many, and to find
 * the rule of a packet among many, next to trying them one by one. CPU time of the thread; every
 * verdict is checked.
 *
 *   meson test -C build --benchmark vnic --verbose        HF_BENCH_RULES: how many (100000)
 */

#include <hepflow/err.h>
#include <hepflow/profile.h>
#include <vnic/vnic.h>

#include <rte_bus_vdev.h>
#include <rte_byteorder.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOKUPS 1000000u
#define LINEAR	200u /* lookups by linear scan: they are slow */

static uint32_t n_rules = 100000;
static struct rte_flow **rules;

static void die(const char *why)
{
	fprintf(stderr, "bench-vnic: %s\n", why);
	exit(1);
}

static double cpu(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* cannot fail */
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Rule i drops one address, by the whole of rte_flow_create(). */
static struct rte_flow *make(uint16_t port, uint32_t i, uint32_t prio)
{
	struct rte_flow_attr attr = {.ingress = 1, .group = 1, .priority = prio};
	struct rte_flow_item_ipv4 spec = {.hdr.dst_addr = rte_cpu_to_be_32(0x0a000000 + i)};
	struct rte_flow_item_ipv4 mask = {.hdr.dst_addr = RTE_BE32(UINT32_MAX)};
	struct rte_flow_item items[] = {{.type = RTE_FLOW_ITEM_TYPE_ETH},
		{.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &spec, .mask = &mask},
		{.type = RTE_FLOW_ITEM_TYPE_END}};
	struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_DROP}, {.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_error error;
	struct rte_flow *rule = rte_flow_create(port, &attr, items, actions, &error);

	if (!rule)
		die(error.message ? error.message : "a rule is refused");
	return rule;
}

/* order: 0 all of one priority, 1 falling numbers, so that each new rule comes first. */
static void bench_api(uint16_t port, bool falling)
{
	double t = cpu(), made;
	uint32_t i;

	for (i = 0; i < n_rules; i++)
		rules[i] = make(port, i, falling ? 20000 - i % 20000 : 0);
	made = cpu() - t;
	t = cpu();
	for (i = 0; i < n_rules; i++) {
		if (rte_flow_destroy(port, rules[i], NULL) < 0)
			die("a rule cannot be destroyed");
	}
	printf("%-34s %6.0f ns to make, %6.0f ns to destroy a rule (of %u)\n",
		falling ? "falling priorities" : "one priority", made / n_rules,
		(cpu() - t) / n_rules, n_rules);
}

/* Masks of address and port: 8 bits up of both, so many tuples. */
static void add(struct hf_vnic_table *table, const struct hf_nic *nic, uint32_t i, uint32_t tuples)
{
	struct hf_flow flow = {.ingress = true, .group = 1, .priority = i % 20000};
	struct hf_vnic_ask ask = {.flow = &flow, .engine = &nic->engine[0]};
	struct hf_pattern *p = &flow.pattern;
	uint32_t addr = rte_cpu_to_be_32(0x0a000000 + i);
	uint32_t cut = rte_cpu_to_be_32(UINT32_MAX << i % tuples % 16);
	enum hf_reject reject;

	p->layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV4);
	memcpy(p->mask.ip_dst, &cut, sizeof(cut));
	addr &= cut;
	memcpy(p->spec.ip_dst, &addr, sizeof(addr));
	p->mask.ip_proto = (uint8_t)(i % tuples / 16);
	flow.actions[0] = (struct hf_flow_action){.act = HF_ACT_DROP};
	flow.n_actions = 1;
	if (hf_vnic_table_add(table, &ask, &rules[i], &reject) < 0)
		die("the table refuses a rule");
}

static struct hf_vnic_pkt packet(uint32_t i)
{
	struct hf_vnic_pkt pkt = {.type = HF_VNIC_V4_TCP};
	uint32_t addr = rte_cpu_to_be_32(0x0a000000 + i);

	pkt.layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(HF_LAYER_IPV4);
	memcpy(pkt.hdr.ip_dst, &addr, sizeof(addr));
	return pkt;
}

static bool goes_before(const struct rte_flow *a, const struct rte_flow *b)
{
	return a->order != b->order ? a->order < b->order : a->seq < b->seq;
}

static struct rte_flow *scan(const struct hf_vnic_pkt *pkt)
{
	struct rte_flow *best = NULL;
	uint64_t hdr[HF_VNIC_WORDS];
	uint32_t i, w;

	memcpy(hdr, &pkt->hdr, sizeof(hdr));
	for (i = 0; i < n_rules; i++) {
		for (w = rules[i]->first_word; w < rules[i]->end_word; w++) {
			if ((hdr[w] ^ rules[i]->spec[w]) & rules[i]->mask[w])
				break;
		}
		if (w == rules[i]->end_word && (!best || goes_before(rules[i], best)))
			best = rules[i];
	}
	return best;
}

static void bench_match(const struct hf_nic *nic, uint32_t tuples)
{
	struct hf_vnic_table *table = calloc(1, sizeof(*table));
	struct hf_flow flow = {.ingress = true};
	struct hf_vnic_ask ask = {.flow = &flow, .engine = &nic->engine[0]};
	const struct hf_vnic_root *root;
	struct hf_vnic_verdict v;
	enum hf_reject reject;
	struct rte_flow *jump;
	double t, fast, slow;
	uint32_t i;

	if (!table || hf_vnic_table_init(table, nic, 2) < 0)
		die("no table");
	hf_vnic_table_readers(table, HF_VNIC_RX, 1);
	hf_vnic_table_readers(table, HF_VNIC_TX, 1);
	flow.pattern.layers = HF_LAYER_BIT(HF_LAYER_ETH);
	flow.actions[0] = (struct hf_flow_action){.act = HF_ACT_JUMP, .value = 1};
	flow.n_actions = 1;
	if (hf_vnic_table_add(table, &ask, &jump, &reject) < 0)
		die("no jump");
	for (i = 0; i < n_rules; i++)
		add(table, nic, i, tuples);
	root = hf_vnic_enter(table, HF_VNIC_RX, HF_VNIC_RX, 0);
	t = cpu();
	for (i = 0; i < LOOKUPS; i++) {
		struct hf_vnic_pkt pkt = packet(i * 2654435761u % n_rules);

		hf_vnic_exec(root, &pkt, 60, &v);
	}
	fast = (cpu() - t) / LOOKUPS;
	slow = 0;
	for (i = 0; i < LINEAR; i++) {
		struct hf_vnic_pkt pkt = packet(i * 2654435761u % n_rules);
		bool hit;

		t = cpu();
		hit = scan(&pkt);
		slow += cpu() - t;
		hf_vnic_exec(root, &pkt, 60, &v);
		if (hit != (v.fate == HF_VNIC_DROP))
			die("the index and the scan differ");
	}
	slow /= LINEAR;
	hf_vnic_leave(table, HF_VNIC_RX, 0);
	printf("%4u sets of masks                  %6.0f ns a packet, one by one %9.0f ns: %.0f "
	       "times\n",
		tuples, fast, slow, slow / fast);
	hf_vnic_table_fini(table);
	free(table);
}

int main(int, char **argv)
{
	char *args[] = {argv[0], "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m",
		"64", "--log-level=error", NULL};
	const char *text = getenv("HF_BENCH_RULES");
	struct hf_err err = {};
	struct hf_nic *nic;
	uint16_t port = 0;

	if (text)
		n_rules = (uint32_t)strtoul(text, NULL, 10);
	rules = calloc(n_rules ? n_rules : 1, sizeof(rules[0]));
	if (!rules || n_rules == 0 || rte_eal_init(8, args) < 0)
		die("cannot start");
	if (hf_profile_find("mlx5-cx6dx", &nic, &err) < 0)
		die(err.text);
	if (rte_vdev_init("net_vnic0", "profile=mlx5-cx6dx") < 0 ||
		rte_eth_dev_get_port_by_name("net_vnic0", &port) < 0)
		die("no port");
	bench_api(port, false);
	bench_api(port, true);
	bench_match(nic, 1);
	bench_match(nic, 16);
	bench_match(nic, 256);
	free(rules);
	hf_profile_free(nic);
	(void)rte_eal_cleanup();
	return 0;
}
