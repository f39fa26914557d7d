/* SPDX-License-Identifier: BSD-3-Clause */

#include "apply.h"

#include "daemon.h"
#include "enforce.h"
#include "feed.h"
#include "kernel.h"
#include "log.h"
#include "prover.h"

#include <hepflow/base/clock.h>
#include <hepflow/policy.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct waiting {
	struct hf_waiter waiter;
	struct waiting *prev, *next;
};

struct hf_apply {
	struct hf_prover *prover;
	struct hf_policy_cache *cache; /* of what the last generation was read from */
	struct hf_inputs in;	       /* for the prover: what stays the same */
	/* What the answer that is due is about; NULL: none is due. */
	const struct hf_generation *asked;
	uint64_t asked_at;	     /* hf_clock_ms() */
	struct hf_generation *next;  /* to be put in force once it is proven; NULL */
	struct hf_generation *stale; /* asked, but superseded: freed when the answer is there */
	uint64_t since;		/* hf_clock_ms(): the first of those that next has superseded */
	bool again;		/* something has changed since next was built */
	bool newer_failed;	/* what was read since cannot be built: d->error is about that */
	bool made_up;		/* d->missed, when next was built */
	bool felix;		/* next is what Felix says, too */
	unsigned int confirm_s; /* of next */
	struct waiting *applies;
	struct waiting *verifies;
};

static int add_waiter(struct waiting **list, const struct hf_waiter *waiter, struct hf_err *err)
{
	struct waiting *w = waiter ? calloc(1, sizeof(*w)) : NULL;

	if (!waiter)
		return 0;
	if (!w)
		return hf_fail(err, -ENOMEM, "out of memory");
	w->waiter = *waiter;
	DL_APPEND(*list, w);
	return 0;
}

static void tell(
	struct waiting **list, int rc, const struct hf_err *err, const struct hf_answer *answer)
{
	struct waiting *all = *list, *w, *next;

	*list = NULL; /* who is told may ask again */
	DL_FOREACH_SAFE(all, w, next)
	{
		DL_DELETE(all, w);
		w->waiter.done(w->waiter.arg, rc, err, answer);
		free(w);
	}
}

static void note_proof(
	struct hf_daemon *d, const struct hf_generation *g, const struct hf_answer *answer, int rc)
{
	d->proof = answer->proof;
	d->proven_no = g->number;
	if (rc < 0)
		return;
	if (d->proof.answer == HF_CHECK_PROVEN)
		hf_log(HF_LOG_INFO, "proof", "generation %u: proven in %u ms", g->number,
			d->proof.ms);
	else
		hf_log(d->proof.too_large ? HF_LOG_INFO : HF_LOG_WARN, "proof",
			"generation %u is put in force without a proof: %s", g->number,
			d->proof.text);
}

int hf_apply_first(struct hf_daemon *d, const struct hf_generation *first, struct hf_err *err)
{
	struct hf_question q = {.g = first, .before = true};
	struct hf_answer answer;
	int rc;

	d->apply = calloc(1, sizeof(*d->apply));
	if (!d->apply)
		return hf_fail(err, -ENOMEM, "out of memory");
	d->apply->in = (struct hf_inputs){.config = d->config, .profiles = &d->profiles};
	rc = hf_prover_new(&d->apply->prover, err);
	if (rc < 0)
		return rc;
	q.in = &d->apply->in;
	hf_prover_answer(d->apply->prover, &q, &answer);
	rc = answer.rc == -EAGAIN ? 0 : answer.rc; /* nothing is there to stay with */
	note_proof(d, first, &answer, rc);
	*err = answer.err;
	hf_answer_fini(&answer);
	return rc;
}

/* Felix hears of every host endpoint after every apply: it keeps the last word itself. */
static void report(struct hf_daemon *d)
{
	static const enum hf_felix_status of[] = {
		[HF_ENDPOINT_ERROR] = HF_FELIX_STATUS_ERROR,
		[HF_ENDPOINT_DOWN] = HF_FELIX_STATUS_DOWN,
		[HF_ENDPOINT_UP] = HF_FELIX_STATUS_UP,
	};
	enum hf_endpoint_status status;
	const char *name;
	size_t i;

	for (i = 0; d->feed && i < hf_model_n_host_endpoints(d->now->model); i++) {
		name = hf_model_host_endpoint(d->now->model, i, &status);
		hf_feed_report(d->feed, name, of[status]);
	}
}

/* Errors are kept for "status". */
static int fail_apply(struct hf_daemon *d, const struct hf_err *err, int rc)
{
	(void)snprintf(d->error, sizeof(d->error), "%s", err->text); /* the same size */
	d->error_time = time(NULL);
	if (!d->refused) {
		d->retry_at = 0;
	} else {
		d->retry_s = d->retry_at ? 2 * d->retry_s : HF_RETRY_FIRST_S;
		if (d->retry_s > HF_RETRY_MAX_S)
			d->retry_s = HF_RETRY_MAX_S;
		d->retry_at = hf_clock_ms() + 1000ull * d->retry_s;
	}
	d->refused = false;
	hf_log(HF_LOG_ERROR, "engine", "generation %u stays in force: %s",
		d->now ? d->now->number : 0, err->text);
	return rc;
}

