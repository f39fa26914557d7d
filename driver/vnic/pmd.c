/* SPDX-License-Identifier: BSD-3-Clause */

#include "pmd.h"

#include "async.h"
#include "kernel.h"
#include "switch.h"

#include <hepflow/err.h>
#include <hepflow/profile.h>

#include <bus_vdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_malloc.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OWN_BLOCKS (HF_VNIC_KERNEL_BLOCK + 1) /* of readers */

RTE_LOG_REGISTER(hf_vnic_log, pmd.net.vnic, NOTICE);

/* capacity=: a smaller card than the profile's. */
static void shrink(struct hf_nic *nic, uint32_t capacity)
{
	size_t i;

	for (i = 0; capacity && i < nic->n_engines; i++) {
		struct hf_engine *engine = &nic->engine[i];

		if (!engine->capacity || engine->capacity > capacity)
			engine->capacity = capacity;
	}
}

/* A NIC with an e-switch is always part of one, be it alone. */
static int join(struct hf_vnic *vnic, const struct hf_vnic_args *args)
{
	vnic->lock = &vnic->own_lock;
	if (vnic->nic->transfer)
		return hf_vnic_switch_join(vnic, args, vnic->nic);
	if (args->switch_id == HF_VNIC_SWITCH_ALONE)
		return 0;
	VNIC_LOG(ERR, "switch=%u: profile %s has no e-switch", args->switch_id, vnic->nic->name);
	return -EINVAL;
}

static int init_rules(struct hf_vnic *vnic)
{
	int rc;

	if (vnic->nic->async) {
		vnic->async = calloc(1, sizeof(*vnic->async));
		if (!vnic->async)
			return -ENOMEM;
	}
	rc = hf_vnic_table_init(&vnic->table, vnic->nic, OWN_BLOCKS);
	if (rc < 0) {
		free(vnic->async);
		return rc;
	}
	return -pthread_mutex_init(&vnic->own_lock, NULL); /* never fails on Linux */
}

static void leave(struct hf_vnic *vnic)
{
	if (vnic->swport)
		hf_vnic_switch_leave(vnic);
	else
		hf_profile_free(vnic->nic);
	vnic->nic = NULL;
}

static int load_profile(struct hf_vnic *vnic, const struct hf_vnic_args *args)
{
	struct hf_err err = {};
	int rc = hf_profile_find(args->profile, &vnic->nic, &err);

	if (rc < 0) {
		VNIC_LOG(ERR, "profile=%s: %s", args->profile, err.text);
		return rc;
	}
	shrink(vnic->nic, vnic->faults.capacity);
	rc = join(vnic, args);
	if (rc == 0)
		rc = init_rules(vnic);
	if (rc < 0)
		leave(vnic);
	return rc;
}

/* The port's address is the sub-device's. */
static int set_mac(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = dev->data->dev_private;
	struct rte_ether_addr *mac = rte_zmalloc("vnic_mac", sizeof(*mac), 0);

	if (!mac)
		return -ENOMEM;
	dev->data->mac_addrs = mac;
	if (vnic->sub.present)
		return rte_eth_macaddr_get(vnic->sub.port, mac);
	rte_eth_random_addr(mac->addr_bytes);
	return 0;
}

static void represent(struct rte_eth_dev *dev, uint32_t function)
{
	struct hf_vnic *vnic = dev->data->dev_private;

	dev->data->dev_flags |= RTE_ETH_DEV_REPRESENTOR;
	dev->data->representor_id = (uint16_t)function;
	dev->data->backer_port_id = hf_vnic_switch_proxy(vnic->swport->sw)->port;
}

static int open_subs(struct hf_vnic *vnic, const struct hf_vnic_args *args)
{
	int rc;

	if (args->kernel && !vnic->nic->bifurcated) {
		VNIC_LOG(ERR, "kernel=%s: profile %s is not bifurcated", args->kernel,
			vnic->nic->name);
		return -EINVAL;
	}
	vnic->sub.spare = vnic->swport || args->kernel;
	rc = args->sub ? hf_vnic_sub_open(&vnic->sub, args->sub) : 0;
	return rc == 0 && args->kernel ? hf_vnic_kernel_open(vnic, args->kernel) : rc;
}

static int open_port(struct rte_eth_dev *dev, const struct hf_vnic_args *args)
{
	struct hf_vnic *vnic = dev->data->dev_private;
	int rc;

	vnic->port = dev->data->port_id;
	vnic->faults = args->faults;
	atomic_store(&vnic->fault.cut, args->faults.link_down);
	rc = load_profile(vnic, args);
	if (rc < 0)
		return rc;
	rc = open_subs(vnic, args);
	if (rc == 0)
		rc = set_mac(dev);
	if (rc < 0) {
		hf_vnic_dev_fini(dev, false);
		return rc;
	}
	dev->dev_ops = &hf_vnic_dev_ops;
	dev->rx_pkt_burst = hf_vnic_rx_burst;
	dev->tx_pkt_burst = hf_vnic_tx_burst;
	dev->tx_pkt_prepare = hf_vnic_tx_prepare;
	dev->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	if (args->representor != HF_VNIC_NO_REPRESENTOR)
		represent(dev, args->representor);
	if (args->faults.remove)
		dev->data->dev_flags |= RTE_ETH_DEV_INTR_RMV;
	return 0;
}

static int make_port(struct rte_vdev_device *vdev, const struct hf_vnic_args *args)
{
	struct rte_eth_dev *dev = rte_eth_vdev_allocate(vdev, sizeof(struct hf_vnic));
	int rc;

	if (!dev)
		return -ENOMEM;
	rc = open_port(dev, args);
	if (rc < 0) {
		rte_eth_dev_release_port(dev);
		return rc;
	}
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int vnic_probe(struct rte_vdev_device *vdev)
{
	const char *text = rte_vdev_device_args(vdev);
	struct hf_vnic_args args;
	int rc;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
		VNIC_LOG(ERR,
			"secondary processes cannot use it: rules live in the primary's memory");
		return -ENOTSUP;
	}
	rc = hf_vnic_args_parse(text ? text : "", &args);
	if (rc < 0)
		return rc;
	rc = make_port(vdev, &args);
	hf_vnic_args_fini(&args);
	return rc;
}

static int vnic_remove(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	/* Closed ports are gone already. */
	if (!dev)
		return 0;
	hf_vnic_dev_fini(dev, true);
	return rte_eth_dev_release_port(dev);
}

static struct rte_vdev_driver vnic_driver = {
	.probe = vnic_probe,
	.remove = vnic_remove,
};

RTE_PMD_REGISTER_VDEV(net_vnic, vnic_driver);
RTE_PMD_REGISTER_PARAM_STRING(net_vnic,
	"profile=<name or file> kernel=<device;its arguments> fail=<op:n[:errno];...> lose=<n> "
	"delay=<op:us;...> capacity=<n> link=down event=<remove|reset>:<n> pull=<late|lost:n;...> "
	"switch=<n> representor=<n> dev=<device and its arguments>");
