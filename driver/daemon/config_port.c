/* SPDX-License-Identifier: BSD-3-Clause */

/* "ports". */

#include "config_read.h"

#include <hepflow/base/arena.h>
#include <hepflow/base/yaml.h>

#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* As DPDK has it, behind the name of the device. */
#define REPRESENTOR ",representor="

static const char *const roles[] = {
	[HF_ROLE_UPLINK] = "uplink",
	[HF_ROLE_WORKLOAD] = "workload",
	[HF_ROLE_HOST] = "host",
};

const char *hf_role_name(enum hf_role role)
{
	return roles[role];
}

static int read_port_name(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int rc = hf_conf_read_text(r, v, "name", &r->port->name);

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
	int rc = hf_conf_read_text(r, v, "devargs", &text), end = 0;

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
	int rc = hf_conf_read_text(r, v, "profile", &text);

	if (rc < 0)
		return rc;
	r->port->profile_at = (struct hf_place){v->line, v->col};
	if (strchr(text, '/') || strstr(text, ".yaml"))
		return hf_conf_path(r, v, "profile", &r->port->profile);
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

static int read_eswitch(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	if (hf_yaml_bool(v, &r->port->eswitch) < 0)
		return hf_conf_fail(r, v, "eswitch must be true or false");
	r->port->eswitch_at = (struct hf_place){v->line, v->col};
	return 0;
}

static int read_reserve(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	if (hf_yaml_bool(v, &r->port->reserve) < 0)
		return hf_conf_fail(r, v, "reserve-queues must be true or false");
	r->port->reserve_at = (struct hf_place){v->line, v->col};
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
		{"eswitch", false, read_eswitch},
		{"fail-mode", false, read_fail_mode},
		{"reserve-queues", false, read_reserve},
	};

	r->port->at = (struct hf_place){v->line, v->col};
	r->port->n_queues = 1;
	return hf_conf_map(r, v, keys, HF_CONF_N(keys), "a port");
}

/* "representor=LIST" of a port that is one; "" of any other. */
static const char *representor_of(const struct hf_conf_port *p, size_t *ret_len)
{
	const char *at = p->representor ? strstr(p->devargs, REPRESENTOR) + 1 : "";
	const char *end = strchr(at, ']');

	*ret_len = end && memchr(at, '[', (size_t)(end - at)) ? (size_t)(end + 1 - at)
							      : strcspn(at, ",");
	return at;
}

/* The device is what stands before the first comma; a card has one port beside representors. */
static bool same_device(const struct hf_conf_port *p, const struct hf_conf_port *q)
{
	size_t n = strcspn(p->devargs, ","), len_p, len_q;
	const char *a = representor_of(p, &len_p), *b = representor_of(q, &len_q);

	return n == strcspn(q->devargs, ",") && strncmp(p->devargs, q->devargs, n) == 0 &&
	       len_p == len_q && strncmp(a, b, len_p) == 0;
}

/* What only an uplink can have. */
static int check_outer(
	struct hf_conf_reader *r, const struct hf_yaml *at, const struct hf_conf_port *p)
{
	const char *what = p->profile	  ? "a profile"
			   : p->fail_mode ? "a fail-mode"
			   : p->eswitch	  ? "an eswitch"
			   : p->reserve	  ? "reserved queues"
					  : NULL;

	return what ? hf_conf_fail(r, at, "port %s: only an uplink has %s", p->name, what) : 0;
}

static int check_port(struct hf_conf_reader *r, const struct hf_yaml *at, size_t i)
{
	struct hf_conf_port *p = &r->c->ports[i];
	size_t k;

	int rc = p->role != HF_ROLE_UPLINK ? check_outer(r, at, p) : 0;

	if (rc < 0)
		return rc;
	if (p->role == HF_ROLE_UPLINK && !p->profile) {
		p->profile = "auto";
		p->profile_at = p->at;
	}
	p->representor = p->role != HF_ROLE_UPLINK && strstr(p->devargs, REPRESENTOR);
	for (k = 0; k < i; k++) {
		const struct hf_conf_port *q = &r->c->ports[k];

		if (strcmp(p->name, q->name) == 0 &&
			(p->role == HF_ROLE_HOST) == (q->role == HF_ROLE_HOST))
			return hf_conf_fail(r, at,
				"port %s: another %s side of this interface is at %u:%u", p->name,
				p->role == HF_ROLE_HOST ? "host" : "outer", q->at.line, q->at.col);
		if (same_device(p, q))
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
int hf_conf_pair(struct hf_conf_reader *r, const struct hf_yaml *list)
{
	struct hf_config *c = r->c;
	size_t i, k;

	c->wires = hf_arena_calloc(c->arena, c->n_ports, sizeof(*c->wires));
	if (!c->wires)
		return hf_conf_no_memory(r);
	for (i = 0; i < c->n_ports; i++) {
		const struct hf_conf_port *p = &c->ports[i];
		bool host = p->role == HF_ROLE_HOST;

		k = c->kernel_fallback ? HF_CONF_NO_PORT : find_side(c, p);
		if (c->kernel_fallback && p->role != HF_ROLE_UPLINK)
			return hf_conf_fail(r, list->v[i],
				"port %s: with fallback kernel there are uplinks only: the other "
				"interfaces stay the kernel's",
				p->name);
		if (c->kernel_fallback && p->eswitch)
			return hf_fail(r->err, -EINVAL,
				"%s:%u:%u: port %s: eswitch needs fallback software", c->path,
				p->eswitch_at.line, p->eswitch_at.col, p->name);
		if (p->reserve && (c->kernel_fallback || p->eswitch))
			return hf_fail(r->err, -EINVAL,
				"%s:%u:%u: port %s: reserve-queues needs fallback software, and no "
				"eswitch",
				c->path, p->reserve_at.line, p->reserve_at.col, p->name);
		if (k == c->n_ports)
			return hf_conf_fail(r, list->v[i],
				"port %s: there is no port of role %s for it", p->name,
				host ? "uplink or workload" : "host");
		if (!host)
			c->wires[c->n_wires++] = (struct hf_conf_wire){(uint32_t)i, (uint32_t)k};
	}
	return 0;
}

int hf_conf_ports(struct hf_conf_reader *r, const struct hf_yaml *v)
{
	int rc = hf_conf_list(r, v, "ports", 1, HF_CONFIG_PORTS_MAX);
	size_t i;

	if (rc < 0)
		return rc;
	r->c->ports = hf_arena_calloc(r->c->arena, v->n, sizeof(*r->c->ports));
	if (!r->c->ports)
		return hf_conf_no_memory(r);
	for (i = 0; i < v->n && rc == 0; i++) {
		r->port = &r->c->ports[i];
		rc = read_port(r, v->v[i]);
		if (rc == 0)
			rc = check_port(r, v->v[i], i);
	}
	r->c->n_ports = v->n;
	return rc;
}
