/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Port: one ethdev port, from devargs to packets.
 *
 * Devargs are "NAME,KEY=VALUE,...": a virtual device ("net_af_packet0,iface=up0") or a PCI address
 * ("0000:03:00.0,dv_flow_en=1"). The device is hot-plugged when the port is opened and removed when
 * it is closed, unless it was there before.
 *
 * A port receives everything (promiscuous) unless it is isolated, computes no checksums, and hands
 * over the MARK that a flow rule puts on a packet where its driver can.
 *
 * Threads: one control thread; packet threads use hf_port_id() while the port is started.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_err;
struct hf_port;

#define HF_PORT_DESCS 1024 /* of a queue, where the driver takes so many */
/* With templates, where the driver has so many: operations of the flow queue, and counters. */
#define HF_PORT_FLOWQ_SIZE    256
#define HF_PORT_FLOW_COUNTERS 262144

struct hf_port_opts {
	const char *name; /* for messages */
	const char *devargs;
	uint16_t n_queues; /* of each direction */
	/* More to receive by, behind the others: only what a rule sends there comes there. */
	uint16_t n_reserved;
	bool representor; /* it is the one of the device that "representor=" in devargs names */
	/* Flow isolation: only what a rule takes concerns the port, the rest is the kernel's. */
	bool isolated;
	/* Rules go in by templates: flow queue 0 and counters are reserved. */
	bool templates;
};

/* Everything up to, but not, receiving. Errors: -ENODEV, -ENOMEM, what the driver says. */
int hf_port_open(const struct hf_port_opts *opts, struct hf_port **ret, struct hf_err *err);
int hf_port_start(struct hf_port *port, struct hf_err *err);
void hf_port_stop(struct hf_port *port);
/*
 * Whether they are of one e-switch, for whose rules wire speaks and in which host is another port.
 * -ENOTSUP, and err says why not.
 */
int hf_port_check_eswitch(
	const struct hf_port *wire, const struct hf_port *host, struct hf_err *err);
/*
 * Stops it and starts it again; flow rules may be gone then. After HF_PORT_REMOVED the device is
 * given up and looked for anew, after HF_PORT_RESET it is reset first; the port id may change. Its
 * packets may still be in other places: their memory stays. With templates they and their tables
 * are gone, too, and no completion may be outstanding (hf_flow_async_forget()). Nobody may use the
 * port meanwhile. On failure the port is stopped, or not there, and this may be tried again.
 */
int hf_port_revive(struct hf_port *port, unsigned int events, struct hf_err *err);
/* Stops first if need be. NULL is fine. */
void hf_port_close(struct hf_port *port);
/* Gives the device up, for hf_port_revive() with HF_PORT_REMOVED: representors go before the port
 * of the device itself. */
void hf_port_give_up(struct hf_port *port);

/* What the driver has told since the last call; it does so from a thread of its own. */
enum {
	HF_PORT_REMOVED = 1 << 0, /* the device is gone */
	HF_PORT_RESET = 1 << 1,	  /* it wants to be reset: a virtual function whose card was */
	HF_PORT_RESTART =
		1 << 2, /* never told: a stop and a start are wanted, for hf_port_revive() */
};
unsigned int hf_port_events(struct hf_port *port);

uint16_t hf_port_id(const struct hf_port *port);
const char *hf_port_driver(const struct hf_port *port);
uint16_t hf_port_n_queues(const struct hf_port *port); /* without the reserved ones */
uint16_t hf_port_n_reserved(const struct hf_port *port);
bool hf_port_link(const struct hf_port *port);

/* Receive and send counts of the driver, for reports; a driver without says 0. */
struct hf_port_stats {
	uint64_t rx_packets;
	uint64_t tx_packets;
	uint64_t rx_missed; /* came, and no room for them */
	uint64_t rx_errors;
	uint64_t tx_errors;
};
/* 0 or negative errno. */
int hf_port_read_stats(const struct hf_port *port, struct hf_port_stats *ret);
