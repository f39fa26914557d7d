/* SPDX-License-Identifier: BSD-3-Clause */

/* What the files that read the configuration share. */

#pragma once

#include "config.h"

struct hf_yaml;

#define HF_CONF_N(array) (sizeof(array) / sizeof((array)[0]))

struct hf_conf_reader {
	struct hf_config *c;
	struct hf_conf_port *port; /* the one being read */
	struct hf_err *err;
};

/* A key of a mapping and what to do with its value. */
struct hf_conf_key {
	const char *name;
	bool required;
	int (*read)(struct hf_conf_reader *r, const struct hf_yaml *v);
};

/* -EINVAL: "FILE:LINE:COLUMN: text". */
int hf_conf_fail(struct hf_conf_reader *r, const struct hf_yaml *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Reads n keys of a mapping, of which what says in errors what it is; others are an error. */
int hf_conf_map(struct hf_conf_reader *r, const struct hf_yaml *map, const struct hf_conf_key *keys,
	size_t n, const char *what);
/* One of some words: its index, or an error. */
int hf_conf_word(struct hf_conf_reader *r, const struct hf_yaml *v, const char *what,
	const char *const *words, size_t n);

/* -ENOMEM */
int hf_conf_no_memory(struct hf_conf_reader *r);
/* A text that is there, without control characters. */
int hf_conf_read_text(
	struct hf_conf_reader *r, const struct hf_yaml *v, const char *what, const char **ret);
/* A path as meant from the folder of the file. */
int hf_conf_path(
	struct hf_conf_reader *r, const struct hf_yaml *v, const char *what, const char **ret);
/* A list of at least min and at most max things. */
int hf_conf_list(struct hf_conf_reader *r, const struct hf_yaml *v, const char *what, size_t min,
	size_t max);

/* config_port.c: "ports", and the two sides of each interface. */
int hf_conf_ports(struct hf_conf_reader *r, const struct hf_yaml *v);
int hf_conf_pair(struct hf_conf_reader *r, const struct hf_yaml *list);

/* config_conn.c: "connections" and "services". */
int hf_conf_connections(struct hf_conf_reader *r, const struct hf_yaml *v);
int hf_conf_services(struct hf_conf_reader *r, const struct hf_yaml *v);

/* config_changes.c */
int hf_conf_changes(struct hf_conf_reader *r, const struct hf_yaml *v);
void hf_conf_changes_default(struct hf_config *c);
