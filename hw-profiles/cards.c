/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/detect.h>

#include <hepflow/base/vec.h>
#include <hepflow/err.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CARDS_MAX     4096 /* virtual functions included */
#define CLASS_NETWORK 0x02
#define VENDOR_MLX    0x15b3

/* The number in a file of sysfs, as "0x15b3"; -1 when there is none. */
static long read_number(const char *device, const char *name)
{
	char path[PATH_MAX];
	unsigned long v = 0;
	FILE *in;
	int got;

	if (snprintf(path, sizeof(path), "%s/%s", device, name) >= (int)sizeof(path))
		return -1;
	in = fopen(path, "re");
	if (!in)
		return -1;
	got = fscanf(in, "%lx", &v);
	(void)fclose(in); /* it was only read */
	return got == 1 && v <= 0xffffff ? (long)v : -1;
}

static void read_driver(const char *device, char *ret, size_t size)
{
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t len = -1;
	const char *name;

	if (snprintf(path, sizeof(path), "%s/driver", device) < (int)sizeof(path))
		len = readlink(path, link, sizeof(link) - 1);
	if (len <= 0)
		return;
	link[len] = '\0';
	name = strrchr(link, '/');
	(void)snprintf(ret, size, "%.*s", (int)size - 1, name ? name + 1 : link);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void add_netdevs(struct hf_card *card, const char *folder)
{
	struct dirent *entry;
	DIR *d = opendir(folder);

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' || card->n_netdevs == HF_CARD_NETDEVS_MAX)
			continue;
		(void)snprintf(card->netdevs[card->n_netdevs++], HF_CARD_NETDEV_SIZE, "%.15s",
			entry->d_name);
	}
	if (d)
		(void)closedir(d); /* it was only read */
}

/* Below the device, or below the virtio device on it. */
static void read_netdevs(const char *device, struct hf_card *card)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *d = opendir(device);

	while (d && (entry = readdir(d))) {
		if (strcmp(entry->d_name, "net") == 0 &&
			snprintf(path, sizeof(path), "%s/net", device) < (int)sizeof(path))
			add_netdevs(card, path);
		else if (strncmp(entry->d_name, "virtio", 6) == 0 &&
			 snprintf(path, sizeof(path), "%s/%s/net", device, entry->d_name) <
				 (int)sizeof(path))
			add_netdevs(card, path);
	}
	if (d)
		(void)closedir(d); /* it was only read */
	qsort(card->netdevs, card->n_netdevs, sizeof(card->netdevs[0]), by_text);
}

/* -ENODEV when it is no network card. */
static int read_card(const char *folder, const char *name, struct hf_card *ret)
{
	long class, vendor, device, sub_vendor, sub_device;
	char path[PATH_MAX];

	memset(ret, 0, sizeof(*ret));
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path) ||
		snprintf(ret->pci, sizeof(ret->pci), "%s", name) >= (int)sizeof(ret->pci))
		return -ENODEV;
	class = read_number(path, "class");
	vendor = read_number(path, "vendor");
	device = read_number(path, "device");
	if (class < 0 || class >> 16 != CLASS_NETWORK || vendor < 0 || device < 0)
		return -ENODEV;
	sub_vendor = read_number(path, "subsystem_vendor");
	sub_device = read_number(path, "subsystem_device");
	ret->id = (struct hf_pci_id){(uint16_t)vendor, (uint16_t)device};
	if (sub_vendor >= 0 && sub_device >= 0)
		ret->subsystem = (struct hf_pci_id){(uint16_t)sub_vendor, (uint16_t)sub_device};
	read_driver(path, ret->driver, sizeof(ret->driver));
	read_netdevs(path, ret);
	return 0;
}

static void add_verbs(struct hf_card *card, const struct hf_verbs *verbs, size_t n)
{
	size_t i;

	for (i = 0; i < n && card->id.vendor == VENDOR_MLX; i++) {
		if (strcmp(verbs[i].pci, card->pci) != 0)
			continue;
		card->has_verbs = true;
		card->verbs = verbs[i];
	}
}

/* The address is the first member of a card. */
static_assert(offsetof(struct hf_card, pci) == 0, "cards are sorted by their first member");

int hf_cards_scan(const char *sysfs, const struct hf_verbs *verbs, size_t n_verbs,
	struct hf_card **ret, size_t *ret_n, struct hf_err *err)
{
	HF_VEC(struct hf_card) cards = {};
	char folder[PATH_MAX];
	struct dirent *entry;
	struct hf_card card;
	int rc = 0;
	DIR *d;

	if (snprintf(folder, sizeof(folder), "%s/bus/pci/devices", sysfs) >= (int)sizeof(folder))
		return hf_fail(err, -ENAMETOOLONG, "%s: path too long", sysfs);
	d = opendir(folder);
	if (!d && errno != ENOENT)
		return hf_fail(err, -errno, "%s: %s", folder, strerror(errno));
	while (d && rc == 0 && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' || read_card(folder, entry->d_name, &card) < 0)
			continue;
		add_verbs(&card, verbs, n_verbs);
		if (cards.n == CARDS_MAX)
			rc = hf_fail(err, -E2BIG, "%s: more than %d cards", folder, CARDS_MAX);
		else if (hf_vec_push(&cards, card))
			rc = hf_fail(err, -ENOMEM, "out of memory");
	}
	if (d)
		(void)closedir(d); /* it was only read */
	if (rc < 0) {
		hf_vec_fini(&cards);
		return rc;
	}
	if (cards.n > 1)
		qsort(cards.v, cards.n, sizeof(*cards.v), by_text);
	*ret = cards.v;
	*ret_n = cards.n;
	return 0;
}

/* Virtual functions of ConnectX-6 Dx and later share it (drivers/common/mlx5/mlx5_common.h). */
#define MLX_SHARED_VF 0x101e

/* NULL: a firmware that no profile knows. */
static const struct hf_nic *by_firmware(const char *firmware, struct hf_nic *const *nics, size_t n)
{
	unsigned long major = strtoul(firmware, NULL, 10);
	size_t i;
	size_t k;

	for (i = 0; i < n; i++) {
		for (k = 0; k < nics[i]->n_firmware; k++) {
			if (nics[i]->firmware[k] == major && nics[i]->n_pci > 0)
				return nics[i];
		}
	}
	return NULL;
}

struct hf_pci_id hf_card_chip(
	const struct hf_card *card, struct hf_nic *const *nics, size_t n, char *why, size_t size)
{
	struct hf_pci_id id = card->id;
	const struct hf_nic *nic;

	(void)snprintf(why, size, "PCI id %04x:%04x", id.vendor, id.device);
	if (id.vendor != VENDOR_MLX || id.device != MLX_SHARED_VF)
		return id;
	nic = card->has_verbs ? by_firmware(card->verbs.firmware, nics, n) : NULL;
	if (nic) {
		(void)snprintf(why, size, "virtual function, chip by its firmware %s",
			card->verbs.firmware);
		id = nic->pci[0];
	} else {
		(void)snprintf(why, size,
			"virtual function of a ConnectX-6 Dx or later, %s: ambiguous, so the "
			"oldest of them",
			card->has_verbs ? "of a firmware that is not known"
					: "and its firmware cannot be asked");
	}
	return id;
}
