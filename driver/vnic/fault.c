/* SPDX-License-Identifier: BSD-3-Clause */

#include "fault.h"

#include "pmd.h"

#include <rte_alarm.h>
#include <rte_cycles.h>

#include <errno.h>

#define EVENT_DELAY_US 1 /* from the interrupt thread, as soon as it can */

static void tell_removed(void *arg)
{
	/* The application may close the port in here. */
	(void)rte_eth_dev_callback_process(arg, RTE_ETH_EVENT_INTR_RMV, NULL);
}

static void tell_reset(void *arg)
{
	(void)rte_eth_dev_callback_process(arg, RTE_ETH_EVENT_INTR_RESET, NULL);
}

/*
 * The operation that is the last one still succeeds. Applications hold locks while they call us, so
 * they are told by another thread, as with a real device.
 */
static void go_down(struct rte_eth_dev *dev, atomic_bool *why, rte_eal_alarm_callback tell)
{
	struct hf_vnic *vnic = dev->data->dev_private;

	atomic_store(&vnic->fault.cut, true);
	atomic_store(why, true);
	if (rte_eal_alarm_set(EVENT_DELAY_US, tell, dev) != 0)
		VNIC_LOG(ERR, "event: no alarm, so nobody is told");
}

int hf_vnic_fault(struct rte_eth_dev *dev, enum hf_vnic_op op)
{
	struct hf_vnic *vnic = dev->data->dev_private;
	const struct hf_vnic_faults *faults = &vnic->faults;
	unsigned int call, n;
	size_t i;

	if (atomic_load(&vnic->fault.removed) || atomic_load(&vnic->fault.reset))
		return -EIO;
	call = atomic_fetch_add(&vnic->fault.calls[op], 1) + 1;
	n = atomic_fetch_add(&vnic->fault.n_ops, 1) + 1;
	if (n == faults->remove)
		go_down(dev, &vnic->fault.removed, tell_removed);
	if (n == faults->reset)
		go_down(dev, &vnic->fault.reset, tell_reset);
	if (faults->delay_us[op])
		rte_delay_us_sleep(faults->delay_us[op]);
	for (i = 0; i < faults->n_fails; i++) {
		if (faults->fails[i].op == op && faults->fails[i].nth == call)
			return -faults->fails[i].err;
	}
	return 0;
}

bool hf_vnic_fault_loses(struct rte_eth_dev *dev)
{
	const struct hf_vnic *vnic = dev->data->dev_private;

	return vnic->faults.lose && (vnic->fault.n_taken + 1) % vnic->faults.lose == 0;
}

void hf_vnic_fault_taken(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = dev->data->dev_private;

	vnic->fault.n_taken++;
}

void hf_vnic_fault_reset(struct rte_eth_dev *dev)
{
	struct hf_vnic *vnic = dev->data->dev_private;

	atomic_store(&vnic->fault.reset, false);
	atomic_store(&vnic->fault.cut, vnic->faults.link_down || atomic_load(&vnic->fault.removed));
}

void hf_vnic_fault_fini(struct rte_eth_dev *dev)
{
	(void)rte_eal_alarm_cancel(tell_reset, dev);
	(void)rte_eal_alarm_cancel(tell_removed, dev); /* none is the usual case */
}
