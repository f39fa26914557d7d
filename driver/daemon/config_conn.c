/* SPDX-License-Identifier: BSD-3-Clause */

/* The parts of the configuration that are about connections and services. */

#include "config_read.h"

#include <hepflow/base/yaml.h>

#include <string.h>

static int read_max(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int64_t n;

	if (hf_yaml_int(v, 1024, HF_CONFIG_CONNECTIONS_MAX, &n) < 0)
		return hf_conf_fail(
			r, v, "max must be a number from 1024 to %u", HF_CONFIG_CONNECTIONS_MAX);
	r->c->max_connections = (uint32_t)n;
	return 0;
}

const char *const hf_conf_timers[HF_CONF_N_TIMERS] = {"tcp-syn-sent", "tcp-syn-recv",
	"tcp-established", "tcp-fin-wait", "tcp-close-wait", "tcp-last-ack", "tcp-time-wait",
	"tcp-close", "tcp-syn-sent2", "tcp-unacknowledged", "tcp-max-retrans", "udp", "udp-stream",
	"icmp", "generic", "sctp-closed", "sctp-cookie-wait", "sctp-cookie-echoed",
	"sctp-established", "sctp-shutdown-sent", "sctp-shutdown-recd", "sctp-shutdown-ack-sent",
	"sctp-heartbeat-sent"};

static int read_timeouts(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	size_t i, k;
	int64_t n;

	if (v->kind != HF_YAML_MAP)
		return hf_conf_fail(r, v, "timeouts must be a mapping");
	for (i = 0; i < v->n; i++) {
		const char *name = v->key[i]->text;

		for (k = 0; k < HF_CONF_N_TIMERS && strcmp(hf_conf_timers[k], name) != 0; k++)
			;
		if (k == HF_CONF_N_TIMERS)
			return hf_conf_fail(r, v->key[i], "unknown key '%.80s' in timeouts", name);
		if (hf_yaml_int(v->v[i], 1, HF_CONFIG_TIMEOUT_MAX, &n) < 0)
			return hf_conf_fail(r, v->v[i],
				"%s must be a number of seconds from 1 to %u", name,
				HF_CONFIG_TIMEOUT_MAX);
		r->c->timeouts[k] = (uint32_t)n;
	}
	return 0;
}

static int read_number(struct hf_conf_reader *r, const struct hf_yaml *v, const char *what,
	uint32_t max, uint32_t *ret)
{
	int64_t n;

	if (hf_yaml_int(v, 1, max, &n) < 0)
		return hf_conf_fail(r, v, "%s must be a number from 1 to %u", what, max);
	*ret = (uint32_t)n;
	return 0;
}

static int read_after(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	return read_number(r, v, "after", HF_CONFIG_AFTER_MAX, &r->c->offload.after);
}

static int read_offload_max(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	return read_number(r, v, "max", HF_CONFIG_OFFLOAD_MAX, &r->c->offload.max);
}

static int read_idle(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	return read_number(r, v, "idle", HF_CONFIG_IDLE_MAX, &r->c->offload.idle);
}

static int read_offload(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const struct hf_conf_key keys[] = {
		{"after", true, read_after},
		{"max", false, read_offload_max},
		{"idle", false, read_idle},
	};

	return hf_conf_map(r, v, keys, HF_CONF_N(keys), "offload");
}

static int read_reclassify(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {
		[HF_RECLASSIFY_OFF] = "off",
		[HF_RECLASSIFY_DENY_ONLY] = "deny-only",
		[HF_RECLASSIFY_ALL] = "all",
	};
	int rc = hf_conf_word(r, v, "reclassify", words, HF_CONF_N(words));

	if (rc < 0)
		return rc;
	r->c->reclassify = (enum hf_reclassify)rc;
	return 0;
}

int hf_conf_connections(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const struct hf_conf_key keys[] = {
		{"max", false, read_max},
		{"timeouts", false, read_timeouts},
		{"offload", false, read_offload},
		{"reclassify", false, read_reclassify},
	};

	return hf_conf_map(r, v, keys, HF_CONF_N(keys), "connections");
}

static int read_ambiguous(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {
		[HF_AMBIGUOUS_RECHECK] = "recheck",
		[HF_AMBIGUOUS_TRANSLATE] = "translate",
		[HF_AMBIGUOUS_DROP] = "drop",
	};
	int rc = hf_conf_word(r, v, "ambiguous", words, HF_CONF_N(words));

	if (rc < 0)
		return rc;
	r->c->ambiguous = (enum hf_ambiguous)rc;
	return 0;
}

int hf_conf_services(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const struct hf_conf_key keys[] = {
		{"ambiguous", false, read_ambiguous},
	};

	return hf_conf_map(r, v, keys, HF_CONF_N(keys), "services");
}
