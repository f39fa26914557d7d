/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rundir: the folder with the pidfile and the control socket, named as Open vSwitch names them:
 * RUNDIR/PROGRAM.pid and RUNDIR/PROGRAM.PID.ctl.
 *
 * The pidfile is locked as long as the process lives, so that a second daemon over the same folder
 * is refused, and one that a dead process left is taken over. Whatever was made is removed again,
 * the folder included if it was made here and is empty.
 *
 * Threads: one at a time.
 */

#pragma once

struct hf_err;
struct hf_rundir;

/* -EEXIST: another daemon runs. Errors of the file system. */
int hf_rundir_open(
	const char *path, const char *program, struct hf_rundir **ret, struct hf_err *err);
/* Where the control socket goes. */
const char *hf_rundir_socket(const struct hf_rundir *rundir);
/* Where hepflow-felix connects to: RUNDIR/felix.sock, a name without a PID so that it stays. */
const char *hf_rundir_felix(const struct hf_rundir *rundir);
void hf_rundir_close(struct hf_rundir *rundir);
