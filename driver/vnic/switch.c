/* SPDX-License-Identifier: BSD-3-Clause */

#include "switch.h"

#include "flow.h"

#include <hepflow/profile.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* mlx5's number for the manager of the switch, whose packets are the application's. */
#define MANAGER_PORT	UINT16_MAX
#define MANAGER_PORT_ID UINT32_MAX

#define PORT_LAYERS	(HF_LAYER_BIT(HF_LAYER_PORT_ID) | HF_LAYER_BIT(HF_LAYER_REPRESENTED_PORT))

static struct hf_vnic_switch *switches;
static pthread_mutex_t switches_lock = PTHREAD_MUTEX_INITIALIZER;

/* The switch with this number, if several ports may be of it. */
static struct hf_vnic_switch *find_switch(uint32_t id)
{
	struct hf_vnic_switch *sw;

	for (sw = switches; sw; sw = sw->next) {
		if (id != HF_VNIC_SWITCH_ALONE && sw->id == id)
			return sw;
	}
	return NULL;
}

static int switch_init(struct hf_vnic_switch *sw, uint32_t id, struct hf_nic *nic)
{
	int rc = rte_eth_switch_domain_alloc(&sw->domain);

	if (rc < 0)
		return rc;
	rc = hf_vnic_table_init(&sw->table, nic, HF_VNIC_BLOCKS_MAX);
	if (rc < 0) {
		(void)rte_eth_switch_domain_free(sw->domain);
		return rc;
	}
	sw->id = id;
	sw->nic = nic;
	(void)pthread_mutex_init(&sw->lock, NULL); /* never fails on Linux */
	return 0;
}

