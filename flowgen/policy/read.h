/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Reading YAML into the structs of objects.h: the field tables and what they are made of.
 *
 * A kind is a table of fields; a field is a name, a function that reads its value, and where the
 * value goes. A field that is in the table without a function belongs to the kind and does not
 * matter to a host endpoint. A field that is not in the table is an error, except in kinds that are
 * not Calico's.
 *
 * Every function returns 0, -EINVAL, -E2BIG or -ENOMEM, with the place in rd->err.
 */

#pragma once

#include "policy/objects.h"

#include <hepflow/base/yaml.h>

#include <errno.h>
#include <stddef.h>

struct hf_arena;
struct hf_batch;
struct hf_err;

/* docs/semantics.md 13, V8; the figures of Calico's own schema. */
#define HF_RULES_MAX	  1024	  /* of one policy and direction */
#define HF_RULES_FILE_MAX 400000u /* of all policies of a file: each costs 1.6 KB on its way */
#define HF_NETS_MAX	  256	  /* of one list of a rule */
#define HF_PORTS_MAX	  50	  /* of one list of a rule */
/* Calico has none for these; a list that long is an attack or an accident. */
#define HF_LIST_MAX 1000000
#define HF_NAME_MAX 253 /* DNS subdomain, RFC 1123 as Kubernetes reads it */

struct hf_rd {
	struct hf_arena *arena; /* what the objects keep */
	const char *file;	/* in the arena */
	struct hf_err *err;
	struct hf_batch *batch; /* for hf_rd_note() */
	const char *key;	/* field being read, for messages; NULL at the top */
	bool namespaced;	/* the kind being read lives in a namespace */
};

typedef int (*hf_rd_fn)(struct hf_rd *rd, const struct hf_yaml *node, void *dst);

struct hf_field {
	const char *name;
	hf_rd_fn read; /* NULL: a field of the kind that does not matter here */
	size_t at;     /* offset of dst */
	size_t has;    /* offset of a bool that becomes true; 0 = none */
};

struct hf_shape {
	const struct hf_field *fields;
	size_t n;
	bool open;		   /* fields not in the table are somebody else's business */
	const char *const *unread; /* more names that do not matter here, where they are many */
	size_t n_unread;
};

#define HF_SHAPE(table)                                                                            \
	{                                                                                          \
		.fields = (table), .n = sizeof(table) / sizeof((table)[0])                         \
	}
#define HF_SHAPE_OPEN(table)                                                                       \
	{                                                                                          \
		.fields = (table), .n = sizeof(table) / sizeof((table)[0]), .open = true           \
	}

