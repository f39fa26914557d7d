/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Device: what happens to the NICs behind our back, and what is done about it.
 *
 * A device that is removed, or wants to be reset, is given up and brought back as soon as it lets
 * itself be; meanwhile nothing passes its wire, and "status" says so. Its rules are gone with it
 * and are made anew from the plan in force.
 *
 * Rules that got lost without a word are looked for: new ones right behind each change, all of them
 * soon after it, every changes.reconcile seconds, and by "verify"; what is missing is put back, and
 * reported.
 *
 * Threads: the control thread.
 */

#pragma once

#include <stdio.h>

struct hf_daemon;
struct hf_err;
struct hf_wire;

/* Rules are made with the numbers that its ports have now. */
void hf_device_number(struct hf_wire *w);

/* Once a second. */
void hf_device_tick(struct hf_daemon *d);

/* After a change: looks at the rules that are new, or at as many of them as a tick does. */
void hf_device_look_new(struct hf_daemon *d);

/* Looks at all rules of all NICs now and puts back what is lost, a line for each uplink to out.
 * -EIO: a NIC does not keep what it takes. */
int hf_device_verify(struct hf_daemon *d, FILE *out, struct hf_err *err);

/* Stops and starts both ports of a wire, and makes its rules anew. */
int hf_device_restart(struct hf_daemon *d, struct hf_wire *w, struct hf_err *err);
