/* SPDX-License-Identifier: BSD-3-Clause */

#include "prover.h"

#include <event2/event.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct hf_prover {
	struct hf_check_memory *memory;
	atomic_bool hurry;
	/* With a thread. */
	bool started;
	pthread_t thread;
	pthread_mutex_t lock; /* of what is in here */
	pthread_cond_t changed;
	bool asked, ends;
	struct hf_question question;
	struct hf_answer answer;
	/* The loop's. */
	int fd;
	struct event *event;
	void (*done)(void *arg, struct hf_answer *take_answer);
	void *arg;
};

void hf_answer_fini(struct hf_answer *answer)
{
	free(answer->text);
	answer->text = NULL;
}

static bool is_hurried(void *arg)
{
	return atomic_load(&((struct hf_prover *)arg)->hurry);
}

static int run(const struct hf_question *q, const struct hf_proof_opts *opts, struct hf_answer *ret)
{
	size_t size;
	FILE *out;
	int rc;

	if (q->before)
		return hf_proof_before(q->g, q->in, opts, &ret->proof, &ret->err);
	out = open_memstream(&ret->text, &size);
	if (!out)
		return hf_fail(&ret->err, -ENOMEM, "out of memory");
	rc = hf_proof_run(q->g, q->in, opts, out, &ret->proof, &ret->err);
	return fclose(out) != 0 && rc == 0 ? hf_fail(&ret->err, -ENOMEM, "out of memory") : rc;
}

static void work_out(struct hf_prover *p, const struct hf_question *q, struct hf_answer *ret)
{
	struct hf_proof_opts opts = {.stop = is_hurried, .stop_arg = p, .memory = p->memory};

	*ret = (struct hf_answer){0};
	hf_check_memory_turn(p->memory);
	ret->rc = run(q, &opts, ret);
}

static void *work(void *arg)
{
	static const uint64_t one = 1;
	struct hf_prover *p = arg;
	struct hf_answer answer;
	struct hf_question q;

	pthread_mutex_lock(&p->lock);
	while (!p->ends) {
		if (!p->asked) {
			pthread_cond_wait(&p->changed, &p->lock);
			continue;
		}
		q = p->question;
		p->asked = false;
		pthread_mutex_unlock(&p->lock);
		work_out(p, &q, &answer);
		pthread_mutex_lock(&p->lock);
		p->answer = answer;
		(void)!write(p->fd, &one, sizeof(one)); /* a counter that is never full */
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void on_answer(evutil_socket_t fd, short, void *arg)
{
	struct hf_prover *p = arg;
	struct hf_answer answer;
	uint64_t n;

	if (read(fd, &n, sizeof(n)) != sizeof(n))
		return;
	pthread_mutex_lock(&p->lock);
	answer = p->answer;
	p->answer = (struct hf_answer){0};
	pthread_mutex_unlock(&p->lock);
	p->done(p->arg, &answer);
}

int hf_prover_new(struct hf_prover **ret, struct hf_err *err)
{
	struct hf_prover *p = calloc(1, sizeof(*p));
	int rc = p ? hf_check_memory_new(HF_PROOF_NODES, &p->memory, err)
		   : hf_fail(err, -ENOMEM, "out of memory");

	if (rc < 0) {
		free(p);
		return rc;
	}
	p->fd = -1;
	(void)pthread_mutex_init(&p->lock, NULL); /* neither fails on Linux */
	(void)pthread_cond_init(&p->changed, NULL);
	*ret = p;
	return 0;
}

void hf_prover_answer(
	struct hf_prover *prover, const struct hf_question *question, struct hf_answer *ret)
{
	work_out(prover, question, ret);
}

/* Signals are the loop's: the thread starts with all of them blocked. */
static int start_thread(struct hf_prover *p)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&p->thread, NULL, work, p);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

int hf_prover_start(struct hf_prover *prover, struct event_base *base,
	void (*done)(void *arg, struct hf_answer *take_answer), void *arg, struct hf_err *err)
{
	int rc;

	prover->done = done;
	prover->arg = arg;
	prover->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (prover->fd < 0)
		return hf_fail(err, -errno, "prover: %s", strerror(errno));
	prover->event = event_new(base, prover->fd, EV_READ | EV_PERSIST, on_answer, prover);
	if (!prover->event || event_add(prover->event, NULL) < 0)
		return hf_fail(err, -ENOMEM, "prover: out of memory");
	rc = start_thread(prover);
	if (rc < 0)
		return hf_fail(err, rc, "prover: %s", strerror(-rc));
	prover->started = true;
	return 0;
}

void hf_prover_ask(struct hf_prover *prover, const struct hf_question *question)
{
	atomic_store(&prover->hurry, false);
	pthread_mutex_lock(&prover->lock);
	prover->question = *question;
	prover->asked = true;
	pthread_cond_signal(&prover->changed);
	pthread_mutex_unlock(&prover->lock);
}

void hf_prover_hurry(struct hf_prover *prover)
{
	atomic_store(&prover->hurry, true);
}

void hf_prover_free(struct hf_prover *p)
{
	if (!p)
		return;
	if (p->started) {
		atomic_store(&p->hurry, true);
		pthread_mutex_lock(&p->lock);
		p->ends = true;
		pthread_cond_signal(&p->changed);
		pthread_mutex_unlock(&p->lock);
		(void)pthread_join(p->thread, NULL); /* it is ours and not joined yet */
	}
	if (p->event)
		event_free(p->event);
	if (p->fd >= 0)
		(void)close(p->fd); /* an eventfd has nothing to lose */
	hf_answer_fini(&p->answer);
	hf_check_memory_free(p->memory);
	(void)pthread_cond_destroy(&p->changed);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}