/* "file:line:col: text"; control characters in the text are replaced. Returns code. */
int hf_rd_fail_code(struct hf_rd *rd, struct hf_place place, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
#define hf_rd_fail_at(rd, place, ...) hf_rd_fail_code(rd, place, -EINVAL, __VA_ARGS__)
#define hf_rd_fail(rd, node, ...)     hf_rd_fail_code(rd, hf_rd_place(rd, node), -EINVAL, __VA_ARGS__)
/* The same with the field in front: "ports: ...". */
int hf_rd_bad(struct hf_rd *rd, const struct hf_yaml *node, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int hf_rd_nomem(struct hf_rd *rd);
/* A note for hf_policy_note(), with its place in front. */
int hf_rd_note(struct hf_rd *rd, struct hf_place place, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct hf_place hf_rd_place(const struct hf_rd *rd, const struct hf_yaml *node);
/* The value of key in map if it is there, else map: the best place for a message. */
const struct hf_yaml *hf_rd_where(const struct hf_yaml *map, const char *key);
/* Like hf_yaml_get(), but null reads as absent. */
const struct hf_yaml *hf_rd_get(const struct hf_yaml *map, const char *key);

/* Reads a mapping by its shape into the struct at obj. */
int hf_rd_map(
	struct hf_rd *rd, const struct hf_yaml *node, const struct hf_shape *shape, void *obj);
/*
 * Reads a sequence into a struct { size_t n; const T *v; } at dst; size = sizeof(T); at most max.
 */
int hf_rd_list(struct hf_rd *rd, const struct hf_yaml *node, hf_rd_fn item, size_t size, size_t max,
	void *dst);
/* Checks the top of an object (apiVersion, kind, metadata, spec, status) and reads its spec. */
int hf_rd_spec(
	struct hf_rd *rd, const struct hf_yaml *object, const struct hf_shape *shape, void *obj);

/*
 * A plain scalar that YAML readers take for different things: 010 is ten or eight, 3_000 a number
 * or text. Such a port or name is refused: it could mean another verdict here than in the cluster.
 */
bool hf_rd_is_odd_number(const struct hf_yaml *node);
/* Like hf_yaml_int(), without the odd ones. */
int hf_rd_int(const struct hf_yaml *node, int64_t min, int64_t max, int64_t *ret);

/* Values; the comment says what dst points to. */
int hf_rd_str(struct hf_rd *rd, const struct hf_yaml *node, void *dst);	 /* const char *, "" kept */
int hf_rd_text(struct hf_rd *rd, const struct hf_yaml *node, void *dst); /* the same, "" = NULL */
int hf_rd_name(struct hf_rd *rd, const struct hf_yaml *node, void *dst); /* DNS subdomain */
int hf_rd_bool(struct hf_rd *rd, const struct hf_yaml *node, void *dst); /* bool */
int hf_rd_order(struct hf_rd *rd, const struct hf_yaml *node, void *dst);  /* double */
int hf_rd_port16(struct hf_rd *rd, const struct hf_yaml *node, void *dst); /* uint16_t, 1.. */
int hf_rd_names(struct hf_rd *rd, const struct hf_yaml *node, void *dst);  /* struct hf_names */
int hf_rd_labels(struct hf_rd *rd, const struct hf_yaml *node, void *dst); /* struct hf_labels */
int hf_rd_addr(struct hf_rd *rd, const struct hf_yaml *node, void *dst);   /* struct hf_addr */
/* The same from "address/length", the length dropped. */
int hf_rd_addr_of_net(struct hf_rd *rd, const struct hf_yaml *node, void *dst);
int hf_rd_addrs(struct hf_rd *rd, const struct hf_yaml *node, void *dst); /* struct hf_addrs */
/* struct hf_prefix: a CIDR without host bits (13, V14); a CIDR or address, masked (13, V19). */
int hf_rd_net(struct hf_rd *rd, const struct hf_yaml *node, void *dst);
int hf_rd_net_loose(struct hf_rd *rd, const struct hf_yaml *node, void *dst);
int hf_rd_nets_loose(struct hf_rd *rd, const struct hf_yaml *node, void *dst); /* struct hf_nets */
int hf_rd_selector(struct hf_rd *rd, const struct hf_yaml *node, void *dst); /* hf_selector_spec */
/* TCP, UDP or SCTP by name or number, as endpoint ports have it: uint8_t. */
int hf_rd_port_proto(struct hf_rd *rd, const struct hf_yaml *node, void *dst);
int hf_rd_port_name(struct hf_rd *rd, const struct hf_yaml *node, void *dst); /* const char * */
/* A word of a table, whatever its case; its place in the table goes to an unsigned int. */
int hf_rd_word(struct hf_rd *rd, const struct hf_yaml *node, const char *const *words, size_t n,
	bool any_case, unsigned int *ret);
#define HF_WORDS(table) (table), sizeof(table) / sizeof((table)[0])

/* True when text is what Kubernetes calls a DNS label, or a subdomain. */
bool hf_is_dns_label(const char *text, size_t len);
bool hf_is_dns_subdomain(const char *text);
/* Characters of port names and interface names (11.3; 13, V11, V17). */
bool hf_is_plain_name(const char *text, size_t max);

/* struct hf_policy_rules; at most HF_RULES_MAX. */
int hf_rd_rules_in(struct hf_rd *rd, const struct hf_yaml *node, void *dst);
int hf_rd_rules_out(struct hf_rd *rd, const struct hf_yaml *node, void *dst);

/*
 * metadata: of an object; open = not Calico's own kind; crd = crd.projectcalico.org/v1, where the
 * labels of the v3 object may stand in an annotation.
 */
int hf_rd_meta(
	struct hf_rd *rd, const struct hf_yaml *object, bool open, bool crd, struct hf_meta *meta);

/* One reader per kind: (whole object, its struct). */
int hf_rd_gnp(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_np(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_staged_gnp(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_staged_np(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_staged_knp(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_tier(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_profile(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_hep(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_wep(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_netset(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_felix(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_node(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_kube_node(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_ippool(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_bgpconf(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_labelled(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_service(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_slice(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
int hf_rd_facts(struct hf_rd *rd, const struct hf_yaml *object, void *dst);
