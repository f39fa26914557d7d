/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test_eal.h"
#include "port.h"

#include <rte_bus_vdev.h>
#include <rte_ethdev.h>

#include <string.h>

HF_EAL_SUITE(pmd);

Test(pmd, the_sub_device_is_hidden_and_given_back)
{
	struct rte_eth_dev_owner owner;
	uint16_t ring, p, n = 0;

	open_port("mlx5-cx6dx", 1);
	cr_assert(rte_eth_dev_get_port_by_name("net_ring_wire", &ring) == 0);
	RTE_ETH_FOREACH_DEV (p)
		n++;
	cr_expect(n == 1);
	cr_expect(rte_eth_dev_owner_get(ring, &owner) == 0 && owner.id != RTE_ETH_DEV_NO_OWNER);
	close_port();
	cr_expect(rte_eth_dev_owner_get(ring, &owner) == 0 && owner.id == RTE_ETH_DEV_NO_OWNER);
}

Test(pmd, a_sub_device_it_made_goes_with_it)
{
	uint16_t p;

	cr_assert(rte_vdev_init("net_vnic0", "profile=none,dev=net_null0,size=100") == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_null0", &p) == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic0", &p) == 0);
	cr_expect(rte_eth_dev_close(p) == 0 && rte_vdev_uninit("net_vnic0") == 0);
	cr_expect(rte_eth_dev_get_port_by_name("net_null0", &p) != 0);
	/* Removed without being closed, and made again. */
	cr_assert(rte_vdev_init("net_vnic0", "profile=none,dev=net_null0") == 0);
	cr_expect(rte_vdev_uninit("net_vnic0") == 0);
	cr_assert(rte_vdev_init("net_vnic0", "profile=none,dev=net_null0") == 0);
	cr_assert(rte_eth_dev_get_port_by_name("net_vnic0", &p) == 0);
	cr_expect(rte_eth_dev_close(p) == 0 && rte_vdev_uninit("net_vnic0") == 0);
}

Test(pmd, an_application_may_leave_without_closing)
{
	cr_assert(rte_vdev_init("net_vnic0", "profile=none,dev=net_null0") == 0);
	cr_assert(rte_vdev_init("net_vnic1", "profile=none,dev=net_null1") == 0);
	cr_expect(rte_eal_cleanup() == 0);
}

Test(pmd, wrong_arguments_make_no_port)
{
	static const char *const wrong[] = {"", "profile=", "profile=no-such-nic", "colour=red",
		"profile=none,profile=none", "profile=none,dev=", "profile=none,dev=net_nosuch0",
		"dev=net_null0", "profile=none,colour=red,dev=net_null0",
		"profile=none,dev=crypto_null0", "profile=none,fail=make:1",
		"profile=none,fail=", "profile=none,fail=create", "profile=none,fail=create:0",
		"profile=none,fail=create:1:ENOSUCH", "profile=none,fail=create:1:ENOMEM:2",
		"profile=none,fail=create:1;", "profile=none,fail=create:1,fail=create:2",
		"profile=none,lose=0", "profile=none,lose=-1", "profile=none,lose=1x",
		"profile=none,delay=create", "profile=none,delay=create:1;create:2",
		"profile=none,delay=create:10000001", "profile=none,capacity=4294967296",
		"profile=none,capacity", "profile=none,link=up", "profile=none,event=remove",
		"profile=none,event=burn:1", "profile=none,Lose=1", "profile=none,pull=late",
		"profile=none,pull=late:1;late:2", "profile=none,pull=early:1"};
	uint16_t p, other;
	size_t i;

	rte_log_set_global_level(RTE_LOG_EMERG);
	cr_assert(rte_vdev_init("net_null7", NULL) == 0);
	for (i = 0; i < RTE_DIM(wrong); i++) {
		cr_expect(rte_vdev_init("net_vnic0", wrong[i]) < 0, "%s", wrong[i]);
		cr_expect(rte_eth_dev_get_port_by_name("net_vnic0", &p) != 0);
		cr_expect(rte_eth_dev_get_port_by_name("net_null0", &p) != 0);
		cr_expect(rte_eth_dev_get_port_by_name("net_null7", &other) == 0, "%s", wrong[i]);
	}
}

Test(pmd, tells_its_profile)
{
	char text[64];

	open_port("mlx5-cx6dx", 1);
	cr_expect(rte_eth_dev_fw_version_get(port, text, sizeof(text)) == 0);
	cr_expect(strcmp(text, "profile mlx5-cx6dx") == 0, "%s", text);
	cr_expect(rte_eth_dev_fw_version_get(port, text, 4) == sizeof("profile mlx5-cx6dx"));
	close_port();
}
