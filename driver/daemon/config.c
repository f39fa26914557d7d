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

static const char *const roles[] = {
	[HF_ROLE_UPLINK] = "uplink",
	[HF_ROLE_WORKLOAD] = "workload",
	[HF_ROLE_HOST] = "host",
};

const char *hf_role_name(enum hf_role role)
{
	return roles[role];
}

int hf_conf_fail(struct hf_conf_reader *r, const struct hf_yaml *at, const char *fmt, ...)
{
	char text[HF_ERR_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* an error text may be cut */
	va_end(ap);
	return hf_fail(r->err, -EINVAL, "%s:%u:%u: %s", r->c->path, at->line, at->col, text);
}

static int no_memory(struct hf_conf_reader *r)
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
static int read_text(
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
static int read_path(
	struct hf_conf_reader *r, const struct hf_yaml *v, const char *what, const char **ret)
{
	const char *slash = strrchr(r->c->path, '/'), *text;
	int rc = read_text(r, v, what, &text);

	if (rc < 0)
		return rc;
	if (text[0] == '/' || !slash)
		*ret = text;
	else
		*ret = hf_arena_printf(
			r->c->arena, "%.*s/%s", (int)(slash - r->c->path), r->c->path, text);
	return *ret ? 0 : no_memory(r);
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
	return read_text(r, v, "node", &r->c->node);
}

/* A list of at least min and at most max things. */
static int check_list(
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
	int rc = check_list(r, v, "policy", 1, HF_CONFIG_LIST_MAX);
	size_t i;

	if (rc < 0)
		return rc;
	r->c->policies = hf_arena_calloc(r->c->arena, v->n, sizeof(*r->c->policies));
	if (!r->c->policies)
		return no_memory(r);
	for (i = 0; i < v->n && rc == 0; i++) {
		r->c->policies[i].at = (struct hf_place){v->v[i]->line, v->v[i]->col};
		rc = read_path(r, v->v[i], "a policy path", &r->c->policies[i].text);
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
	return r->c->metrics ? 0 : no_memory(r);
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
	int rc = read_text(r, v, "statedir", &r->c->statedir);

	return rc == 0 && r->c->statedir[0] != '/'
		       ? hf_conf_fail(r, v, "statedir must be an absolute path")
		       : rc;
}

static int read_rundir(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int rc = read_text(r, v, "rundir", &r->c->rundir);

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
	int rc = check_list(r, v, "eal", 0, HF_CONFIG_LIST_MAX);
	size_t i;

	if (rc < 0)
		return rc;
	r->c->eal = hf_arena_calloc(r->c->arena, v->n, sizeof(*r->c->eal));
	if (!r->c->eal)
		return no_memory(r);
	for (i = 0; i < v->n && rc == 0; i++)
		rc = read_text(r, v->v[i], "an EAL argument", &r->c->eal[i]);
	r->c->n_eal = v->n;
	return rc;
}

static int read_calico(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	unsigned int major, minor;
	const char *text;
	int rc = read_text(r, v, "calicoVersion", &text), end = 0;

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

static int read_port_name(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int rc = read_text(r, v, "name", &r->port->name);

	if (rc < 0)
		return rc;
	if (strlen(r->port->name) >= HF_IFNAME_SIZE || strpbrk(r->port->name, "/ \t"))
		return hf_conf_fail(
			r, v, "'%.40s' cannot be the name of an interface", r->port->name);
	return 0;
}

static int read_role(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int rc = hf_conf_word(r, v, "role", roles, HF_CONF_N(roles));

	if (rc < 0)
		return rc;
	r->port->role = (enum hf_role)rc;
	return 0;
}

static int read_devargs(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	const char *text;
	unsigned int d[4];
	int rc = read_text(r, v, "devargs", &text), end = 0;

	if (rc < 0)
		return rc;
	if (strncmp(text, "net_", 4) != 0 &&
		(sscanf(text, "%4x:%2x:%2x.%1x%n", &d[0], &d[1], &d[2], &d[3], &end) != 4 ||
			(text[end] != '\0' && text[end] != ',')))
		return hf_conf_fail(r, v,
			"devargs must begin with a virtual device (net_...) or a PCI address "
			"(0000:03:00.0)");
	r->port->devargs = text;
	r->port->devargs_at = (struct hf_place){v->line, v->col};
	return 0;
}

static int read_profile(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	const char *text;
	int rc = read_text(r, v, "profile", &text);

	if (rc < 0)
		return rc;
	r->port->profile_at = (struct hf_place){v->line, v->col};
	if (strchr(text, '/') || strstr(text, ".yaml"))
		return read_path(r, v, "profile", &r->port->profile);
	r->port->profile = text;
	return 0;
}

static int read_queues(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int64_t n;

	if (hf_yaml_int(v, 1, HF_CONFIG_QUEUES_MAX, &n) < 0)
		return hf_conf_fail(
			r, v, "queues must be a number from 1 to %u", HF_CONFIG_QUEUES_MAX);
	r->port->n_queues = (uint16_t)n;
	return 0;
}

static int read_fail_mode(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const char *const words[] = {
		[HF_FAIL_ANY] = "any", [HF_FAIL_OPEN] = "open", [HF_FAIL_CLOSED] = "closed"};
	int rc = hf_conf_word(r, v, "fail-mode", words, HF_CONF_N(words));

	if (rc < 0)
		return rc;
	r->port->fail_mode = (enum hf_fail_mode)rc;
	r->port->fail_mode_at = (struct hf_place){v->line, v->col};
	return 0;
}

static int read_port(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	static const struct hf_conf_key keys[] = {
		{"name", true, read_port_name},
		{"role", true, read_role},
		{"devargs", true, read_devargs},
		{"profile", false, read_profile},
		{"queues", false, read_queues},
		{"fail-mode", false, read_fail_mode},
	};

	r->port->at = (struct hf_place){v->line, v->col};
	r->port->n_queues = 1;
	return hf_conf_map(r, v, keys, HF_CONF_N(keys), "a port");
}

/* What stands before the first comma: the device itself. */
static bool same_device(const char *a, const char *b)
{
	size_t n = strcspn(a, ",");

	return n == strcspn(b, ",") && strncmp(a, b, n) == 0;
}

static int check_port(struct hf_conf_reader *r, const struct hf_yaml *at, size_t i)
{
	struct hf_conf_port *p = &r->c->ports[i];
	size_t k;

	if (p->role == HF_ROLE_UPLINK && !p->profile) {
		p->profile = "auto";
		p->profile_at = p->at;
	} else if (p->role != HF_ROLE_UPLINK && p->profile) {
		return hf_conf_fail(r, at, "port %s: only an uplink has a profile", p->name);
	}
	if (p->role != HF_ROLE_UPLINK && p->fail_mode)
		return hf_conf_fail(r, at, "port %s: only an uplink has a fail-mode", p->name);
	for (k = 0; k < i; k++) {
		const struct hf_conf_port *q = &r->c->ports[k];

		if (strcmp(p->name, q->name) == 0 &&
			(p->role == HF_ROLE_HOST) == (q->role == HF_ROLE_HOST))
			return hf_conf_fail(r, at,
				"port %s: another %s side of this interface is at %u:%u", p->name,
				p->role == HF_ROLE_HOST ? "host" : "outer", q->at.line, q->at.col);
		if (same_device(p->devargs, q->devargs))
			return hf_conf_fail(r, at, "port %s: device %.*s is already used at %u:%u",
				p->name, (int)strcspn(p->devargs, ","), p->devargs, q->at.line,
				q->at.col);
	}
	return 0;
}

/* The other side of a port, or n_ports. */
static size_t find_side(const struct hf_config *c, const struct hf_conf_port *p)
{
	size_t k;

	for (k = 0; k < c->n_ports; k++) {
		if (strcmp(c->ports[k].name, p->name) == 0 &&
			(c->ports[k].role == HF_ROLE_HOST) != (p->role == HF_ROLE_HOST))
			break;
	}
	return k;
}

/* Finds the other side of every port. With fallback kernel it is the kernel's own. */
static int pair_ports(struct hf_conf_reader *r, const struct hf_yaml *list)
{
	struct hf_config *c = r->c;
	size_t i, k;

	c->wires = hf_arena_calloc(c->arena, c->n_ports, sizeof(*c->wires));
	if (!c->wires)
		return no_memory(r);
	for (i = 0; i < c->n_ports; i++) {
		const struct hf_conf_port *p = &c->ports[i];
		bool host = p->role == HF_ROLE_HOST;

		k = c->kernel_fallback ? HF_CONF_NO_PORT : find_side(c, p);
		if (c->kernel_fallback && p->role != HF_ROLE_UPLINK)
			return hf_conf_fail(r, list->v[i],
				"port %s: with fallback kernel there are uplinks only: the other "
				"interfaces stay the kernel's",
				p->name);
		if (k == c->n_ports)
			return hf_conf_fail(r, list->v[i],
				"port %s: there is no port of role %s for it", p->name,
				host ? "uplink or workload" : "host");
		if (!host)
			c->wires[c->n_wires++] = (struct hf_conf_wire){(uint32_t)i, (uint32_t)k};
	}
	return 0;
}

static int read_ports(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int rc = check_list(r, v, "ports", 1, HF_CONFIG_PORTS_MAX);
	size_t i;

	if (rc < 0)
		return rc;
	r->c->ports = hf_arena_calloc(r->c->arena, v->n, sizeof(*r->c->ports));
	if (!r->c->ports)
		return no_memory(r);
	for (i = 0; i < v->n && rc == 0; i++) {
		r->port = &r->c->ports[i];
		rc = read_port(r, v->v[i]);
		if (rc == 0)
			rc = check_port(r, v->v[i], i);
	}
	r->c->n_ports = v->n;
	return rc;
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
		{"changes", false, hf_conf_changes},
		{"rundir", false, read_rundir},
		{"eal", false, read_eal},
		{"calicoVersion", false, read_calico},
		{"connections", false, hf_conf_connections},
		{"poll", false, read_poll},
		{"workers", false, read_workers},
		{"ports", true, read_ports},
	};
	const struct hf_config *c = r->c;
	int rc = hf_conf_map(r, v, keys, HF_CONF_N(keys), "spec");

	if (rc == 0)
		rc = pair_ports(r, hf_yaml_get(v, "ports"));
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

void hf_config_free(struct hf_config *config)
{
	if (!config)
		return;
	hf_arena_free(config->arena);
	free(config);
}
