/* SPDX-License-Identifier: BSD-3-Clause */

/* Which profile describes a port that DPDK is given by device arguments. */

#include <hepflow/detect.h>

#include <hepflow/err.h>
#include <hepflow/profile.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD_SIZE 4096 /* of a device argument: a path at most */

/* Adds to the explanation; what no longer fits is cut. */
static void __attribute__((format(printf, 3, 4))) say(char *why, size_t size, const char *fmt, ...)
{
	size_t used = strlen(why);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why + used, size - used, fmt, ap);
	va_end(ap);
}

int hf_machine_look(const struct hf_detect_opts *opts, struct hf_machine *ret, struct hf_err *err)
{
	const char *sysfs = opts && opts->sysfs ? opts->sysfs : getenv(HF_SYSFS_ENV);
	const char *verbs = opts && opts->verbs ? opts->verbs : getenv(HF_VERBS_ENV);
	int rc = 0;

	memset(ret, 0, sizeof(*ret));
	/* A machine may be without PCI, but a folder that somebody named is there. */
	if (sysfs && access(sysfs, R_OK | X_OK) < 0)
		return hf_fail(err, -EINVAL, "%s: %s", sysfs, strerror(errno));
	rc = hf_profile_all(&ret->nics, &ret->n_nics, err);
	if (rc == 0)
		rc = hf_verbs_list(verbs, &ret->verbs, &ret->n_verbs, err);
	if (rc == 0)
		rc = hf_cards_scan(sysfs ? sysfs : "/sys", ret->verbs, ret->n_verbs, &ret->cards,
			&ret->n_cards, err);
	if (rc < 0)
		hf_machine_fini(ret);
	return rc;
}

void hf_machine_fini(struct hf_machine *m)
{
	free(m->cards);
	free(m->verbs);
	if (m->nics)
		hf_profile_free_all(m->nics, m->n_nics);
	memset(m, 0, sizeof(*m));
}

/* The value of KEY among "DEVICE,KEY=VALUE,..." or "KEY=VALUE,..."; false when it is not there. */
static bool find_arg(const char *devargs, const char *key, char ret[static WORD_SIZE])
{
	size_t n = strlen(key);
	const char *p;

	for (p = devargs; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		if (strncmp(p, key, n) != 0 || p[n] != '=')
			continue;
		(void)snprintf(ret, WORD_SIZE, "%.*s", (int)strcspn(p + n + 1, ","), p + n + 1);
		return true;
	}
	return false;
}

/* How device arguments stand to those of the mode that a profile is about. */
struct fit {
	size_t given; /* and the same */
	size_t missing;
	bool other; /* given otherwise: this is another mode */
};

/* why (may be NULL) is told what is missing, unless only_other, and what is otherwise. */
static struct fit fit_of(
	const struct hf_nic *nic, const char *devargs, bool only_other, char *why, size_t size)
{
	char args[HF_NIC_TEXT_SIZE], value[WORD_SIZE], *save = NULL, *arg;
	struct fit fit = {0};

	(void)snprintf(args, sizeof(args), "%s", nic->devargs); /* the same size */
	for (arg = strtok_r(args, ",", &save); arg; arg = strtok_r(NULL, ",", &save)) {
		char *equals = strchr(arg, '=');

		if (!equals)
			continue;
		*equals = '\0';
		if (!find_arg(devargs, arg, value)) {
			fit.missing++;
			if (why && !only_other)
				say(why, size, "; %s describes ports with %s=%s: give them that",
					nic->name, arg, equals + 1);
		} else if (strcmp(value, equals + 1) != 0) {
			fit.other = true;
			if (why)
				say(why, size, "; %s describes ports with %s=%s, not %s", nic->name,
					arg, equals + 1, value);
		} else {
			fit.given++;
		}
	}
	return fit;
}

static bool is_better(const struct fit *a, const struct fit *b)
{
	return a->given != b->given ? a->given > b->given : a->missing == 0 && b->missing > 0;
}

static bool has_id(const struct hf_nic *nic, const struct hf_pci_id *id)
{
	size_t i;

	for (i = 0; i < nic->n_pci; i++) {
		if (nic->pci[i].vendor == id->vendor && nic->pci[i].device == id->device)
			return true;
	}
	return false;
}

const struct hf_nic *hf_card_match(const struct hf_card *card, const char *devargs,
	struct hf_nic *const *nics, size_t n, char *why, size_t size)
{
	struct hf_pci_id id = hf_card_chip(card, nics, n, why, size);
	const struct hf_nic *best = NULL, *other = NULL;
	struct fit best_fit = {0};
	size_t i;

	for (i = 0; i < n; i++) {
		struct fit fit;

		if (!has_id(nics[i], &id))
			continue;
		fit = fit_of(nics[i], devargs ? devargs : "", false, NULL, 0);
		if (fit.other) {
			other = other ? other : nics[i];
		} else if (!best || is_better(&fit, &best_fit)) {
			best = nics[i];
			best_fit = fit;
		}
	}
	if (best && devargs)
		(void)fit_of(best, devargs, false, why, size);
	else if (other && !best)
		(void)fit_of(other, devargs, true, why, size);
	else if (!best)
		(void)snprintf(why, size, "no profile has PCI id %04x:%04x", id.vendor, id.device);
	return best;
}

