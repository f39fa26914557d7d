/* SPDX-License-Identifier: BSD-3-Clause */

#include "config.h"

#include "config_read.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/yaml.h>

#include <hepflow/err.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* "/hepflowd." + pid + ".ctl", and the closing NUL. */
#define SOCKET_NAME_SIZE 32

int hf_conf_fail(struct hf_conf_reader *r, const struct hf_yaml *at, const char *fmt, ...)
{
	char text[HF_ERR_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* an error text may be cut */
	va_end(ap);
	return hf_fail(r->err, -EINVAL, "%s:%u:%u: %s", r->c->path, at->line, at->col, text);
}

int hf_conf_no_memory(struct hf_conf_reader *r)
{
	return hf_fail(r->err, -ENOMEM, "%s: out of memory", r->c->path);
}

int hf_conf_map(struct hf_conf_reader *r, const struct hf_yaml *map, const struct hf_conf_key *keys,
	size_t n, const char *what)
{
	size_t i, k;
	int rc;

	if (map->kind != HF_YAML_MAP)
		return hf_conf_fail(r, map, "%s must be a mapping", what);
	for (i = 0; i < map->n; i++) {
		for (k = 0; k < n && strcmp(keys[k].name, map->key[i]->text) != 0; k++)
			;
		if (k == n)
			return hf_conf_fail(r, map->key[i], "unknown key '%.80s' in %s",
				map->key[i]->text, what);
		rc = keys[k].read(r, map->v[i]);
		if (rc < 0)
			return rc;
	}
	for (k = 0; k < n; k++) {
		if (keys[k].required && !hf_yaml_get(map, keys[k].name))
			return hf_conf_fail(r, map, "%s lacks '%s'", what, keys[k].name);
	}
	return 0;
}

/* A text that is there, without control characters. */
int hf_conf_read_text(
	struct hf_conf_reader *r, const struct hf_yaml *v, const char *what, const char **ret)
{
	const char *p;

	if (v->kind != HF_YAML_SCALAR || hf_yaml_is_null(v) || v->text[0] == '\0')
		return hf_conf_fail(r, v, "%s must be a text", what);
	for (p = v->text; *p; p++) {
		if (iscntrl((unsigned char)*p))
			return hf_conf_fail(r, v, "%s holds a control character", what);
	}
	*ret = v->text;
	return 0;
}

/* One of some words: its index, or an error. */
int hf_conf_word(struct hf_conf_reader *r, const struct hf_yaml *v, const char *what,
	const char *const *words, size_t n)
{
	char all[128] = "";
	size_t i, len = 0;

	for (i = 0; i < n; i++) {
		if (v->kind == HF_YAML_SCALAR && strcmp(v->text, words[i]) == 0)
			return (int)i;
		len += (size_t)snprintf(
			all + len, sizeof(all) - len, "%s%s", i ? ", " : "", words[i]);
	}
	return hf_conf_fail(r, v, "%s must be one of: %s", what, all);
}

/* A path as meant from the folder of the file. */
int hf_conf_path(
	struct hf_conf_reader *r, const struct hf_yaml *v, const char *what, const char **ret)
{
	const char *slash = strrchr(r->c->path, '/'), *text;
	int rc = hf_conf_read_text(r, v, what, &text);

	if (rc < 0)
		return rc;
	if (text[0] == '/' || !slash)
		*ret = text;
	else
		*ret = hf_arena_printf(
			r->c->arena, "%.*s/%s", (int)(slash - r->c->path), r->c->path, text);
	return *ret ? 0 : hf_conf_no_memory(r);
}

static int read_api(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {"hepflow/v1"};
	int rc = hf_conf_word(r, v, "apiVersion", words, HF_CONF_N(words));

	return rc < 0 ? rc : 0;
}

static int read_kind(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {"Config"};
	int rc = hf_conf_word(r, v, "kind", words, HF_CONF_N(words));

	return rc < 0 ? rc : 0;
}

static int read_node(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	return hf_conf_read_text(r, v, "node", &r->c->node);
}

/* A list of at least min and at most max things. */
int hf_conf_list(
	struct hf_conf_reader *r, const struct hf_yaml *v, const char *what, size_t min, size_t max)
{
	if (v->kind != HF_YAML_SEQ)
		return hf_conf_fail(r, v, "%s must be a list", what);
	if (v->n < min)
		return hf_conf_fail(r, v, "%s must not be empty", what);
	if (v->n > max)
		return hf_conf_fail(r, v, "%s has more than %zu entries", what, max);
	return 0;
}

static int read_policies(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int rc = hf_conf_list(r, v, "policy", 1, HF_CONFIG_LIST_MAX);
	size_t i;

	if (rc < 0)
		return rc;
	r->c->policies = hf_arena_calloc(r->c->arena, v->n, sizeof(*r->c->policies));
	if (!r->c->policies)
		return hf_conf_no_memory(r);
	for (i = 0; i < v->n && rc == 0; i++) {
		r->c->policies[i].at = (struct hf_place){v->v[i]->line, v->v[i]->col};
		rc = hf_conf_path(r, v->v[i], "a policy path", &r->c->policies[i].text);
	}
	r->c->n_policies = v->n;
	return rc;
}

static int read_fallback(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {"software", "kernel"};
	int rc = hf_conf_word(r, v, "fallback", words, HF_CONF_N(words));

	if (rc < 0)
		return rc;
	r->c->kernel_fallback = rc == 1;
	return 0;
}

static int read_strict_invalid(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	if (hf_yaml_bool(v, &r->c->strict_invalid) < 0)
		return hf_conf_fail(r, v, "strict-invalid must be true or false");
	return 0;
}

static int read_short_denies(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	if (hf_yaml_bool(v, &r->c->short_denies) < 0)
		return hf_conf_fail(r, v, "short-denies must be true or false");
	return 0;
}

/* A port, meant on loopback, or ADDRESS:PORT. */
static int read_metrics(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	char buf[HF_ADDRSTR_SIZE];
	struct hf_addrport ap;
	int64_t port;

	if (hf_yaml_int(v, 1, UINT16_MAX, &port) == 0) {
		r->c->metrics = "127.0.0.1";
		r->c->metrics_port = (uint16_t)port;
		return 0;
	}
	if (v->kind != HF_YAML_SCALAR || hf_addrport_parse(v->text, &ap) < 0 || ap.port == 0)
		return hf_conf_fail(r, v, "metrics must be a port, ADDRESS:PORT or [ADDRESS]:PORT");
	r->c->metrics = hf_arena_strdup(r->c->arena, hf_addr_print(&ap.addr, buf));
	r->c->metrics_port = ap.port;
	return r->c->metrics ? 0 : hf_conf_no_memory(r);
}

static int read_facts(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {"files", "kernel"};
	int rc = hf_conf_word(r, v, "facts", words, HF_CONF_N(words));

	if (rc < 0)
		return rc;
	r->c->kernel_facts = rc == 1;
	return 0;
}

static int read_privileges(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {"drop", "keep"};
	int rc = hf_conf_word(r, v, "privileges", words, HF_CONF_N(words));

	if (rc < 0)
		return rc;
	r->c->keep_privileges = rc == 1;
	return 0;
}

static int read_watch(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	return hf_yaml_bool(v, &r->c->watch) < 0 ? hf_conf_fail(r, v, "watch must be true or false")
						 : 0;
}

static int read_telemetry(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	return hf_yaml_bool(v, &r->c->telemetry) < 0
		       ? hf_conf_fail(r, v, "telemetry must be true or false")
		       : 0;
}

static int read_felix(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	return hf_yaml_bool(v, &r->c->felix) < 0 ? hf_conf_fail(r, v, "felix must be true or false")
						 : 0;
}

static int read_statedir(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int rc = hf_conf_read_text(r, v, "statedir", &r->c->statedir);

	return rc == 0 && r->c->statedir[0] != '/'
		       ? hf_conf_fail(r, v, "statedir must be an absolute path")
		       : rc;
}

static int read_rundir(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int rc = hf_conf_read_text(r, v, "rundir", &r->c->rundir);

	if (rc < 0)
		return rc;
	if (r->c->rundir[0] != '/')
		return hf_conf_fail(r, v, "rundir must be an absolute path");
	if (strlen(r->c->rundir) + SOCKET_NAME_SIZE > sizeof(((struct sockaddr_un *)0)->sun_path))
		return hf_conf_fail(r, v, "rundir is too long for the path of a socket");
	return 0;
}

static int read_eal(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int rc = hf_conf_list(r, v, "eal", 0, HF_CONFIG_LIST_MAX);
	size_t i;

	if (rc < 0)
		return rc;
	r->c->eal = hf_arena_calloc(r->c->arena, v->n, sizeof(*r->c->eal));
	if (!r->c->eal)
		return hf_conf_no_memory(r);
	for (i = 0; i < v->n && rc == 0; i++)
		rc = hf_conf_read_text(r, v->v[i], "an EAL argument", &r->c->eal[i]);
	r->c->n_eal = v->n;
	return rc;
}

static int read_calico(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	unsigned int major, minor;
	const char *text;
	int rc = hf_conf_read_text(r, v, "calicoVersion", &text), end = 0;

	if (rc < 0)
		return rc;
	text += text[0] == 'v';
	if (!isdigit((unsigned char)text[0]) ||
		sscanf(text, "%2u.%2u%n", &major, &minor, &end) != 2 ||
		(text[end] != '\0' && text[end] != '.') ||
		text[end + strspn(text + end, ".0123456789")] != '\0')
		return hf_conf_fail(r, v, "calicoVersion must be like v3.30");
	r->c->calico = major * 100 + minor;
	return 0;
}

static int read_workers(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int64_t n;

	if (hf_yaml_int(v, 1, HF_CONFIG_WORKERS_MAX, &n) < 0)
		return hf_conf_fail(
			r, v, "workers must be a number from 1 to %u", HF_CONFIG_WORKERS_MAX);
	r->c->n_workers = (unsigned int)n;
	r->c->workers_at = (struct hf_place){v->line, v->col};
	return 0;
}

static int read_poll(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {
		[HF_POLL_BUSY] = "busy",
		[HF_POLL_ADAPTIVE] = "adaptive",
	};
	int rc = hf_conf_word(r, v, "poll", words, HF_CONF_N(words));

	if (rc < 0)
		return rc;
	r->c->poll = (enum hf_poll)rc;
	return 0;
}

static int read_spec(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const struct hf_conf_key keys[] = {
		{"node", false, read_node},
		{"policy", true, read_policies},
		{"facts", false, read_facts},
		{"privileges", false, read_privileges},
		{"metrics", false, read_metrics},
		{"telemetry", false, read_telemetry},
		{"watch", false, read_watch},
		{"felix", false, read_felix},
		{"statedir", false, read_statedir},
		{"fallback", false, read_fallback},
		{"strict-invalid", false, read_strict_invalid},
		{"short-denies", false, read_short_denies},
		{"changes", false, hf_conf_changes},
		{"rundir", false, read_rundir},
		{"eal", false, read_eal},
		{"calicoVersion", false, read_calico},
		{"connections", false, hf_conf_connections},
		{"services", false, hf_conf_services},
		{"poll", false, read_poll},
		{"workers", false, read_workers},
		{"ports", true, hf_conf_ports},
	};
	const struct hf_config *c = r->c;
	int rc = hf_conf_map(r, v, keys, HF_CONF_N(keys), "spec");

	if (rc == 0)
		rc = hf_conf_pair(r, hf_yaml_get(v, "ports"));
	if (rc == 0 && c->n_workers > c->n_wires)
		return hf_fail(r->err, -EINVAL,
			"%s:%u:%u: workers must be at most %zu: an interface belongs to one worker",
			c->path, c->workers_at.line, c->workers_at.col, c->n_wires);
	return rc;
}

static int read_all(struct hf_conf_reader *r, const char *text, size_t size)
{
	static const struct hf_conf_key keys[] = {
		{"apiVersion", true, read_api},
		{"kind", true, read_kind},
		{"spec", true, read_spec},
	};
	struct hf_yaml **docs;
	size_t n;
	int rc = hf_yaml_read(r->c->arena, r->c->path, text, size, &docs, &n, r->err);

	if (rc < 0)
		return rc;
	if (n == 0)
		return hf_fail(r->err, -EINVAL, "%s:1:1: the file is empty", r->c->path);
	if (n > 1)
		return hf_conf_fail(r, docs[1], "a configuration is one document");
	return hf_conf_map(r, docs[0], keys, HF_CONF_N(keys), "the file");
}

int hf_config_read_text(
	const char *name, const char *text, size_t size, struct hf_config **ret, struct hf_err *err)
{
	struct hf_config *c = calloc(1, sizeof(*c));
	struct hf_conf_reader r = {.c = c, .err = err};
	int rc;

	if (!c)
		return hf_fail(err, -ENOMEM, "%s: out of memory", name);
	c->arena = hf_arena_new();
	c->path = c->arena ? hf_arena_strdup(c->arena, name) : NULL;
	c->rundir = HF_RUNDIR_DEFAULT;
	c->watch = true;
	hf_conf_changes_default(c);
	c->max_connections = HF_CONNECTIONS_DEFAULT;
	c->offload.max = HF_OFFLOAD_DEFAULT;
	c->offload.idle = HF_IDLE_DEFAULT;
	c->n_workers = 1;
	rc = c->path ? read_all(&r, text, size) : hf_fail(err, -ENOMEM, "%s: out of memory", name);
	if (rc < 0) {
		hf_config_free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

int hf_config_read(const char *path, struct hf_config **ret, struct hf_err *err)
{
	FILE *f = fopen(path, "re");
	char *text;
	size_t n;
	int rc;

	if (!f)
		return hf_fail(err, -errno, "%s: %s", path, strerror(errno));
	text = malloc(HF_CONFIG_FILE_MAX + 1);
	if (!text) {
		(void)fclose(f); /* only read from */
		return hf_fail(err, -ENOMEM, "%s: out of memory", path);
	}
	n = fread(text, 1, HF_CONFIG_FILE_MAX + 1, f);
	if (ferror(f))
		rc = hf_fail(err, -EIO, "%s: %s", path, strerror(errno));
	else if (n > HF_CONFIG_FILE_MAX)
		rc = hf_fail(err, -E2BIG, "%s:1:1: larger than %u bytes", path, HF_CONFIG_FILE_MAX);
	else
		rc = hf_config_read_text(path, text, n, ret, err);
	free(text);
	(void)fclose(f); /* only read from */
	return rc;
}

struct hf_eswitch hf_config_eswitch(const struct hf_config *config, size_t wire)
{
	const struct hf_conf_wire *w = &config->wires[wire];

	return (struct hf_eswitch){
		.on = config->ports[w->outer].eswitch,
		.wire = (uint16_t)w->outer,
		.host = (uint16_t)w->inner,
	};
}

void hf_config_free(struct hf_config *config)
{
	if (!config)
		return;
	hf_arena_free(config->arena);
	free(config);
}
