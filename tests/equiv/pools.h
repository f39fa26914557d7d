/* SPDX-License-Identifier: BSD-3-Clause */

/* What worlds and packets draw from alike. */

#pragma once

#include <hepflow/net.h>

#include <hf_test_rand.h>

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define PICK(r, a) ((a)[hf_rand_below(r, COUNT(a))])

/* Nets of rules, sets and failsafes. Hosts of the world are among them or beside their edges. */
static const char *const nets4[] = {"10.65.0.0/24", "10.65.0.2/32", "10.65.0.0/16", "10.65.1.4/30",
	"192.0.2.0/24", "192.0.2.10/32", "192.0.2.20/31", "198.51.100.0/24", "198.51.100.128/25",
	"203.0.113.0/24", "203.0.113.64/26", "10.0.0.0/8", "0.0.0.0/1", "128.0.0.0/1",
	"10.96.0.0/16", "224.0.0.0/4", "127.0.0.0/8", "255.255.255.255/32"};
static const char *const nets6[] = {"fd00:65::/64", "fd00:65::2/128", "fd00:65::/48",
	"2001:db8::/64", "2001:db8::10/128", "2001:db8:1::/48", "2001:db8:2::/127", "::/1",
	"8000::/1", "fd00:96::/112", "ff02::/16", "fe80::/10", "2001:db8:1:ffff::/64"};
static const char *const hosts4[] = {"192.0.2.10", "192.0.2.11", "192.0.2.20", "192.0.2.255",
	"198.51.100.7", "203.0.113.70", "10.65.0.2", "10.65.0.3", "10.65.0.9", "10.65.1.5",
	"10.96.0.10", "10.96.0.77", "127.0.0.1", "224.0.0.5", "255.255.255.255", "0.0.0.0",
	"172.16.0.1", "10.65.0.1"};
static const char *const hosts6[] = {"2001:db8::10", "2001:db8::20", "fd00:65::2", "fd00:65::3",
	"fd00:65::9", "fd00:65:0:1::5", "2001:db8:1::7", "fd00:96::a", "fd00:96::77", "::1",
	"ff02::1", "fe80::1", "2001:db8:2::1"};
static const uint16_t ports[] = {
	1, 22, 53, 68, 80, 179, 443, 1024, 3000, 4789, 8080, 30001, 51820, 51821, 65535};
static const uint8_t protos[] = {HF_PROTO_TCP, HF_PROTO_TCP, HF_PROTO_TCP, HF_PROTO_UDP,
	HF_PROTO_UDP, HF_PROTO_ICMP, HF_PROTO_ICMPV6, HF_PROTO_SCTP, HF_PROTO_UDPLITE,
	HF_PROTO_IPIP, 47, 253, 0, 255};
static inline bool chance(struct hf_rand *r, unsigned int percent)
{
	return hf_rand_chance(r, percent, 100);
}