static void succeed(struct hf_daemon *d, unsigned int back_to)
{
	struct hf_apply *a = d->apply;

	if (!a->newer_failed)
		d->error[0] = '\0';
	d->held = false;
	d->retry_at = 0;
	d->save = a->felix && d->config->statedir;
	report(d);
	if (!a->confirm_s)
		return;
	d->back_to = back_to;
	d->confirm_by = hf_clock_ms() + 1000ull * a->confirm_s;
	hf_log(HF_LOG_WARN, "engine", "generation %u is undone in %u s unless it is confirmed",
		d->now->number, a->confirm_s);
}

/* Next takes its place, if its proof is what it needs. */
static void decide(struct hf_daemon *d, const struct hf_answer *answer)
{
	struct hf_apply *a = d->apply;
	struct hf_generation *next = a->next;
	unsigned int back_to = d->now->number;
	struct hf_err err = answer->err;
	int rc = answer->rc;
	bool during = d->missed;

	a->next = NULL;
	note_proof(d, next, answer, rc);
	if (rc == 0)
		rc = hf_enforce(d, next, &err);
	if (rc == 0) {
		d->last_number = next->number;
		succeed(d, back_to);
	} else {
		hf_enforce_drop(d, next);
		(void)fail_apply(d, &err, rc);
		d->missed |= a->made_up;
		if (a->confirm_s)
			d->retry_at = 0; /* nobody would be there to confirm it */
	}
	a->confirm_s = 0;
	tell(&a->applies, rc, &err, NULL);
	if (a->again || (during && !d->held && !d->confirm_by)) {
		a->again = d->missed = false;
		hf_apply_changed(d);
	}
}

static void ask(struct hf_apply *a, const struct hf_generation *g, bool before)
{
	struct hf_question q = {.g = g, .in = &a->in, .before = before};

	a->asked = g;
	a->asked_at = hf_clock_ms();
	hf_prover_ask(a->prover, &q);
}

/* The prover's next question, if it has none. What is to be put in force comes first. */
static void go_on(struct hf_daemon *d)
{
	struct hf_apply *a = d->apply;

	if (a->asked)
		return;
	if (a->next) {
		ask(a, a->next, true);
	} else if (a->verifies) {
		d->now->lent_to_prover = true;
		ask(a, d->now, false);
	}
}

static struct hf_generation *find_lent(struct hf_daemon *d, const struct hf_generation *g)
{
	size_t i;

	for (i = 0; i < d->n_old; i++) {
		if (d->old[i] == g)
			return d->old[i];
	}
	for (i = 0; i < d->n_gone; i++) {
		if (d->gone[i] == g)
			return d->gone[i];
	}
	return d->now; /* it is still in force */
}

static void on_answer(void *arg, struct hf_answer *take_answer)
{
	struct hf_daemon *d = arg;
	struct hf_apply *a = d->apply;
	const struct hf_generation *asked = a->asked;

	a->asked = NULL;
	if (asked == a->stale) {
		hf_generation_free(a->stale);
		a->stale = NULL;
	} else if (asked == a->next) {
		decide(d, take_answer);
	} else {
		find_lent(d, asked)->lent_to_prover = false;
		/* One that had to make way is asked again. */
		if (!a->next || take_answer->proof.answer != HF_CHECK_UNDECIDED)
			tell(&a->verifies, take_answer->rc, &take_answer->err, take_answer);
	}
	hf_answer_fini(take_answer);
	go_on(d);
}

int hf_apply_open(struct hf_daemon *d, struct event_base *base, struct hf_err *err)
{
	return hf_prover_start(d->apply->prover, base, on_answer, d, err);
}

/* Gives up what is under way, but for who waits. */
static void give_up(struct hf_apply *a)
{
	if (a->next && a->asked == a->next) {
		a->stale = a->next;
		hf_prover_hurry(a->prover);
	} else {
		hf_generation_free(a->next);
	}
	a->next = NULL;
}

void hf_apply_close(struct hf_daemon *d)
{
	static const struct hf_err ends = {.text = "hepflowd ends"};
	struct hf_apply *a = d->apply;

	if (!a)
		return;
	hf_prover_free(a->prover);
	hf_policy_cache_free(a->cache);
	hf_generation_free(a->next);
	hf_generation_free(a->stale);
	tell(&a->applies, -ECANCELED, &ends, NULL);
	tell(&a->verifies, -ECANCELED, &ends, NULL);
	free(a);
	d->apply = NULL;
}

int hf_apply(struct hf_daemon *d, unsigned int confirm_s, const struct hf_waiter *waiter,
	struct hf_err *err)
{
	struct hf_inputs in = {
		.config = d->config,
		.profiles = &d->profiles,
		.felix = d->feed ? hf_feed_state(d->feed) : NULL,
		.host = d->kernel ? hf_kernel_host(d->kernel) : NULL,
	};
	struct hf_apply *a = d->apply;
	struct hf_generation *next;
	int rc;

