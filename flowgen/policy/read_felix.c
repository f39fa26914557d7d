/* SPDX-License-Identifier: BSD-3-Clause */

/* FelixConfiguration: docs/semantics.md 6 and 17. */

#include "policy/felix.h"
#include "policy/read.h"

#include <hepflow/base/arena.h>

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* Of an interfaceExclude pattern: bound the memory of the C library's regular expressions. Names of
 * interfaces have at most 15 characters. */
#define PATTERN_MAX 255
#define REPEATS_MAX 1024

/* What iptables and nftables each have a field of their own for. */
struct felix_in {
	struct hf_felix_obj o;
	struct hf_felix_obj nft;
	bool nft_first; /* nftablesMode: Enabled */
};

static const char *const action_words[] = {
	[HF_FELIX_DROP] = "Drop",
	[HF_FELIX_ACCEPT] = "Accept",
	[HF_FELIX_RETURN] = "Return",
	[HF_FELIX_REJECT] = "Reject",
};

/* One of the actions in allowed, a set of bits; any case, as Felix reads them (13, V20). */
static int rd_action(struct hf_rd *rd, const struct hf_yaml *node, unsigned int allowed, void *dst)
{
	const char *words[sizeof(action_words) / sizeof(action_words[0])];
	enum hf_felix_action actions[sizeof(words) / sizeof(words[0])];
	unsigned int i, word, n = 0;
	int rc;

	for (i = 0; i < sizeof(action_words) / sizeof(action_words[0]); i++) {
		if (!(allowed & 1u << i))
			continue;
		actions[n] = (enum hf_felix_action)i;
		words[n++] = action_words[i];
	}
	rc = hf_rd_word(rd, node, words, n, true, &word);
	if (rc == 0)
		*(enum hf_felix_action *)dst = actions[word];
	return rc;
}

static int rd_epha(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return rd_action(
		rd, node, 1u << HF_FELIX_DROP | 1u << HF_FELIX_ACCEPT | 1u << HF_FELIX_RETURN, dst);
}

static int rd_allow(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return rd_action(rd, node, 1u << HF_FELIX_ACCEPT | 1u << HF_FELIX_RETURN, dst);
}

static int rd_deny(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return rd_action(rd, node, 1u << HF_FELIX_DROP | 1u << HF_FELIX_REJECT, dst);
}

static int rd_service_loop(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {"Drop", "Reject", "Disabled"};
	static const enum hf_felix_action actions[] = {
		HF_FELIX_DROP, HF_FELIX_REJECT, HF_FELIX_RETURN};
	unsigned int word;
	int rc = hf_rd_word(rd, node, HF_WORDS(words), true, &word);

	if (rc == 0)
		*(enum hf_felix_action *)dst = actions[word];
	return rc;
}

#define LOG_LINES_MAX 1000000
#define LOG_BURST_MAX 9999 /* Felix's own bound */

/* "10/second". */
static int rd_log_limit(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct {
		const char *name;
		uint32_t seconds;
	} units[] = {{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}};
	struct hf_felix_obj *o = dst;
	unsigned long lines = 0;
	char *slash = NULL;
	size_t i;

	if (node->kind == HF_YAML_SCALAR && isdigit((unsigned char)node->text[0]))
		lines = strtoul(node->text, &slash, 10);
	for (i = 0; slash && *slash == '/' && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(slash + 1, units[i].name) != 0 || lines < 1 || lines > LOG_LINES_MAX)
			continue;
		o->has_log_limit = true;
		o->log_limit.lines = (uint32_t)lines;
		o->log_limit.seconds = units[i].seconds;
		return 0;
	}
	return hf_rd_bad(rd, node,
		"must be 1 to %d and a unit: 10/second, 10/minute, 10/hour, 10/day", LOG_LINES_MAX);
}

static int rd_log_burst(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int64_t n;

	if (hf_rd_int(node, 0, LOG_BURST_MAX, &n) < 0)
		return hf_rd_bad(rd, node, "must be 0 to %d", LOG_BURST_MAX);
	*(uint16_t *)dst = (uint16_t)n;
	return 0;
}

