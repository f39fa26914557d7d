/* SPDX-License-Identifier: BSD-3-Clause */

#include "pmd.h"

#include <hepflow/err.h>
#include <hepflow/profile.h>

#include <bus_vdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_kvargs.h>
#include <rte_malloc.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARG_PROFILE "profile"
#define ARG_DEV	    "dev="

RTE_LOG_REGISTER(hf_vnic_log, pmd.net.vnic, NOTICE);

/* Everything behind "dev=" is the sub-device's, commas included. */
static const char *find_sub(const char *text)
{
	const char *at = text;

	while (at && strncmp(at, ARG_DEV, strlen(ARG_DEV)) != 0) {
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	return at;
}

static int take_text(const char *key, const char *value, void *arg)
{
	char **ret = arg;

	RTE_SET_USED(key);
	if (*ret || !value || !*value)
		return -EINVAL;
	*ret = strdup(value);
	return *ret ? 0 : -ENOMEM;
}

static int parse_own(const char *text, char **ret_profile)
{
	static const char *const keys[] = {ARG_PROFILE, NULL};
	struct rte_kvargs *kv = rte_kvargs_parse(text, keys);
	int rc = kv ? rte_kvargs_process(kv, ARG_PROFILE, take_text, ret_profile) : -EINVAL;

	rte_kvargs_free(kv);
	if (rc == 0 && !*ret_profile)
		rc = -EINVAL;
	if (rc < 0)
		VNIC_LOG(ERR,
			"arguments are profile=NAME|FILE, once, and then dev=DEVICE[,...]: \"%s\"",
			text);
	return rc < 0 ? -EINVAL : 0;
}

static int parse_args(const char *text, char **ret_profile, const char **ret_sub)
{
	const char *sub = find_sub(text);
	size_t len = sub ? (size_t)(sub - text) : strlen(text);
	char *own = strndup(text, len && sub ? len - 1 : len);
	int rc;

	if (!own)
		return -ENOMEM;
	rc = parse_own(own, ret_profile);
	free(own);
	*ret_sub = sub ? sub + strlen(ARG_DEV) : NULL;
	return rc;
}

static int load_profile(struct hf_vnic *vnic, const char *name)
{
	struct hf_err err = {};
	int rc = hf_profile_find(name, &vnic->nic, &err);

	if (rc == 0) {
		rc = hf_vnic_table_init(&vnic->table, vnic->nic);
		if (rc == 0)
			return 0;
		hf_profile_free(vnic->nic);
		return rc;
	}
	VNIC_LOG(ERR, "profile=%s: %s", name, err.text);
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

static int open_port(struct rte_eth_dev *dev, const char *profile, const char *sub)
{
	struct hf_vnic *vnic = dev->data->dev_private;
	int rc = load_profile(vnic, profile);

	if (rc < 0)
		return rc;
	vnic->port = dev->data->port_id;
	rc = sub ? hf_vnic_sub_open(&vnic->sub, sub) : 0;
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
	return 0;
}

static int make_port(struct rte_vdev_device *vdev, const char *profile, const char *sub)
{
	struct rte_eth_dev *dev = rte_eth_vdev_allocate(vdev, sizeof(struct hf_vnic));
	int rc;

	if (!dev)
		return -ENOMEM;
	rc = open_port(dev, profile, sub);
	if (rc < 0) {
		rte_eth_dev_release_port(dev);
		return rc;
	}
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int vnic_probe(struct rte_vdev_device *vdev)
{
	const char *text = rte_vdev_device_args(vdev), *sub = NULL;
	char *profile = NULL;
	int rc;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
		VNIC_LOG(ERR,
			"secondary processes cannot use it: rules live in the primary's memory");
		return -ENOTSUP;
	}
	rc = parse_args(text ? text : "", &profile, &sub);
	if (rc == 0)
		rc = make_port(vdev, profile, sub);
	free(profile);
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
RTE_PMD_REGISTER_PARAM_STRING(
	net_vnic, ARG_PROFILE "=<name or file> " ARG_DEV "<device and its arguments>");
