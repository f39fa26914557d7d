/* SPDX-License-Identifier: BSD-3-Clause */

/* What outlives the process, on disks that are full, gone or damaged. */

#include "felix.pb-c.h"

#include "hf_test.h"

#include "daemon/saved.h"

#include <hepflow/err.h>
#include <hepflow/felix.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

HF_SUITE(saved);

static char dir[] = "/tmp/hepflow-saved.XXXXXX";

static void take(struct hf_felix *f, const HfFelix__ToDataplane *msg)
{
	size_t size = hf_felix__to_dataplane__get_packed_size(msg);
	uint8_t *bytes = malloc(size + 1);
	enum hf_felix_event event;
	struct hf_err err = {0};

	cr_assert_not_null(bytes);
	(void)hf_felix__to_dataplane__pack(msg, bytes);
	cr_assert_eq(hf_felix_take(f, bytes, size, &event, &err), 0, "%s", err.text);
	free(bytes);
}

/* In sync, with one IP set of so many members. */
static struct hf_felix *make_state(size_t n)
{
	HfFelix__ToDataplane msg = HF_FELIX__TO_DATAPLANE__INIT;
	HfFelix__IPSetUpdate set = HF_FELIX__IPSET_UPDATE__INIT;
	HfFelix__InSync in_sync = HF_FELIX__IN_SYNC__INIT;
	char id[] = "s:1";
	struct hf_felix *f;
	char **members = calloc(n + 1, sizeof(*members));
	size_t i;

	cr_assert(members && hf_felix_new(&f, NULL) == 0);
	for (i = 0; i < n; i++)
		cr_assert_gt(asprintf(&members[i], "10.%zu.%zu.0/24", i / 256, i % 256), 0);
	set.id = id;
	set.type = HF_FELIX__IPSET_TYPE__NET;
	set.n_members = n;
	set.members = members;
	msg.payload_case = HF_FELIX__TO_DATAPLANE__PAYLOAD_IPSET_UPDATE;
	msg.ipset_update = &set;
	take(f, &msg);
	msg.payload_case = HF_FELIX__TO_DATAPLANE__PAYLOAD_IN_SYNC;
	msg.in_sync = &in_sync;
	take(f, &msg);
	for (i = 0; i < n; i++)
		free(members[i]);
	free(members);
	return f;
}

static int count_bytes(void *arg, const uint8_t *, size_t size)
{
	*(size_t *)arg += size;
	return 0;
}

static size_t size_of(const struct hf_felix *f)
{
	size_t n = 0;

	cr_assert_eq(hf_felix_print(f, count_bytes, &n), 0);
	return n;
}

static size_t saved_size(void)
{
	struct hf_felix *f;
	struct hf_err err = {0};
	size_t n;

	cr_assert_eq(hf_saved_read(dir, &f, &err), 0, "%s", err.text);
	n = size_of(f);
	hf_felix_free(f);
	return n;
}

static void clean_up(void)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -r '%s'", dir);
	cr_assert_eq(system(command), 0);
}

/* Files may grow to so many bytes, as on a disk that is nearly full. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit = {bytes, RLIM_INFINITY};

	cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(saved, full_disk_costs_the_new_state_and_not_the_old)
{
	struct hf_felix *small = make_state(3), *large = make_state(5000);
	struct hf_err err = {0};
	char path[128];
	size_t n;
	int rc;

	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(hf_saved_write(dir, small, &err), 0, "%s", err.text);
	n = saved_size();
	cr_assert_eq(n, size_of(small));
	(void)snprintf(path, sizeof(path), "%s/felix.state.new", dir);
	for (rlim_t room = 0; room < size_of(large); room += 4096) {
		limit_files(room);
		rc = hf_saved_write(dir, large, &err);
		limit_files(RLIM_INFINITY);
		cr_assert_lt(rc, 0, "taken with room for %lu bytes", (unsigned long)room);
		cr_assert(strstr(err.text, "felix.state: "), "%s", err.text);
		cr_assert_eq(access(path, F_OK), -1, "half of it is left behind");
		cr_assert_eq(saved_size(), n);
	}
	cr_assert_eq(hf_saved_write(dir, large, &err), 0, "%s", err.text);
	cr_assert_eq(saved_size(), size_of(large));
	hf_felix_free(small);
	hf_felix_free(large);
	clean_up();
}

/* Every byte in turn is damaged; none of these files is taken for a state. */
Test(saved, damage_is_noticed)
{
	struct hf_felix *f = make_state(3), *got;
	struct hf_err err;
	char path[128];
	struct stat st;
	off_t i;
	int fd;

	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(hf_saved_write(dir, f, NULL), 0);
	(void)snprintf(path, sizeof(path), "%s/felix.state", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert(fd >= 0 && fstat(fd, &st) == 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	for (i = 0; i < st.st_size; i++) {
		uint8_t byte, other;

		cr_assert_eq(pread(fd, &byte, 1, i), 1);
		other = byte ^ 0x10;
		cr_assert_eq(pwrite(fd, &other, 1, i), 1);
		cr_assert_eq(hf_saved_read(dir, &got, &err), -EBADMSG, "byte %ld", (long)i);
		cr_assert_eq(pwrite(fd, &byte, 1, i), 1);
	}
	cr_assert_eq(saved_size(), size_of(f));
	cr_assert_eq(ftruncate(fd, st.st_size - 1), 0);
	cr_assert_eq(hf_saved_read(dir, &got, &err), -EBADMSG);
	cr_assert_eq(close(fd), 0);
	hf_felix_free(f);
	clean_up();
}