	if (!a->cache)
		a->cache = hf_policy_cache_new(); /* NULL: files are read anew */
	in.cache = a->cache;
	if (d->confirm_by)
		return hf_fail(err, -EBUSY, "generation %u waits to be confirmed", d->now->number);
	if (a->next && a->confirm_s)
		return hf_fail(err, -EBUSY, "an apply that is to be confirmed is under way");
	rc = hf_generation_build(&in, d->last_number + 1, d->now, &next, err);
	if (rc == 0)
		rc = add_waiter(&a->applies, waiter, err);
	if (rc < 0) {
		a->newer_failed = a->next != NULL;
		return fail_apply(d, err, rc);
	}
	if (!a->next)
		a->since = hf_clock_ms();
	give_up(a);
	a->next = next;
	a->again = a->newer_failed = false;
	a->made_up = d->missed;
	d->missed = false;
	a->felix = in.felix != NULL;
	a->confirm_s = confirm_s;
	if (a->asked) /* a verify makes way */
		hf_prover_hurry(a->prover);
	go_on(d);
	return 0;
}

/* Whether steady change would keep what is under way from ever coming into force. */
static bool has_waited(const struct hf_daemon *d)
{
	const struct hf_apply *a = d->apply;

	return a->next && hf_clock_ms() - a->since >= d->config->proof_budget_ms;
}

void hf_apply_changed(struct hf_daemon *d)
{
	const char *why = d->held ? "was rolled back to" : "is not confirmed yet";
	struct hf_apply *a = d->apply;
	bool unconfirmed = d->confirm_by || (a->next && a->confirm_s);

	if (unconfirmed || d->held) {
		if (!d->missed)
			hf_log(HF_LOG_WARN, "engine", "a change waits: generation %u %s",
				d->now->number, why);
		d->missed = true;
	} else if (has_waited(d)) {
		a->again = true;
	} else {
		(void)hf_apply(d, 0, NULL, &(struct hf_err){0}); /* logged and kept there */
	}
}

int hf_apply_confirm(struct hf_daemon *d, struct hf_err *err)
{
	if (!d->confirm_by)
		return hf_fail(err, -ENOENT, "nothing waits to be confirmed");
	d->confirm_by = 0;
	hf_log(HF_LOG_INFO, "engine", "generation %u is confirmed", d->now->number);
	if (d->missed)
		hf_apply_changed(d);
	return 0;
}

int hf_apply_rollback(struct hf_daemon *d, unsigned int number, struct hf_err *err)
{
	static const struct hf_err came = {.text = "a rollback has come in between"};
	struct hf_apply *a = d->apply;
	struct hf_generation *g;
	size_t i;
	int rc;

	for (i = 0; i < d->n_old && number && d->old[i]->number != number; i++)
		;
	if (i == d->n_old)
		return number ? hf_fail(err, -ENOENT, "generation %u is not kept", number)
			      : hf_fail(err, -ENOENT, "there is no generation before %u",
					d->now->number);
	g = d->old[i];
	d->n_old--;
	memmove(&d->old[i], &d->old[i + 1], (d->n_old - i) * sizeof(d->old[0]));
	rc = hf_enforce(d, g, err);
	if (rc < 0) {
		d->refused = false;
		hf_enforce_remember(d, g); /* there is room: it just left */
		return rc;
	}
	d->confirm_by = 0;
	d->held = true;
	if (a->next) {
		give_up(a);
		a->again = false;
		a->confirm_s = 0;
		d->missed = true;
		tell(&a->applies, -ECANCELED, &came, NULL);
	}
	report(d);
	return 0;
}

/* Nobody has confirmed: whoever applied may have locked himself out. */
static void check_confirm(struct hf_daemon *d)
{
	unsigned int number = d->now->number;
	struct hf_err err;

	if (!d->confirm_by || hf_clock_ms() < d->confirm_by)
		return;
	if (hf_apply_rollback(d, d->back_to, &err) < 0) {
		hf_log(HF_LOG_ERROR, "engine", "generation %u is not confirmed and stays: %s",
			number, err.text);
		d->confirm_by = 0;
		return;
	}
	hf_log(HF_LOG_WARN, "engine", "generation %u was not confirmed: back to %u", number,
		d->now->number);
}

void hf_apply_tick(struct hf_daemon *d)
{
	check_confirm(d);
	if (d->retry_at && hf_clock_ms() >= d->retry_at && !d->apply->next)
		hf_apply_changed(d);
}

int hf_apply_verify(struct hf_daemon *d, const struct hf_waiter *waiter, struct hf_err *err)
{
	int rc = add_waiter(&d->apply->verifies, waiter, err);

	if (rc == 0)
		go_on(d);
	return rc;
}

bool hf_apply_is_proving(const struct hf_daemon *d, unsigned int *ret_number, uint64_t *ret_ms)
{
	const struct hf_apply *a = d->apply;

	if (!a->next)
		return false;
	*ret_number = a->next->number;
	*ret_ms = hf_clock_ms() - a->since;
	return true;
}