static int copy_of(const struct hf_nic *nic, struct hf_nic **ret, struct hf_err *err)
{
	*ret = malloc(sizeof(**ret));
	if (!*ret)
		return hf_fail(err, -ENOMEM, "out of memory");
	**ret = *nic;
	return 0;
}

static int match_card(const char *devargs, const char *pci, const struct hf_detect_opts *opts,
	struct hf_nic **ret, char *why, size_t size, struct hf_err *err)
{
	const struct hf_nic *nic = NULL;
	struct hf_machine m;
	size_t i;
	int rc = hf_machine_look(opts, &m, err);

	if (rc < 0)
		return rc;
	(void)snprintf(why, size, "no network card is there");
	for (i = 0; i < m.n_cards; i++) {
		if (strcmp(m.cards[i].pci, pci) == 0)
			nic = hf_card_match(&m.cards[i], devargs, m.nics, m.n_nics, why, size);
	}
	if (nic)
		rc = copy_of(nic, ret, err);
	hf_machine_fini(&m);
	return rc;
}

/* Whether a driver of this name runs real cards, which are not asked for by a device name. */
static bool runs_cards(struct hf_nic *const *nics, size_t n, const char *driver)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (nics[i]->n_pci > 0 && strcmp(nics[i]->driver, driver) == 0)
			return true;
	}
	return false;
}

/* net_vnic says whom it plays; other virtual devices have the profile of their driver, if any. */
static int match_virtual(
	const char *devargs, struct hf_nic **ret, char *why, size_t size, struct hf_err *err)
{
	char value[WORD_SIZE], driver[WORD_SIZE];
	struct hf_nic **nics;
	size_t n, i;
	int rc;

	(void)snprintf(
		driver, sizeof(driver), "%.*s", (int)strcspn(devargs, "0123456789,"), devargs);
	if (strcmp(driver, "net_vnic") == 0) {
		if (!find_arg(devargs, "profile", value))
			return hf_fail(err, -EINVAL, "%s: net_vnic needs profile=NAME", devargs);
		(void)snprintf(why, size, "the virtual NIC says so");
		return hf_profile_find(value, ret, err);
	}
	rc = hf_profile_all(&nics, &n, err);
	if (rc < 0)
		return rc;
	(void)snprintf(why, size, "no profile is about %s", driver);
	for (i = 0; i < n && rc == 0 && !*ret && !runs_cards(nics, n, driver); i++) {
		if (strcmp(nics[i]->driver, driver) != 0)
			continue;
		(void)snprintf(why, size, "driver %s", driver);
		rc = copy_of(nics[i], ret, err);
	}
	hf_profile_free_all(nics, n);
	return rc;
}

/* "0000:3b:00.0" of "0000:3b:00.0,...", "3b:00.0", "pci:0000:3b:00.0"; false when it is none. */
static bool parse_pci(const char *text, char *ret, size_t size)
{
	unsigned int domain = 0, bus, slot, function;
	int end = 0;

	if (strncmp(text, "pci:", 4) == 0)
		text += 4;
	if (!isxdigit((unsigned char)text[0]))
		return false;
	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4) {
		domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3)
			return false;
	}
	if (text[end] != '\0' && text[end] != ',')
		return false;
	(void)snprintf(ret, size, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

/* "auxiliary:mlx5_core.sf.4": DPDK has further buses, on which no card can be told by its id. */
static bool on_other_bus(const char *devargs)
{
	size_t len = strspn(devargs, "abcdefghijklmnopqrstuvwxyz_");

	return len > 0 && devargs[len] == ':' && strncmp(devargs, "pci:", 4) != 0 &&
	       isalpha((unsigned char)devargs[len + 1]);
}

int hf_port_match(const char *devargs, const struct hf_detect_opts *opts, struct hf_nic **ret,
	char *why, size_t size, struct hf_err *err)
{
	struct hf_nic *nic = NULL;
	char pci[16];
	int rc = 0;

	why[0] = '\0';
	if (strncmp(devargs, "vdev:", 5) == 0)
		devargs += 5;
	if (strncmp(devargs, "net_", 4) == 0)
		rc = match_virtual(devargs, &nic, why, size, err);
	else if (parse_pci(devargs, pci, sizeof(pci)))
		rc = match_card(devargs, pci, opts, &nic, why, size, err);
	else if (on_other_bus(devargs))
		(void)snprintf(why, size, "a device of another bus than PCI");
	else
		rc = hf_fail(err, -EINVAL, "'%s' is neither a PCI address nor a virtual device",
			devargs);
	if (rc == 0)
		*ret = nic;
	return rc;
}