static int rd_insert(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {"Insert", "Append"};
	unsigned int word;
	int rc = hf_rd_word(rd, node, HF_WORDS(words), true, &word);

	if (rc == 0)
		*(bool *)dst = word == 1;
	return rc;
}

static int rd_nft_mode(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {"Enabled", "Disabled", "Auto"};
	unsigned int word;
	int rc = hf_rd_word(rd, node, HF_WORDS(words), true, &word);

	if (rc == 0)
		*(bool *)dst = word == 0;
	return rc;
}

static int rd_failsafe_proto(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const char *const words[] = {"TCP", "UDP", "SCTP"};
	static const uint8_t protos[] = {HF_PROTO_TCP, HF_PROTO_UDP, HF_PROTO_SCTP};
	unsigned int word;
	int rc = hf_rd_word(rd, node, HF_WORDS(words), true, &word);

	if (rc == 0)
		*(uint8_t *)dst = protos[word];
	return rc;
}

static int rd_failsafe_net(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	if (node->kind == HF_YAML_SCALAR && node->text[0] == '\0')
		return 0;
	return hf_rd_net_loose(rd, node, dst);
}

static const struct hf_field failsafe_fields[] = {
	{"protocol", rd_failsafe_proto, offsetof(struct hf_failsafe, proto)},
	{"port", hf_rd_port16, offsetof(struct hf_failsafe, port)},
	{"net", rd_failsafe_net, offsetof(struct hf_failsafe, net)},
};

static int rd_failsafe(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct hf_shape shape = HF_SHAPE(failsafe_fields);
	struct hf_failsafe *fs = dst;
	int rc = hf_rd_map(rd, node, &shape, fs);

	if (rc == 0 && (!fs->proto || !fs->port))
		return hf_rd_bad(rd, node, "a failsafe port needs 'protocol' and 'port'");
	return rc;
}

static int rd_failsafes(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct hf_failsafes *fs = dst;
	struct {
		size_t n;
		const struct hf_failsafe *v;
	} list;
	int rc = hf_rd_list(rd, node, rd_failsafe, sizeof(struct hf_failsafe), HF_LIST_MAX, &list);

	if (rc < 0)
		return rc;
	*fs = (struct hf_failsafes){.given = true, .n = list.n, .v = list.v};
	return 0;
}

#define SEPARATORS ", \t"

/* A list with commas in one text; empty parts do not count. */
static int split(struct hf_rd *rd, const struct hf_yaml *node, struct hf_names *ret)
{
	const char **v, *text;
	char *copy, *part, *rest;
	size_t n = 1, i;
	int rc = hf_rd_str(rd, node, &text);

	if (rc < 0)
		return rc;
	for (i = 0; text[i]; i++)
		n += strchr(SEPARATORS, text[i]) != NULL;
	v = hf_arena_calloc(rd->arena, n, sizeof(*v));
	copy = hf_arena_strdup(rd->arena, text);
	if (!v || !copy)
		return hf_rd_nomem(rd);
	n = 0;
	for (part = strtok_r(copy, SEPARATORS, &rest); part;
		part = strtok_r(NULL, SEPARATORS, &rest))
		v[n++] = part;
	*ret = (struct hf_names){.n = n, .v = v};
	return 0;
}

static int rd_prefixes(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct hf_names *names = dst;
	int rc = split(rd, node, names);
	size_t i;

	for (i = 0; rc == 0 && i < names->n; i++) {
		if (!hf_is_plain_name(names->v[i], 15))
			return hf_rd_bad(
				rd, node, "'%.64s' cannot begin an interface name", names->v[i]);
	}
	return rc;
}

/*
 * The C library writes {n} out n times and + twice, and those within each other multiply. Counted
 * as if all were within each other; escaped ones count too.
 */
static bool repeats_much(const char *pattern)
{
	unsigned long product = 1, n;
	const char *p;

	for (p = strpbrk(pattern, "+{"); p && product <= REPEATS_MAX; p = strpbrk(p + 1, "+{")) {
		n = *p == '+' ? 2 : strtoul(p + 1, NULL, 10);
		product *= n > REPEATS_MAX ? REPEATS_MAX + 1 : n ? n : 1;
	}
	return product > REPEATS_MAX;
}

