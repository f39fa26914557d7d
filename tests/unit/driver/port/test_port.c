/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test_eal.h"

#include "port/port.h"

#include <hepflow/err.h>

#include <rte_ethdev.h>

#include <errno.h>
#include <string.h>

HF_EAL_SUITE(port);

static int open_it(const char *devargs, uint16_t n_queues, struct hf_port **ret, struct hf_err *err)
{
	struct hf_port_opts opts = {.name = "eth0", .devargs = devargs, .n_queues = n_queues};

	return hf_port_open(&opts, ret, err);
}

Test(port, device_comes_and_goes_with_the_port)
{
	struct hf_port *port;
	struct hf_err err = {0};
	uint16_t id;

	cr_assert_eq(open_it("net_null3,size=64", 2, &port, &err), 0, "%s", err.text);
	cr_assert_eq(rte_eth_dev_get_port_by_name("net_null3", &id), 0);
	cr_assert_eq(hf_port_id(port), id);
	cr_assert_str_eq(hf_port_driver(port), "net_null");
	cr_assert_eq(hf_port_n_queues(port), 2);
	cr_assert_eq(hf_port_start(port, &err), 0, "%s", err.text);
	hf_port_close(port);
	cr_assert_lt(rte_eth_dev_get_port_by_name("net_null3", &id), 0);
	/* And again. */
	cr_assert_eq(open_it("net_null3", 1, &port, &err), 0, "%s", err.text);
	hf_port_close(port);
	rte_eal_cleanup();
}

Test(port, failure_names_port_and_device_and_leaves_nothing)
{
	struct hf_port *port = NULL;
	struct hf_err err = {0};
	uint16_t id;

	cr_assert_lt(open_it("net_nosuch0", 1, &port, &err), 0);
	cr_assert_null(port);
	cr_assert_eq(strncmp(err.text, "port eth0: net_nosuch0: the device does not start: ", 51),
		0, "%s", err.text);
	cr_assert_lt(open_it("net_null0", 4000, &port, &err), 0);
	cr_assert(strstr(err.text, "4000 queues are wanted"), "%s", err.text);
	cr_assert_lt(rte_eth_dev_get_port_by_name("net_null0", &id), 0);
	rte_eal_cleanup();
}
