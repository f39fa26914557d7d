/* SPDX-License-Identifier: BSD-3-Clause */

#include "saved.h"

#include <hepflow/err.h>
#include <hepflow/felix.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	  "HEPFLOW1"
#define HEAD_SIZE 20
#define SIZE_MAX_ (1ull << 30) /* bytes; sixteen of the largest messages */
#define CRC_POLY  0x82f63b78u  /* CRC-32C, bits reversed (RFC 3720, 12.1) */

static uint32_t crc(uint32_t c, const uint8_t *p, size_t n)
{
	uint32_t table[256];
	size_t i;
	int k;

	for (i = 0; i < 256; i++) {
		table[i] = (uint32_t)i;
		for (k = 0; k < 8; k++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? CRC_POLY : 0);
	}
	for (i = 0; i < n; i++)
		c = c >> 8 ^ table[(c ^ p[i]) & 0xff];
	return c;
}

static void put_le(uint8_t *p, uint64_t v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t get_le(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

struct writer {
	FILE *f;
	uint64_t size;
	uint32_t crc;
};

static int put(void *arg, const uint8_t *frame, size_t size)
{
	struct writer *w = arg;

	w->size += size;
	w->crc = crc(w->crc, frame, size);
	return fwrite(frame, 1, size, w->f) == size ? 0 : -EIO;
}

/* The head is known last and stands first. */
static int write_all(FILE *f, const struct hf_felix *felix)
{
	struct writer w = {.f = f, .crc = UINT32_MAX};
	uint8_t head[HEAD_SIZE] = {0};
	int rc;

	if (fwrite(head, 1, sizeof(head), f) != sizeof(head))
		return -EIO;
	rc = hf_felix_print(felix, put, &w);
	if (rc < 0)
		return rc;
	memcpy(head, MAGIC, 8);
	put_le(head + 8, w.size, 8);
	put_le(head + 16, ~w.crc, 4);
	if (fseek(f, 0, SEEK_SET) < 0 || fwrite(head, 1, sizeof(head), f) != sizeof(head) ||
		fflush(f) || fsync(fileno(f)) < 0)
		return -errno ? -errno : -EIO;
	return 0;
}

static int paths(const char *statedir, char path[PATH_MAX], char tmp[PATH_MAX], struct hf_err *err)
{
	if (snprintf(path, PATH_MAX, "%s/felix.state", statedir) >= PATH_MAX ||
		snprintf(tmp, PATH_MAX, "%s/felix.state.new", statedir) >= PATH_MAX)
		return hf_fail(err, -ENAMETOOLONG, "%s: too long", statedir);
	return 0;
}

static void sync_dir(const char *statedir)
{
	int fd = open(statedir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return; /* the rename has been done; only its place on disk is uncertain */
	(void)fsync(fd);
	(void)close(fd);
}

int hf_saved_write(const char *statedir, const struct hf_felix *felix, struct hf_err *err)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	int fd, rc = paths(statedir, path, tmp, err);
	FILE *f;

	if (rc < 0)
		return rc;
	if (mkdir(statedir, 0700) < 0 && errno != EEXIST)
		return hf_fail(err, -errno, "%s: %s", statedir, strerror(errno));
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w+");
	if (!f) {
		rc = hf_fail(err, -errno, "%s: %s", tmp, strerror(errno));
		if (fd >= 0)
			(void)close(fd); /* empty */
		return rc;
	}
	rc = write_all(f, felix);
	if (fclose(f) && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(tmp, path) < 0)
		rc = -errno;
	if (rc < 0) {
		(void)unlink(tmp); /* half of it is worth nothing */
		return hf_fail(err, rc, "%s: %s", path, strerror(-rc));
	}
	sync_dir(statedir);
	return 0;
}

static int take_all(struct hf_felix *felix, const uint8_t *p, size_t n, struct hf_err *err)
{
	enum hf_felix_event event;
	long size;
	int rc;

	while (n) {
		size = hf_felix_frame_size(p, n);
		if (size <= 0 || (size_t)size > n)
			return hf_fail(err, -EBADMSG, "a frame is cut off");
		rc = hf_felix_take(felix, p + HF_FELIX_HEAD_SIZE, (size_t)size - HF_FELIX_HEAD_SIZE,
			&event, err);
		if (rc < 0)
			return rc;
		p += size;
		n -= (size_t)size;
	}
	return hf_felix_in_sync(felix) ? 0 : hf_fail(err, -EBADMSG, "it is not whole");
}

/* All behind the head, to be freed. */
static int read_all(FILE *f, uint8_t **ret, size_t *ret_size, struct hf_err *err)
{
	uint8_t head[HEAD_SIZE], *p;
	uint64_t size;

	if (fread(head, 1, sizeof(head), f) != sizeof(head) || memcmp(head, MAGIC, 8) != 0)
		return hf_fail(err, -EBADMSG, "no state of this version");
	size = get_le(head + 8, 8);
	if (size > SIZE_MAX_)
		return hf_fail(err, -EBADMSG, "the length cannot be right");
	p = malloc(size + 1);
	if (!p)
		return hf_fail(err, -ENOMEM, "out of memory");
	if (fread(p, 1, size + 1, f) != size || ~crc(UINT32_MAX, p, size) != get_le(head + 16, 4)) {
		free(p);
		return hf_fail(err, -EBADMSG, "damaged: length or checksum is wrong");
	}
	*ret = p;
	*ret_size = size;
	return 0;
}

int hf_saved_read(const char *statedir, struct hf_felix **ret, struct hf_err *err)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	struct hf_felix *felix = NULL;
	uint8_t *p = NULL;
	size_t size = 0;
	FILE *f;
	int rc = paths(statedir, path, tmp, err);

	if (rc < 0)
		return rc;
	f = fopen(path, "re");
	if (!f)
		return hf_fail(err, -errno, "%s: %s", path, strerror(errno));
	rc = read_all(f, &p, &size, err);
	if (rc == 0)
		rc = hf_felix_new(&felix, err);
	if (rc == 0)
		rc = take_all(felix, p, size, err);
	(void)fclose(f); /* only read from */
	free(p);
	if (rc < 0) {
		hf_felix_free(felix);
		return hf_err_prefix(err, rc, "%s: ", path);
	}
	*ret = felix;
	return 0;
}
