/* SPDX-License-Identifier: BSD-3-Clause */

#include "world.h"

#include "pools.h"

#include <stdlib.h>
#include <string.h>

void hf_addr_step(struct hf_addr *a, bool up)
{
	unsigned int i = hf_addr_bits(a) / 8;

	while (i-- > 0) {
		a->b[i] = (uint8_t)(a->b[i] + (up ? 1 : -1));
		if (a->b[i] != (up ? 0 : 0xff))
			break;
	}
}

static struct hf_addr random_addr(struct hf_rand *r, uint8_t family)
{
	struct hf_prefix net;
	struct hf_addr a;
	int rc;

	if (chance(r, 65)) {
		rc = hf_addr_parse(family == 4 ? PICK(r, hosts4) : PICK(r, hosts6), &a);
		if (rc < 0)
			abort();
		return a;
	}
	rc = hf_prefix_parse(family == 4 ? PICK(r, nets4) : PICK(r, nets6), &net, NULL);
	if (rc < 0)
		abort();
	a = chance(r, 50) ? net.addr : hf_prefix_last(&net);
	if (chance(r, 50))
		hf_addr_step(&a, chance(r, 50));
	return a;
}

static uint16_t random_port(struct hf_rand *r)
{
	uint16_t port = PICK(r, ports);

	return chance(r, 60) ? port : (uint16_t)(port + hf_rand_below(r, 3) - 1);
}

static void put_name(struct hf_rand *r, const char *const *names, size_t n, char *dst)
{
	const char *name = names[hf_rand_below(r, n)];

	memcpy(dst, name, strlen(name) + 1);
}

/* Most packets come from eth0, the host and pods; a name that is not there stands for any. */
static void put_in(struct hf_rand *r, const char *const *names, size_t n, char *dst)
{
	static const char *const often[] = {"eth0", "eth0", "eth0", "", "cali0", "cali1"};
	const char *name = PICK(r, often);
	size_t i;

	for (i = 0; i < n && strcmp(names[i], name) != 0;)
		i++;
	if (i == n || chance(r, 30))
		put_name(r, names, n, dst);
	else
		memcpy(dst, name, strlen(name) + 1);
}

/* Pods use their own address, or the reverse-path filter is all they meet. */
static struct hf_addr random_src(struct hf_rand *r, uint8_t family, const char *in)
{
	struct hf_addr a = random_addr(r, family);
	bool pod = strcmp(in, "cali0") == 0 || strcmp(in, "cali1") == 0;

	if (!pod || chance(r, 10))
		return a;
	if (hf_addr_parse(family == 4 ? "10.65.0.2" : "fd00:65::2", &a) < 0)
		abort();
	if (in[4] == '1')
		hf_addr_step(&a, true);
	return a;
}

static struct hf_addr random_dst(struct hf_rand *r, uint8_t family)
{
	static const char *const often4[] = {
		"192.0.2.10", "192.0.2.10", "10.65.0.2", "10.65.0.3", "198.51.100.7", "10.65.1.5"};
	static const char *const often6[] = {
		"2001:db8::10", "2001:db8::10", "fd00:65::2", "fd00:65::3", "2001:db8:1::7"};
	struct hf_addr a;

	if (chance(r, 40))
		return random_addr(r, family);
	if (hf_addr_parse(family == 4 ? PICK(r, often4) : PICK(r, often6), &a) < 0)
		abort();
	return a;
}

/* Types around those of neighbour discovery and echo, codes around 0 and 1. */
static void put_transport(struct hf_rand *r, struct hf_packet *p)
{
	if (hf_proto_has_ports(p->proto) || p->proto == HF_PROTO_UDPLITE) {
		p->sport = random_port(r);
		p->dport = random_port(r);
	}
	if (p->proto == HF_PROTO_ICMP || p->proto == HF_PROTO_ICMPV6) {
		p->icmp_type = (uint8_t)hf_rand_between(r, 126, 138);
		p->icmp_code = (uint8_t)hf_rand_below(r, 3);
	}
	if (p->proto == HF_PROTO_TCP)
		p->tcp_flags = p->ct == HF_CT_NEW ? HF_TCP_SYN : HF_TCP_ACK;
}

void hf_world_packet(
	struct hf_rand *r, const char *const *names, size_t n_names, struct hf_packet *ret)
{
	static const enum hf_ct states[] = {
		HF_CT_ESTABLISHED, HF_CT_RELATED, HF_CT_INVALID, HF_CT_UNTRACKED};
	uint8_t family = chance(r, 65) ? 4 : 6;
	struct hf_packet p = {.proto = PICK(r, protos)};

	if (chance(r, 20))
		p.ct = PICK(r, states);
	put_in(r, names, n_names, p.in);
	if (chance(r, 8))
		put_name(r, names, n_names, p.out);
	p.src = random_src(r, family, p.in);
	p.dst = random_dst(r, family);
	put_transport(r, &p);
	if (chance(r, 12)) {
		p.has_dnat = true;
		p.dnat.addr = random_dst(r, family);
		p.dnat.port = random_port(r);
	}
	*ret = p;
}
