/* SPDX-License-Identifier: BSD-3-Clause */

#include "policy/read.h"

#include <hepflow/net.h>

#include <errno.h>
#include <string.h>

int hf_rd_addr(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	const char *text;
	int rc = hf_rd_str(rd, node, &text);

	if (rc == 0 && hf_addr_parse(text, dst) < 0)
		return hf_rd_bad(rd, node, "'%.64s' is not an IP address", text);
	return rc;
}

int hf_rd_addr_of_net(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	char part[HF_ADDRSTR_SIZE];
	struct hf_prefix prefix;
	const char *text;
	int rc = hf_rd_str(rd, node, &text);
	size_t len;

	if (rc < 0)
		return rc;
	len = strcspn(text, "/");
	if (len >= sizeof(part) || hf_prefix_parse(text, &prefix, NULL) < 0)
		return hf_rd_bad(rd, node, "'%.64s' is neither an IP address nor a network", text);
	memcpy(part, text, len);
	part[len] = '\0';
	/* Cannot fail: the prefix was read from the same text. */
	(void)hf_addr_parse(part, dst);
	return 0;
}

int hf_rd_addrs(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, hf_rd_addr, sizeof(struct hf_addr), HF_LIST_MAX, dst);
}

int hf_rd_net(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	bool host_bits = false;
	const char *text;
	int rc = hf_rd_str(rd, node, &text);

	if (rc < 0)
		return rc;
	if (!strchr(text, '/') || hf_prefix_parse(text, dst, &host_bits) < 0)
		return hf_rd_bad(rd, node, "'%.64s' is not a network (address/length)", text);
	if (host_bits)
		return hf_rd_bad(rd, node, "'%.64s' has bits set behind the prefix length", text);
	return 0;
}

int hf_rd_net_loose(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	const char *text;
	int rc = hf_rd_str(rd, node, &text);

	if (rc == 0 && hf_prefix_parse(text, dst, NULL) < 0)
		return hf_rd_bad(rd, node, "'%.64s' is neither an IP address nor a network", text);
	return rc;
}

int hf_rd_nets_loose(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	return hf_rd_list(rd, node, hf_rd_net_loose, sizeof(struct hf_prefix), HF_LIST_MAX, dst);
}

int hf_rd_port_name(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	int rc = hf_rd_str(rd, node, dst);

	if (rc == 0 && !hf_is_plain_name(node->text, 128))
		return hf_rd_bad(rd, node, "'%.64s' is not a port name", node->text);
	return rc;
}

int hf_rd_port_proto(struct hf_rd *rd, const struct hf_yaml *node, void *dst)
{
	static const struct {
		const char *name;
		const char *number;
		uint8_t proto;
	} protos[] = {
		{"TCP", "6", HF_PROTO_TCP},
		{"UDP", "17", HF_PROTO_UDP},
		{"SCTP", "132", HF_PROTO_SCTP},
	};
	size_t i;

	for (i = 0; node->kind == HF_YAML_SCALAR && i < sizeof(protos) / sizeof(*protos); i++) {
		if (strcmp(node->text, protos[i].name) != 0 &&
			strcmp(node->text, protos[i].number) != 0)
			continue;
		*(uint8_t *)dst = protos[i].proto;
		return 0;
	}
	return hf_rd_bad(rd, node, "must be TCP, UDP or SCTP");
}
