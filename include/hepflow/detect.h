/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which network cards this machine has, and which profile each is described by (Linux, no DPDK).
 *
 * Cards are found in sysfs; of Mellanox cards libibverbs tells firmware and part. hw-profile and
 * the daemon ("profile: auto") ask here.
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
 * PCI id of the card's chip, and in why how it is known. Virtual functions of ConnectX-6 Dx and
 * later have one id; their firmware tells them apart, and the first id of a profile of that
 * firmware is given.
 */
struct hf_pci_id hf_card_chip(
	const struct hf_card *card, struct hf_nic *const *nics, size_t n, char *why, size_t size);

/*
 * The profile among all that describes the card in the mode that device arguments ask for
 * ("0000:3b:00.0,dv_flow_en=2"), or NULL. Of several the one most of whose arguments are given
 * wins, then one that needs none, then the first. why says how it was found and which arguments are
 * missing, or why there is none. devargs NULL: the port is not there yet, and nothing is missing.
 */
const struct hf_nic *hf_card_match(const struct hf_card *card, const char *devargs,
	struct hf_nic *const *nics, size_t n, char *why, size_t size);

/* Where to look, for tests; NULL members mean the variables below, and without them this machine.
 */
struct hf_detect_opts {
	const char *sysfs; /* instead of /sys */
	const char *verbs; /* a file, as of hf_verbs_list() */
};
#define HF_SYSFS_ENV "HEPFLOW_SYSFS"
#define HF_VERBS_ENV "HEPFLOW_VERBS"

/* All that is here, and all profiles there are. */
struct hf_machine {
	struct hf_verbs *verbs;
	size_t n_verbs;
	struct hf_card *cards;
	size_t n_cards;
	struct hf_nic **nics;
	size_t n_nics;
};

/* *ret is freed with hf_machine_fini(). opts may be NULL. */
int hf_machine_look(const struct hf_detect_opts *opts, struct hf_machine *ret, struct hf_err *err);
void hf_machine_fini(struct hf_machine *m);

/*
 * The profile of a port by its DPDK device arguments: a PCI address or "net_...". *ret is NULL when
 * none describes it; else it is freed with hf_profile_free(). why says what hf_card_match() says.
 * -EINVAL when devargs are no device, -ENOENT when net_vnic names a profile that is not there.
 */
int hf_port_match(const char *devargs, const struct hf_detect_opts *opts, struct hf_nic **ret,
	char *why, size_t size, struct hf_err *err);
