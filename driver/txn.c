/* SPDX-License-Identifier: BSD-3-Clause */

#include "txn.h"

#include <string.h>

static int prepare_all(struct hf_txn *txn, struct hf_err *err)
{
	size_t i;
	int rc;

	for (i = 0; i < txn->n; i++) {
		struct hf_txn_place *p = &txn->places[i];

		p->state = HF_TXN_OLD;
		p->touched = false;
		p->why[0] = '\0';
		rc = txn->ops->prepare(p->arg, p->to, err);
		if (rc == 0)
			continue;
		while (i > 0)
			txn->ops->cancel(txn->places[--i].arg);
		return hf_err_prefix(err, rc, "%s: ", p->name);
	}
	return 0;
}

static void punt(struct hf_txn_place *p, const struct hf_err *why)
{
	p->state = HF_TXN_PUNTS;
	memcpy(p->why, why->text, sizeof(p->why));
}

static int commit(struct hf_txn *txn, struct hf_txn_place *p)
{
	struct hf_err why = {0};
	int rc = txn->ops->commit(p->arg, &why);

	p->touched = true;
	if (rc < 0)
		punt(p, &why);
	else
		p->state = HF_TXN_NEW;
	return rc;
}

static void go_back(struct hf_txn *txn, struct hf_txn_place *p)
{
	struct hf_err why = {0};
	int rc = txn->ops->prepare(p->arg, p->from, &why);

	if (rc == 0)
		rc = txn->ops->commit(p->arg, &why);
	if (rc < 0) {
		punt(p, &why);
		return;
	}
	p->state = HF_TXN_OLD;
	p->why[0] = '\0';
}

/* Place number at has refused; those behind it are still prepared. */
static int undo(struct hf_txn *txn, size_t at, int rc, struct hf_err *err)
{
	size_t i;

	(void)hf_fail(err, rc, "%s: %s", txn->places[at].name, txn->places[at].why);
	for (i = at + 1; i < txn->n; i++)
		txn->ops->cancel(txn->places[i].arg);
	for (i = at + 1; i-- > 0;)
		go_back(txn, &txn->places[i]);
	return rc;
}

int hf_txn_run(struct hf_txn *txn, struct hf_err *err)
{
	size_t i;
	int rc = prepare_all(txn, err);

	if (rc < 0)
		return rc;
	rc = txn->publish(txn->arg, true, err);
	for (i = 0; i < txn->n && rc < 0; i++)
		txn->ops->cancel(txn->places[i].arg);
	if (rc < 0)
		return rc;
	for (i = 0; i < txn->n; i++) {
		rc = commit(txn, &txn->places[i]);
		/* Without the old policy in software no place may go back to it. */
		if (rc < 0 && txn->keep && txn->publish(txn->arg, false, NULL) == 0)
			return undo(txn, i, rc, err);
	}
	return 0;
}
