/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/field.h>

#include <string.h>

#define ROW(f, text, l, member)                                                                    \
	[f] = {.name = text,                                                                       \
		.layer = l,                                                                        \
		.offset = offsetof(struct hf_hdr, member),                                         \
		.size = sizeof(((struct hf_hdr *)0)->member)}

const struct hf_field_info hf_fields[HF_F_MAX_] = {
	ROW(HF_F_ETH_DST, "eth.dst", HF_LAYER_ETH, eth_dst),
	ROW(HF_F_ETH_SRC, "eth.src", HF_LAYER_ETH, eth_src),
	ROW(HF_F_ETH_TYPE, "eth.type", HF_LAYER_ETH, eth_type),
	ROW(HF_F_ETH_HAS_VLAN, "eth.has_vlan", HF_LAYER_ETH, has_vlan),
	ROW(HF_F_VLAN_TCI, "vlan.tci", HF_LAYER_VLAN, vlan_tci),
	ROW(HF_F_VLAN_TYPE, "vlan.inner_type", HF_LAYER_VLAN, vlan_type),
	ROW(HF_F_IP4_SRC, "ipv4.src", HF_LAYER_IPV4, ip_src),
	ROW(HF_F_IP4_DST, "ipv4.dst", HF_LAYER_IPV4, ip_dst),
	ROW(HF_F_IP4_PROTO, "ipv4.proto", HF_LAYER_IPV4, ip_proto),
	ROW(HF_F_IP4_TOS, "ipv4.tos", HF_LAYER_IPV4, ip_tos),
	ROW(HF_F_IP4_TTL, "ipv4.ttl", HF_LAYER_IPV4, ip_ttl),
	ROW(HF_F_IP4_FRAG, "ipv4.frag", HF_LAYER_IPV4, ip_frag),
	ROW(HF_F_IP4_OFF, "ipv4.fragment_offset", HF_LAYER_IPV4, ip4_off),
	ROW(HF_F_IP6_SRC, "ipv6.src", HF_LAYER_IPV6, ip_src),
	ROW(HF_F_IP6_DST, "ipv6.dst", HF_LAYER_IPV6, ip_dst),
	ROW(HF_F_IP6_PROTO, "ipv6.proto", HF_LAYER_IPV6, ip_proto),
	ROW(HF_F_IP6_TC, "ipv6.tc", HF_LAYER_IPV6, ip_tos),
	ROW(HF_F_IP6_HOP, "ipv6.hop", HF_LAYER_IPV6, ip_ttl),
	ROW(HF_F_IP6_FRAG, "ipv6.has_frag_ext", HF_LAYER_IPV6, ip_frag),
	ROW(HF_F_IP6_FLOW, "ipv6.flow", HF_LAYER_IPV6, ip6_vtc),
	ROW(HF_F_TCP_SPORT, "tcp.src", HF_LAYER_TCP, sport),
	ROW(HF_F_TCP_DPORT, "tcp.dst", HF_LAYER_TCP, dport),
	ROW(HF_F_TCP_FLAGS, "tcp.flags", HF_LAYER_TCP, tcp_flags),
	ROW(HF_F_UDP_SPORT, "udp.src", HF_LAYER_UDP, sport),
	ROW(HF_F_UDP_DPORT, "udp.dst", HF_LAYER_UDP, dport),
	ROW(HF_F_SCTP_SPORT, "sctp.src", HF_LAYER_SCTP, sport),
	ROW(HF_F_SCTP_DPORT, "sctp.dst", HF_LAYER_SCTP, dport),
	ROW(HF_F_ICMP_TYPE, "icmp.type", HF_LAYER_ICMP, icmp_type),
	ROW(HF_F_ICMP_CODE, "icmp.code", HF_LAYER_ICMP, icmp_code),
	ROW(HF_F_ICMP6_TYPE, "icmp6.type", HF_LAYER_ICMP6, icmp_type),
	ROW(HF_F_ICMP6_CODE, "icmp6.code", HF_LAYER_ICMP6, icmp_code),
	ROW(HF_F_MARK, "mark.id", HF_LAYER_MARK, mark),
	ROW(HF_F_META, "meta.data", HF_LAYER_META, meta),
	ROW(HF_F_TAG, "tag.data", HF_LAYER_TAG, tag),
	ROW(HF_F_PORT_ID, "port_id.id", HF_LAYER_PORT_ID, port_id),
	ROW(HF_F_REPRESENTED_PORT, "represented_port.ethdev_port_id", HF_LAYER_REPRESENTED_PORT,
		represented_port),
	ROW(HF_F_PORT_REPRESENTOR, "port_representor.port_id", HF_LAYER_PORT_REPRESENTOR,
		port_representor),
};

static const char *const layers[HF_LAYER_MAX_] = {
	[HF_LAYER_ETH] = "eth",
	[HF_LAYER_VLAN] = "vlan",
	[HF_LAYER_IPV4] = "ipv4",
	[HF_LAYER_IPV6] = "ipv6",
	[HF_LAYER_FRAG6] = "ipv6_frag_ext",
	[HF_LAYER_TCP] = "tcp",
	[HF_LAYER_UDP] = "udp",
	[HF_LAYER_SCTP] = "sctp",
	[HF_LAYER_ICMP] = "icmp",
	[HF_LAYER_ICMP6] = "icmp6",
	[HF_LAYER_MARK] = "mark",
	[HF_LAYER_META] = "meta",
	[HF_LAYER_TAG] = "tag",
	[HF_LAYER_PORT_ID] = "port_id",
	[HF_LAYER_REPRESENTED_PORT] = "represented_port",
	[HF_LAYER_PORT_REPRESENTOR] = "port_representor",
	[HF_LAYER_OTHER] = "other",
};

enum hf_field hf_field_find(const char *name)
{
	unsigned int f;

	for (f = 0; f < HF_F_MAX_; f++) {
		if (strcmp(hf_fields[f].name, name) == 0)
			break;
	}
	return (enum hf_field)f;
}

const char *hf_layer_name(enum hf_layer l)
{
	return layers[l];
}
