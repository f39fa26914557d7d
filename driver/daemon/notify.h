/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Notify: tells systemd how things are, by the datagram of sd_notify(3).
 *
 * "READY=1" once policy is in force, "WATCHDOG=1" every second in which the packet path has moved,
 * "STOPPING=1" at the end. Without NOTIFY_SOCKET in the environment nothing happens.
 *
 * Threads: any.
 */

#pragma once

void hf_notify(const char *state);