/* A name, or a regular expression between slashes. */
static int rd_exclude(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct hf_names *names = dst;
	int rc = split(rd, node, names);
	size_t i;

	for (i = 0; rc == 0 && i < names->n; i++) {
		size_t len = strlen(names->v[i]);
		char *inside;
		regex_t re;

		if (names->v[i][0] != '/')
			continue;
		inside = len > 2 && names->v[i][len - 1] == '/'
				 ? hf_arena_strndup(rd->arena, names->v[i] + 1, len - 2)
				 : NULL;
		if (len > PATTERN_MAX || (inside && repeats_much(inside)))
			return hf_rd_bad(rd, node,
				"'%.64s' is longer than %d characters, or its repetitions multiply "
				"to more than %d",
				names->v[i], PATTERN_MAX, REPEATS_MAX);
		if (!inside || regcomp(&re, inside, REG_EXTENDED | REG_NOSUB) != 0)
			return hf_rd_bad(
				rd, node, "'%.64s' is not a regular expression", names->v[i]);
		regfree(&re);
	}
	return rc;
}

static int rd_external_node(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	struct hf_prefix *net = dst;
	int rc = hf_rd_net_loose(rd, node, net);

	if (rc == 0 && net->addr.family != 4)
		return hf_rd_bad(rd, node, "'%.64s' is not IPv4", node->text);
	return rc;
}

static int rd_external_nodes(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, rd_external_node, sizeof(struct hf_prefix), HF_LIST_MAX, dst);
}

/* The parameters that change verdicts; those that do not are in hf_felix_other[]. */
static const struct hf_field felix_fields[] = {
	{"failsafeInboundHostPorts", rd_failsafes, offsetof(struct felix_in, o.fs_in)},
	{"failsafeOutboundHostPorts", rd_failsafes, offsetof(struct felix_in, o.fs_out)},
	{"defaultEndpointToHostAction", rd_epha, offsetof(struct felix_in, o.epha),
		offsetof(struct felix_in, o.has_epha)},
	{"iptablesFilterAllowAction", rd_allow, offsetof(struct felix_in, o.filter_allow),
		offsetof(struct felix_in, o.has_filter_allow)},
	{"iptablesMangleAllowAction", rd_allow, offsetof(struct felix_in, o.mangle_allow),
		offsetof(struct felix_in, o.has_mangle_allow)},
	{"iptablesFilterDenyAction", rd_deny, offsetof(struct felix_in, o.filter_deny),
		offsetof(struct felix_in, o.has_filter_deny)},
	{"nftablesFilterAllowAction", rd_allow, offsetof(struct felix_in, nft.filter_allow),
		offsetof(struct felix_in, nft.has_filter_allow)},
	{"nftablesMangleAllowAction", rd_allow, offsetof(struct felix_in, nft.mangle_allow),
		offsetof(struct felix_in, nft.has_mangle_allow)},
	{"nftablesFilterDenyAction", rd_deny, offsetof(struct felix_in, nft.filter_deny),
		offsetof(struct felix_in, nft.has_filter_deny)},
	{"nftablesMode", rd_nft_mode, offsetof(struct felix_in, nft_first)},
	{"disableConntrackInvalidCheck", hf_rd_bool, offsetof(struct felix_in, o.no_invalid_check),
		offsetof(struct felix_in, o.has_no_invalid_check)},
	{"interfacePrefix", rd_prefixes, offsetof(struct felix_in, o.iface_prefixes)},
	{"interfaceExclude", rd_exclude, offsetof(struct felix_in, o.iface_exclude),
		offsetof(struct felix_in, o.has_iface_exclude)},
	{"vxlanPort", hf_rd_port16, offsetof(struct felix_in, o.vxlan_port),
		offsetof(struct felix_in, o.has_vxlan_port)},
	{"wireguardListeningPort", hf_rd_port16, offsetof(struct felix_in, o.wireguard_port),
		offsetof(struct felix_in, o.has_wireguard_port)},
	{"wireguardListeningPortV6", hf_rd_port16, offsetof(struct felix_in, o.wireguard_port6),
		offsetof(struct felix_in, o.has_wireguard_port6)},
	{"wireguardEnabled", hf_rd_bool, offsetof(struct felix_in, o.wireguard),
		offsetof(struct felix_in, o.has_wireguard)},
	{"wireguardEnabledV6", hf_rd_bool, offsetof(struct felix_in, o.wireguard6),
		offsetof(struct felix_in, o.has_wireguard6)},
	{"ipipEnabled", hf_rd_bool, offsetof(struct felix_in, o.ipip),
		offsetof(struct felix_in, o.has_ipip)},
	{"vxlanEnabled", hf_rd_bool, offsetof(struct felix_in, o.vxlan),
		offsetof(struct felix_in, o.has_vxlan)},
	{"allowVXLANPacketsFromWorkloads", hf_rd_bool, offsetof(struct felix_in, o.vxlan_from_wl),
		offsetof(struct felix_in, o.has_vxlan_from_wl)},
	{"allowIPIPPacketsFromWorkloads", hf_rd_bool, offsetof(struct felix_in, o.ipip_from_wl),
		offsetof(struct felix_in, o.has_ipip_from_wl)},
	{"serviceLoopPrevention", rd_service_loop, offsetof(struct felix_in, o.service_loop),
		offsetof(struct felix_in, o.has_service_loop)},
	{"ipv6Support", hf_rd_bool, offsetof(struct felix_in, o.ipv6),
		offsetof(struct felix_in, o.has_ipv6)},
	{"externalNodesList", rd_external_nodes, offsetof(struct felix_in, o.external_nodes)},
	{"logPrefix", hf_rd_text, offsetof(struct felix_in, o.log_prefix)},
	{"logActionRateLimit", rd_log_limit, offsetof(struct felix_in, o)},
	{"logActionRateLimitBurst", rd_log_burst, offsetof(struct felix_in, o.log_burst),
		offsetof(struct felix_in, o.has_log_burst)},
	{"chainInsertMode", rd_insert, offsetof(struct felix_in, o.append),
		offsetof(struct felix_in, o.has_append)},
	{"nodeSelector", hf_rd_selector, offsetof(struct felix_in, o.node_selector)},
};

