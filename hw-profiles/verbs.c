/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/detect.h>

#include <hepflow/err.h>

#include <errno.h>
#include <infiniband/verbs.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES_MAX 1024 /* far more than PCI slots with virtual functions in use */

/* Where the device is on the PCI bus: /sys/class/infiniband/NAME/device leads there. */
static int find_pci(const struct ibv_device *dev, char *ret, size_t size)
{
	char link[PATH_MAX], path[PATH_MAX];

	if (snprintf(link, sizeof(link), "%s/device", dev->ibdev_path) >= (int)sizeof(link) ||
		!realpath(link, path))
		return -ENOENT;
	return snprintf(ret, size, "%s", strrchr(path, '/') + 1) < (int)size ? 0 : -ENOENT;
}

/* A device that cannot be asked is left out: its card is still found in sysfs. */
static int ask(struct ibv_device *dev, struct hf_verbs *ret)
{
	struct ibv_device_attr attr;
	struct ibv_context *ctx;
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (find_pci(dev, ret->pci, sizeof(ret->pci)) < 0)
		return -ENOENT;
	ctx = ibv_open_device(dev);
	if (!ctx)
		return -ENODEV;
	rc = ibv_query_device(ctx, &attr);
	(void)ibv_close_device(ctx); /* it was only asked */
	if (rc != 0)
		return -ENODEV;
	ret->part_id = attr.vendor_part_id;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", ibv_get_device_name(dev));
	(void)snprintf(ret->firmware, sizeof(ret->firmware), "%s", attr.fw_ver);
	return 0;
}

static int list_real(struct hf_verbs **ret, size_t *ret_n, struct hf_err *err)
{
	int count = 0, i;
	struct ibv_device **devs = ibv_get_device_list(&count);
	struct hf_verbs *v;
	size_t n = 0;

	/* ENOSYS: the kernel has no verbs. */
	if (!devs && errno != ENOSYS && errno != ENOENT)
		return hf_fail(err, -errno, "verbs: %s", strerror(errno));
	if (!devs || count > DEVICES_MAX)
		count = devs ? DEVICES_MAX : 0;
	v = calloc((size_t)count + 1, sizeof(*v));
	for (i = 0; v && i < count; i++)
		n += ask(devs[i], &v[n]) == 0;
	if (devs)
		ibv_free_device_list(devs);
	if (!v)
		return hf_fail(err, -ENOMEM, "out of memory");
	*ret = v;
	*ret_n = n;
	return 0;
}

static int read_line(const char *line, struct hf_verbs *ret)
{
	char part[16], *rest;
	int end = 0;

	memset(ret, 0, sizeof(*ret));
	if (sscanf(line, "%63s %15s %15s %63s %n", ret->name, ret->pci, part, ret->firmware,
		    &end) != 4 ||
		line[end] != '\0' || part[0] < '0' || part[0] > '9')
		return -EINVAL;
	ret->part_id = (uint32_t)strtoul(part, &rest, 0);
	return *rest == '\0' ? 0 : -EINVAL;
}

static int list_file(const char *path, struct hf_verbs **ret, size_t *ret_n, struct hf_err *err)
{
	struct hf_verbs *v = calloc(DEVICES_MAX, sizeof(*v));
	FILE *in = fopen(path, "re");
	char line[512];
	size_t n = 0, number = 0;
	int rc = 0;

	if (!v)
		rc = hf_fail(err, -ENOMEM, "out of memory");
	else if (!in)
		rc = hf_fail(err, -EINVAL, "%s: %s", path, strerror(errno));
	while (rc == 0 && in && fgets(line, sizeof(line), in)) {
		number++;
		if (line[0] == '#' || line[strspn(line, " \t\n")] == '\0')
			continue;
		if (n == DEVICES_MAX)
			rc = hf_fail(err, -E2BIG, "%s:%zu:1: more than %d devices", path, number,
				DEVICES_MAX);
		else if (read_line(line, &v[n]) < 0)
			rc = hf_fail(err, -EINVAL, "%s:%zu:1: not \"NAME PCI PART_ID FIRMWARE\"",
				path, number);
		else
			n++;
	}
	if (in)
		(void)fclose(in); /* it was only read */
	if (rc < 0) {
		free(v);
		return rc;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

int hf_verbs_list(const char *path, struct hf_verbs **ret, size_t *ret_n, struct hf_err *err)
{
	return path ? list_file(path, ret, ret_n, err) : list_real(ret, ret_n, err);
}
