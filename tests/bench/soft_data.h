/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the benchmark of the software path is fed: a policy of Calico's shape, flows most of which
 * aim at one of its rules, and their frames.
 *
 * The policy is made here, or read from the folder that HEPFLOW_PEERS names, so that others may be
 * measured with the same one: gen/nN/policy.json and the capture files beside it. Made ones have
 * about the same mix: 70 % allow, 70 % TCP, sources a set of 64 (20 %), a net (77 %) or any, ports
 * one, a few or a range, default deny.
 *
 * Addresses are plain numbers in host order. In IPv6 one is put behind 2a00::/32, and a prefix of
 * it gets 32 bits longer; a host keeps all 128.
 *
 * Everything here ends the program with a message when it goes wrong.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_HOST_NETS 4 /* 10.10.0.1 and so on: addresses of this host */
#define BENCH_HOST_BASE 0x0a0a0000
#define BENCH_PORTS_MAX 3
#define BENCH_SET_SIZE	64
#define BENCH_FRAME_MAX 128

struct bench_net {
	uint32_t addr;
	uint8_t len;
};

struct bench_rule {
	bool allow;
	bool udp;		   /* else TCP */
	int set;		   /* of sources; -1: src */
	struct bench_net src, dst; /* len 0: any */
	unsigned int n_ports;
	uint16_t ports[BENCH_PORTS_MAX][2];
};

struct bench_set {
	size_t n;
	struct bench_net *nets;
};

struct bench_policy {
	size_t n_sets, n_rules;
	struct bench_set *sets;
	struct bench_rule *rules;
};

struct bench_flow {
	uint32_t src, dst;
	uint16_t sport, dport;
	bool udp;
};

struct bench_frames {
	size_t n;
	uint16_t size; /* of each */
	uint8_t *bytes;
};

struct bench_policy *bench_policy_make(size_t n_rules, size_t set_size, uint64_t seed);
struct bench_policy *bench_policy_read(const char *path);
void bench_policy_free(struct bench_policy *policy);
/* As Calico objects for host n0 with eth0: policies of 50 rules, untracked or normal. */
char *bench_policy_yaml(const struct bench_policy *policy, bool untracked, bool ip6);
/* Only the policy that has the rule, or the set that it asks for. */
char *bench_part_yaml(const struct bench_policy *p, size_t rule, bool set, bool untracked);

/* n flows, 9 of 10 aimed at a rule; allowed: only such as the first rule that they meet allows. */
struct bench_flow *bench_flows_make(
	const struct bench_policy *policy, size_t n, bool allowed, uint64_t seed);
enum bench_step {
	BENCH_OPEN,   /* SYN */
	BENCH_ANSWER, /* SYN ACK, the other way round */
	BENCH_GO_ON,  /* ACK */
};
/* 60 bytes each, or 74 in IPv6: 64 and 78 on the wire. */
struct bench_frames bench_frames_make(
	const struct bench_flow *flows, size_t n, enum bench_step step, bool ip6);
struct bench_frames bench_frames_read(const char *pcap);
void bench_frames_write(const struct bench_frames *frames, const char *pcap);
void bench_frames_free(struct bench_frames *frames);