/* With both given, the mode says which one counts; iptables is the reference. */
static void merge_nft(struct felix_in *in)
{
	struct hf_felix_obj *o = &in->o, *nft = &in->nft;

	if (nft->has_filter_allow && (in->nft_first || !o->has_filter_allow)) {
		o->has_filter_allow = true;
		o->filter_allow = nft->filter_allow;
	}
	if (nft->has_mangle_allow && (in->nft_first || !o->has_mangle_allow)) {
		o->has_mangle_allow = true;
		o->mangle_allow = nft->mangle_allow;
	}
	if (nft->has_filter_deny && (in->nft_first || !o->has_filter_deny)) {
		o->has_filter_deny = true;
		o->filter_deny = nft->filter_deny;
	}
}

int hf_rd_felix(struct hf_rd *rd, const struct hf_yaml *object, void *dst)
{
	struct hf_felix_obj *felix = dst;
	struct felix_in in = {.o = *felix};
	const char *name = felix->meta.name;
	const struct hf_shape shape = {
		.fields = felix_fields,
		.n = sizeof(felix_fields) / sizeof(felix_fields[0]),
		.unread = hf_felix_other,
		.n_unread = hf_felix_n_other,
	};
	int rc = hf_rd_spec(rd, object, &shape, &in);

	if (rc < 0)
		return rc;
	merge_nft(&in);
	*felix = in.o;
	if (strcmp(name, "default") == 0 || strncmp(name, "node.", 5) == 0 ||
		felix->node_selector.sel)
		return 0;
	return hf_rd_note(rd, felix->meta.place,
		"FelixConfiguration %s is neither 'default' nor 'node.NAME', and has no "
		"nodeSelector: not applied",
		name);
}