/* With the lock of all switches held. */
static void switch_free(struct hf_vnic_switch *sw)
{
	struct rte_mbuf *m;
	size_t i;

	LL_DELETE(switches, sw);
	for (i = 0; i < RTE_DIM(sw->ports); i++) {
		struct hf_vnic_swport *port = &sw->ports[i];

		while (port->out && rte_ring_dequeue(port->out, (void **)&m) == 0)
			rte_pktmbuf_free(m);
		while (port->in && rte_ring_dequeue(port->in, (void **)&m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(port->out);
		rte_ring_free(port->in);
	}
	hf_vnic_table_fini(&sw->table);
	pthread_mutex_destroy(&sw->lock);
	(void)rte_eth_switch_domain_free(sw->domain);
	hf_profile_free(sw->nic);
	free(sw);
}

/* The first to join gets the first place, and nobody joins without it. */
struct hf_vnic_swport *hf_vnic_switch_proxy(struct hf_vnic_switch *sw)
{
	return sw->ports[0].taken ? &sw->ports[0] : NULL;
}

static int check_join(struct hf_vnic_switch *sw, const struct hf_vnic_args *args,
	const struct hf_nic *nic, struct hf_vnic_swport **ret)
{
	const struct hf_vnic_swport *proxy = hf_vnic_switch_proxy(sw);
	const char *why = NULL;
	size_t i, free_at = RTE_DIM(sw->ports);

	for (i = RTE_DIM(sw->ports); i-- > 0;) {
		if (!sw->ports[i].taken)
			free_at = i;
		else if (sw->ports[i].representor == args->representor)
			why = proxy == &sw->ports[i] ? "the switch has its first port already"
						     : "that function has a representor already";
	}
	if (strcmp(sw->nic->name, nic->name) != 0)
		why = "ports of one switch have one profile";
	else if (!proxy && args->representor != HF_VNIC_NO_REPRESENTOR)
		why = "the first port of a switch is no representor";
	else if (free_at == RTE_DIM(sw->ports))
		why = "the switch has no room for another port";
	if (why) {
		VNIC_LOG(ERR, "switch=%u: %s", args->switch_id, why);
		return -EINVAL;
	}
	*ret = &sw->ports[free_at];
	return 0;
}

static int make_ring(struct rte_ring **ring, uint16_t domain, uint16_t slot, char kind)
{
	char name[RTE_RING_NAMESIZE];

	if (*ring)
		return 0;
	snprintf(name, sizeof(name), "vnicsw%u_%u%c", domain, slot, kind);
	*ring = rte_ring_create(name, HF_VNIC_RING_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	return *ring ? 0 : -rte_errno;
}

static int join(struct hf_vnic *vnic, struct hf_vnic_switch *sw, const struct hf_vnic_args *args)
{
	struct hf_vnic_swport *port = NULL;
	uint16_t slot;
	int rc = check_join(sw, args, vnic->nic, &port);

	if (rc < 0)
		return rc;
	slot = (uint16_t)(port - sw->ports);
	rc = make_ring(&port->out, sw->domain, slot, 'o');
	if (rc == 0)
		rc = make_ring(&port->in, sw->domain, slot, 'i');
	if (rc < 0)
		return rc;
	port->taken = true;
	port->slot = slot;
	port->port = vnic->port;
	port->representor = args->representor;
	port->sw = sw;
	sw->n_ports++;
	vnic->swport = port;
	vnic->lock = &sw->lock;
	return 0;
}

int hf_vnic_switch_join(struct hf_vnic *vnic, const struct hf_vnic_args *args, struct hf_nic *nic)
{
	struct hf_vnic_switch *sw;
	bool fresh;
	int rc = 0;

	pthread_mutex_lock(&switches_lock);
	sw = find_switch(args->switch_id);
	fresh = !sw;
	if (fresh) {
		sw = calloc(1, sizeof(*sw));
		rc = sw ? switch_init(sw, args->switch_id, nic) : -ENOMEM;
		if (rc < 0) {
			free(sw);
			pthread_mutex_unlock(&switches_lock);
			return rc;
		}
		LL_PREPEND(switches, sw);
	}
	rc = join(vnic, sw, args);
	if (rc < 0 && fresh) {
		sw->nic = NULL; /* still the caller's */
		switch_free(sw);
	} else if (rc == 0 && !fresh) {
		hf_profile_free(nic);
		vnic->nic = sw->nic;
	}
	pthread_mutex_unlock(&switches_lock);
	return rc;
}

void hf_vnic_switch_leave(struct hf_vnic *vnic)
{
	struct hf_vnic_swport *port = vnic->swport;
	struct hf_vnic_switch *sw = port->sw;

	pthread_mutex_lock(&switches_lock);
	port->taken = false;
	vnic->swport = NULL;
	vnic->lock = NULL;
	vnic->nic = NULL;
	if (--sw->n_ports == 0)
		switch_free(sw);
	pthread_mutex_unlock(&switches_lock);
}

static void drain(struct rte_ring *ring)
{
	struct rte_mbuf *m;

	while (rte_ring_sc_dequeue(ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

void hf_vnic_switch_up(struct hf_vnic *vnic, bool up, uint16_t n_rx, uint16_t n_tx)
{
	struct hf_vnic_swport *port = vnic->swport;

	pthread_mutex_lock(vnic->lock);
	hf_vnic_table_readers(&port->sw->table, 2 * port->slot, n_rx);
	hf_vnic_table_readers(&port->sw->table, 2 * port->slot + 1, n_tx);
	pthread_mutex_unlock(vnic->lock);
	atomic_store(&port->up, up);
	if (up)
		return;
	drain(port->out);
	drain(port->in);
}

static struct hf_vnic_swport *port_of(struct hf_vnic_switch *sw, uint32_t id)
{
	size_t i;

	for (i = 0; i < RTE_DIM(sw->ports); i++) {
		if (sw->ports[i].taken && sw->ports[i].port == id)
			return &sw->ports[i];
	}
	return NULL;
}

static bool all_ones(const uint8_t *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (b[i] != 0xff)
			return false;
	}
	return true;
}

/* Of the item's field, in network order. */
static int check_item(struct hf_vnic_switch *sw, const struct hf_flow *flow, enum hf_field f,
	struct rte_flow_error *error)
{
	const struct hf_field_info *info = hf_field_info(f);
	const uint8_t *spec = (const uint8_t *)&flow->pattern.spec + info->offset;
	const uint8_t *mask = (const uint8_t *)&flow->pattern.mask + info->offset;
	uint32_t id = 0;
	size_t i;

	if (!(flow->pattern.layers & HF_LAYER_BIT(info->layer)) || !all_ones(mask, info->size) ||
		all_ones(spec, info->size))
		return 0;
	for (i = 0; i < info->size; i++)
		id = id << 8 | spec[i];
	if (port_of(sw, id))
		return 0;
	/* drivers/net/mlx5/mlx5_flow_dv.c, flow_dv_validate_item_represented_port */
	return rte_eth_dev_is_valid_port((uint16_t)RTE_MIN(id, (uint32_t)UINT16_MAX))
		       ? hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
				 "cannot match on a port from a different E-Switch")
		       : hf_vnic_flow_fail(error, ENODEV, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
				 "failed to obtain E-Switch info for port");
}

int hf_vnic_switch_check(struct hf_vnic *vnic, const struct hf_flow *flow, struct hf_vnic_ask *ask,
	struct rte_flow_error *error)
{
	struct hf_vnic_switch *sw = vnic->swport->sw;
	size_t i;
	int rc = check_item(sw, flow, HF_F_PORT_ID, error);

	if (rc == 0)
		rc = check_item(sw, flow, HF_F_REPRESENTED_PORT, error);
	for (i = 0; rc == 0 && i < flow->n_actions; i++) {
		const struct hf_flow_action *a = &flow->actions[i];

		if (a->act != HF_ACT_PORT_ID && a->act != HF_ACT_REPRESENTED_PORT)
			continue;
		ask->out = port_of(sw, a->value);
		if (ask->out)
			continue;
		/* same place, flow_dv_validate_action_port_id */
		rc = rte_eth_dev_is_valid_port((uint16_t)RTE_MIN(a->value, (uint32_t)UINT16_MAX))
			     ? hf_vnic_flow_fail(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION,
				       "port does not belong to E-Switch being configured")
			     : hf_vnic_flow_fail(error, ENODEV, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
				       "failed to obtain E-Switch port id for port");
	}
	return rc;
}

/* One writer; the reader of statistics must only not see half a number. */
static void add(uint64_t *to, uint64_t n)
{
	__atomic_store_n(to, __atomic_load_n(to, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* False: nobody is there, or the ring is full; the packet is still the caller's. */
static bool leave_at(const struct hf_vnic_swport *to, struct rte_ring *ring, struct rte_mbuf *m)
{
	return atomic_load_explicit(&to->up, memory_order_acquire) &&
	       rte_ring_mp_enqueue(ring, m) == 0;
}

static void put_source(struct hf_vnic_pkt *pkt, uint16_t port, uint32_t id)
{
	rte_be16_t port_be = rte_cpu_to_be_16(port);
	rte_be32_t id_be = rte_cpu_to_be_32(id);

	pkt->layers |= PORT_LAYERS;
	memcpy(pkt->hdr.represented_port, &port_be, sizeof(port_be));
	memcpy(pkt->hdr.port_id, &id_be, sizeof(id_be));
}

/*
 * Where no rule of a later group decides, the manager has the packet, which is the first port: the
 * default address of an FDB domain is its (rdma-core, providers/mlx5/dr_domain.c).
 */
static bool to_manager(struct hf_vnic_switch *sw, struct rte_mbuf *m)
{
	return leave_at(&sw->ports[0], sw->ports[0].in, m);
}

/* Whether the packet from outside stays with its port. */
static bool stays(struct hf_vnic_rxq *rxq, const struct hf_vnic_root *root, struct rte_mbuf *m)
{
	struct hf_vnic_swport *from = rxq->vnic->swport;
	struct hf_vnic_verdict v;
	struct hf_vnic_pkt pkt;
	bool took;

	m->ol_flags &= ~(RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID);
	hf_vnic_parse(rxq->vnic->nic, m, &pkt);
	put_source(&pkt, from->port, from->port);
	hf_vnic_exec(root, &pkt, rte_pktmbuf_pkt_len(m), &v);
	hf_vnic_write_mark(m, &v);
	switch (v.fate) {
	case HF_VNIC_MISS:
		return true;
	case HF_VNIC_GROUP_MISS:
		if (from->representor == HF_VNIC_NO_REPRESENTOR)
			return true;
		took = to_manager(from->sw, m);
		break;
	case HF_VNIC_PORT:
		took = leave_at(v.out, v.out->out, m);
		add(&rxq->stats.switched, took);
		break;
	default:
		add(&rxq->stats.switch_drop, 1);
		rte_pktmbuf_free(m);
		return false;
	}
	if (!took) {
		add(&rxq->stats.switch_full, 1);
		rte_pktmbuf_free(m);
	}
	return false;
}

uint16_t hf_vnic_switch_rx(struct hf_vnic_rxq *rxq, struct rte_mbuf **pkts, uint16_t n)
{
	struct hf_vnic_swport *from = rxq->vnic->swport;
	const struct hf_vnic_root *root;
	uint16_t i, left = 0;

	root = hf_vnic_enter(&from->sw->table, HF_VNIC_FDB, 2 * from->slot, rxq->id);
	for (i = 0; i < n; i++) {
		if (stays(rxq, root, pkts[i]))
			pkts[left++] = pkts[i];
	}
	hf_vnic_leave(&from->sw->table, 2 * from->slot, rxq->id);
	return left;
}

uint16_t hf_vnic_switch_poll(struct hf_vnic_rxq *rxq, struct rte_mbuf **pkts, uint16_t room)
{
	struct hf_vnic_swport *port = rxq->vnic->swport;
	const struct hf_vnic_sub *sub = &rxq->vnic->sub;
	struct rte_mbuf *out[HF_VNIC_BURST];
	uint16_t n = rte_ring_sc_dequeue_burst(port->out, (void **)out, HF_VNIC_BURST, NULL);

	if (n)
		add(&rxq->stats.switch_full, n - hf_vnic_sub_send(sub, out, n));
	return rte_ring_sc_dequeue_burst(
		port->in, (void **)pkts, RTE_MIN(room, HF_VNIC_BURST), NULL);
}

const struct hf_vnic_root *hf_vnic_switch_enter_tx(struct hf_vnic_swport *from, uint16_t q)
{
	return hf_vnic_enter(&from->sw->table, HF_VNIC_FDB, 2 * from->slot + 1, q);
}

void hf_vnic_switch_leave_tx(struct hf_vnic_swport *from, uint16_t q)
{
	hf_vnic_leave(&from->sw->table, 2 * from->slot + 1, q);
}

/* The application's packets are the manager's, whatever port they are sent by; what no rule wants
 * goes to what that port stands for (mlx5_flow.c, mlx5_flow_create_devx_sq_miss_flow). */
bool hf_vnic_switch_tx(struct hf_vnic_swport *from, const struct hf_vnic_root *root,
	struct hf_vnic_pkt *pkt, struct rte_mbuf *m, bool *ret_drop)
{
	struct hf_vnic_verdict v;

	*ret_drop = false;
	put_source(pkt, MANAGER_PORT, MANAGER_PORT_ID);
	pkt->layers |= HF_LAYER_BIT(HF_LAYER_PORT_REPRESENTOR);
	hf_vnic_exec(root, pkt, rte_pktmbuf_pkt_len(m), &v);
	switch (v.fate) {
	case HF_VNIC_MISS:
		return true;
	case HF_VNIC_PORT:
		if (v.out == from)
			return true;
		*ret_drop = !leave_at(v.out, v.out->out, m);
		return false;
	case HF_VNIC_GROUP_MISS:
		*ret_drop = !to_manager(from->sw, m);
		return false;
	default:
		*ret_drop = true;
		return false;
	}
}
