/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which network cards this machine has, and which profile each is described by (Linux, no DPDK).
 *
 * Cards are found in sysfs; of Mellanox cards libibverbs tells firmware and part.
 */

#pragma once

#include <hepflow/nic.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_err;

#define HF_CARD_NETDEVS_MAX 16
#define HF_CARD_NETDEV_SIZE 16 /* IFNAMSIZ */

/* What verbs say of a card. */
struct hf_verbs {
	char name[64]; /* "mlx5_0" */
	char pci[16];  /* "0000:3b:00.0" */
	uint32_t part_id;
	char firmware[64]; /* "22.35.1012" */
};

struct hf_card {
	char pci[16]; /* "0000:3b:00.0" */
	struct hf_pci_id id;
	struct hf_pci_id subsystem;
	char driver[32]; /* that the kernel has bound: "mlx5_core", "vfio-pci"; "" for none */
	size_t n_netdevs;
	char netdevs[HF_CARD_NETDEVS_MAX][HF_CARD_NETDEV_SIZE]; /* sorted */
	bool has_verbs;
	struct hf_verbs verbs;
};

/*
 * Verbs devices of this machine, or those of a file: lines "NAME PCI PART_ID FIRMWARE", for tests.
 * No devices, or no support for them in the kernel, is no error. *ret is freed with free().
 */
int hf_verbs_list(const char *path, struct hf_verbs **ret, size_t *ret_n, struct hf_err *err);

/*
 * PCI devices of class 0x02 below a sysfs root, sorted by address; verbs are told apart by theirs.
 * A root without PCI has no cards. *ret is freed with free().
 */
int hf_cards_scan(const char *sysfs, const struct hf_verbs *verbs, size_t n_verbs,
	struct hf_card **ret, size_t *ret_n, struct hf_err *err);

/*
 * The profile among all that describes the card, or NULL. why says how it was found, or why there
 * is none. Virtual functions of ConnectX-6 Dx and later have one PCI id; their firmware tells them
 * apart.
 */
const struct hf_nic *hf_card_match(
	const struct hf_card *card, struct hf_nic *const *nics, size_t n, char *why, size_t size);
