/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/check.h>

#include <hepflow/err.h>

#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct job {
	const struct hf_model *model;
	const struct hf_check_view *view;
	uint16_t in;
	struct hf_check *check;
	struct hf_check_family *family; /* of check, the one at hand */
	bool answer_only;
	struct hf_err *err;
};

struct dd_budget hf_check_budget(const struct hf_check_opts *opts)
{
	struct dd_budget budget = {.stop = opts->stop, .arg = opts->stop_arg};
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	if (opts->max_ms)
		budget.end_ms =
			(uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + opts->max_ms;
	return budget;
}

enum hf_check_limit hf_check_limit(const struct dd_budget *budget)
{
	return budget->out_of_time ? HF_CHECK_LIMIT_TIME
	       : budget->stopped   ? HF_CHECK_LIMIT_STOP
				   : HF_CHECK_LIMIT_NODES;
}

const char *hf_check_limit_name(enum hf_check_limit limit)
{
	static const char *const names[] = {
		[HF_CHECK_LIMIT_NODES] = "node limit",
		[HF_CHECK_LIMIT_TIME] = "time limit",
		[HF_CHECK_LIMIT_STOP] = "stopped",
	};

	return names[limit];
}

/* Narrows a set to the nicer of its packets, if it has some. */
static BDD prefer(struct dd *dd, BDD set, BDD nice)
{
	BDD both = hf_dd_and(dd, set, nice);

	return both == hf_dd_none() ? set : both;
}

/* From a documentation net (RFC 5737, RFC 3849). */
static BDD documented(struct dd *dd)
{
	static const struct hf_prefix from[] = {
		{{4, {198, 51, 100, 7}}, 32}, {{6, {0x20, 0x01, 0x0d, 0xb8, [15] = 7}}, 128}};

	return hf_dd_nets(dd, DD_SRC, from, 2);
}

/* A packet that people can read: plain, TCP, from a known source. */
static void pick_readable(struct dd *dd, BDD set, struct dd_packet *ret)
{
	set = prefer(dd, set, hf_dd_is(dd, DD_EXT, 0));
	set = prefer(dd, set, hf_dd_is(dd, DD_VLAN, 0));
	set = prefer(dd, set, hf_dd_is(dd, DD_FRAG, 0));
	set = prefer(dd, set, hf_dd_is(dd, DD_PROTO, HF_PROTO_TCP));
	set = prefer(dd, set, hf_dd_is(dd, DD_SYN, 1));
	set = prefer(dd, set, hf_dd_is(dd, DD_ACK, 0));
	set = prefer(dd, set, documented(dd));
	hf_dd_pick(dd, set, ret);
}

static void measure(const struct job *job, const struct pol *pol, const struct device *dev,
	const struct fates *certain, struct hf_check_family *ret)
{
	/* Without an IP layer an entry is met by packets that are not IP; those are no business
	 * here.
	 */
	const uint32_t ip = HF_LAYER_BIT(HF_LAYER_IPV4) | HF_LAYER_BIT(HF_LAYER_IPV6);
	struct dd *dd = pol->dd;
	BDD plain = hf_dd_is(dd, DD_EXT, 0), clear, punted = dev->may[HF_FATE_PUNT];
	unsigned int c;
	size_t i;

	plain = hf_dd_and(dd, plain, hf_dd_is(dd, DD_VLAN, 0));
	plain = hf_dd_and(dd, plain, hf_dd_is(dd, DD_FRAG, 0));
	clear = hf_dd_or(dd, certain->allow, hf_dd_or(dd, certain->untracked, certain->deny));
	for (c = 0; c <= HF_CLASS_HOST; c++) {
		BDD class = hf_dd_and(dd, plain, hf_pol_class(pol, (enum hf_class)c));
		BDD left = hf_dd_and(dd, class, punted);

		ret->share[c].any = class != hf_dd_none();
		ret->share[c].punted = hf_dd_share(dd, left, class);
		ret->share[c].decidable = hf_dd_share(dd, hf_dd_and(dd, left, clear), class);
	}
	for (i = 0; i < job->view->n_entries; i++)
		job->check->reached[i] |= !(job->view->entries[i].match.layers & ip);
}

/* What the NIC could have decided of a class, by why it does not. */
static void list_left(const struct pol *pol, const struct device *dev, enum hf_class class,
	BDD left, BDD whole, struct hf_check_family *ret)
{
	struct dd *dd = pol->dd;
	struct dd_packet p;
	size_t r;

	for (r = 0; r < HF_REASON_MAX_ && left != hf_dd_none() && !dd->failed; r++) {
		BDD part = hf_dd_and(dd, left, dev->punt[r]);
		struct hf_check_left *l = &ret->left[ret->n_left];

		if (part == hf_dd_none() || ret->n_left == HF_CHECK_LEFT_MAX)
			continue;
		l->class = class;
		l->reason = (enum hf_reason)r;
		l->share = hf_dd_share(dd, part, whole);
		pick_readable(dd, part, &p);
		hf_pol_packet(pol, &p, &l->pkt);
		ret->n_left++;
	}
}

/* Whether the plan is maximal, by what the profile says that this NIC sees. */
static void find_left(const struct job *job, const struct pol *pol, const struct device *dev,
	const struct fates *certain, struct hf_check_family *ret)
{
	struct dd *dd = pol->dd;
	BDD left = hf_device_knowable(dd, job->view, pol->all, certain);
	unsigned int c;

	left = hf_dd_and(dd, left, dev->may[HF_FATE_PUNT]);
	ret->n_left = 0;
	for (c = 0; c <= HF_CLASS_HOST && left != hf_dd_none(); c++) {
		BDD class = hf_pol_class(pol, (enum hf_class)c);

		list_left(pol, dev, (enum hf_class)c, hf_dd_and(dd, left, class), class, ret);
	}
}

static int refute(const struct job *job, const struct pol *pol, BDD wrong)
{
	struct dd_packet p;
	char line[512]; /* longer than a packet line with every key */

	pick_readable(pol->dd, wrong, &p);
	if (pol->dd->failed)
		return 0;
	if (hf_device_confirm(&pol, 1, job->view, &p, &job->check->wrong) || pol->dd->failed)
		return 0;
	(void)hf_packet_print(&job->check->wrong.pkt, line, sizeof(line));
	return hf_fail(job->err, -EPROTO,
		"check: proof and reference differ, a mistake in flowgen; packet: %s", line);
}

static int compare(const struct job *job, const struct pol *pol, struct hf_check_family *ret)
{
	struct dd *dd = pol->dd;
	struct fates certain;
	struct device dev;
	BDD wrong;
	int rc;

	hf_pol_certain(pol, &certain);
	certain.answered = hf_dd_none();
	if (job->view->eswitch.on && hf_pol_answered(pol, &certain.answered) < 0)
		return hf_fail(job->err, -ENOMEM, "check: out of memory");
	rc = hf_device_walk(&dev, dd, pol->all, false, job->view,
		dd->record || job->answer_only ? NULL : job->check->reached);
	if (rc < 0)
		return hf_fail(job->err, rc,
			rc == -EINVAL ? "check: an entry or a jump leads nowhere"
				      : "check: out of memory");
	wrong = hf_device_wrong(&dev, dd, &certain);
	if (dd->record) {
		(void)documented(dd); /* refute() may ask for it */
		return 0;
	}
	if (wrong != hf_dd_none()) {
		rc = refute(job, pol, wrong);
	} else if (!job->answer_only) {
		measure(job, pol, &dev, &certain, ret);
		find_left(job, pol, &dev, &certain, ret);
	}
	if (!dd->failed)
		ret->answer = wrong == hf_dd_none() ? HF_CHECK_PROVEN : HF_CHECK_REFUTED;
	return rc;
}

/* One run; *job->family is filled unless it only records. */
static int check_open(void *arg, struct dd *dd)
{
	const struct job *job = arg;
	struct pol pol;
	int rc = hf_pol_init(&pol, job->model, dd, job->in);

	rc = rc == 0 ? compare(job, &pol, job->family)
		     : hf_fail(job->err, rc, "check: out of memory");
	hf_pol_fini(&pol);
	hf_dd_close(dd);
	return rc;
}

static int find_uplink(const struct job *job, uint16_t *ret)
{
	const char *name = job->view->iface;
	int in = hf_model_find_iface(job->model, name);

	if (in <= 0)
		return hf_fail(job->err, -ENOENT, "no interface '%s' on this host", name);
	if (job->model->ifaces[in].id.from == HF_FROM_WORKLOAD)
		return hf_fail(job->err, -ENOTSUP, "check: '%s' is a pod's interface", name);
	*ret = (uint16_t)in;
	return 0;
}

int hf_check_plan(const struct hf_model *model, const struct hf_check_view *view,
	const struct hf_check_opts *opts, struct hf_check *ret, struct hf_err *err)
{
	static const uint8_t families[] = {4, 6};
	struct hf_check check = {.answer = HF_CHECK_PROVEN, .n_entries = view->n_entries};
	struct dd_budget budget = hf_check_budget(opts);
	struct job job = {.model = model,
		.view = view,
		.check = &check,
		.answer_only = opts->memory != NULL,
		.err = err};
	struct dd_proof proof = {opts->max_nodes ? opts->max_nodes : HF_CHECK_NODES, &budget,
		opts->memory, check_open, &job};
	size_t i;
	int rc = find_uplink(&job, &job.in);
	bool decided;

	if (rc < 0)
		return rc;
	check.reached = calloc(view->n_entries + 1, sizeof(*check.reached));
	if (!check.reached)
		return hf_fail(err, -ENOMEM, "check: out of memory");
	for (i = 0; i < 2 && rc == 0 && check.answer != HF_CHECK_REFUTED; i++) {
		job.family = &check.family[i];
		rc = hf_dd_prove(families[i], &proof, &decided, &job.family->nodes, err);
		if (check.family[i].answer != HF_CHECK_PROVEN)
			check.answer = check.family[i].answer;
	}
	check.limit = hf_check_limit(&budget);
	if (rc < 0) {
		hf_check_fini(&check);
		return rc;
	}
	*ret = check;
	return 0;
}

void hf_check_fini(struct hf_check *check)
{
	free(check->reached);
	check->reached = NULL;
}
