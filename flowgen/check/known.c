/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a NIC could decide if it had room for everything: the packets for which policy has one
 * verdict, whatever the fields say that this NIC cannot match. From the profile's fields alone.
 */

#include "device.h"

#define FIELD(f) (1u << (f))

/* Packets that the NIC can tell from all others, and the fields of theirs that it does not see. */
struct slice {
	BDD set;
	unsigned int hidden;
};

static bool sees(const struct hf_engine *e, enum hf_field f)
{
	return e->field[f] != HF_MASK_NONE && e->field[f] != HF_MASK_IGNORE;
}

static unsigned int hide(unsigned int fields, bool seen)
{
	return seen ? 0 : fields;
}

/* The same for all packets of a family. */
static unsigned int hidden_of_all(const struct hf_engine *e, bool v4)
{
	bool tags = sees(e, HF_F_ETH_HAS_VLAN) || e->layers & HF_LAYER_BIT(HF_LAYER_VLAN);

	return hide(FIELD(DD_SRC), sees(e, v4 ? HF_F_IP4_SRC : HF_F_IP6_SRC)) |
	       hide(FIELD(DD_DST), sees(e, v4 ? HF_F_IP4_DST : HF_F_IP6_DST)) |
	       hide(FIELD(DD_VLAN), tags) | FIELD(DD_LATER) | FIELD(DD_DEEP);
}

static bool sees_frags(const struct hf_engine *e, bool v4)
{
	return sees(e, v4 ? HF_F_IP4_FRAG : HF_F_IP6_FRAG) || (v4 && e->frag_forms) ||
	       (!v4 && e->layers & HF_LAYER_BIT(HF_LAYER_FRAG6)) || e->type_scope;
}

static unsigned int hidden_of_l4(const struct hf_engine *e, bool v4, enum hf_layer l)
{
	unsigned int flags = FIELD(DD_SYN) | FIELD(DD_ACK),
		     both = FIELD(DD_SPORT) | FIELD(DD_DPORT);

	switch (l) {
	case HF_LAYER_TCP:
		return hide(FIELD(DD_SPORT), sees(e, HF_F_TCP_SPORT)) |
		       hide(FIELD(DD_DPORT), sees(e, HF_F_TCP_DPORT)) |
		       hide(flags, sees(e, HF_F_TCP_FLAGS));
	case HF_LAYER_UDP:
		return hide(FIELD(DD_SPORT), sees(e, HF_F_UDP_SPORT)) |
		       hide(FIELD(DD_DPORT), sees(e, HF_F_UDP_DPORT));
	case HF_LAYER_SCTP:
		return hide(FIELD(DD_SPORT), sees(e, HF_F_SCTP_SPORT)) |
		       hide(FIELD(DD_DPORT), sees(e, HF_F_SCTP_DPORT));
	default: /* type and code are in one; if one of them is seen, nothing is said to be hidden
		  */
		return hide(both, sees(e, v4 ? HF_F_ICMP_TYPE : HF_F_ICMP6_TYPE) ||
					  sees(e, v4 ? HF_F_ICMP_CODE : HF_F_ICMP6_CODE));
	}
}

/* What of a slice has one fate whatever is hidden. */
static BDD certain_in(struct dd *dd, const struct slice *s, BDD fate)
{
	BDD other = hf_dd_minus(dd, s->set, fate);

	return hf_dd_minus(dd, s->set, hf_dd_forget(dd, other, s->hidden));
}

static BDD decidable(struct dd *dd, const struct slice *s, const struct fates *certain, bool drops)
{
	BDD set = certain_in(dd, s, certain->deny);

	if (drops)
		return set;
	set = hf_dd_or(dd, set, certain_in(dd, s, certain->allow));
	return hf_dd_or(dd, set, certain_in(dd, s, certain->untracked));
}

/* Packets whose transport header the NIC does not see, or does not know. */
static BDD decidable_rest(struct dd *dd, const struct hf_engine *e, BDD rest, unsigned int hidden,
	const struct fates *certain, bool drops)
{
	bool v4 = dd->family == 4, number = sees(e, v4 ? HF_F_IP4_PROTO : HF_F_IP6_PROTO);
	BDD ext = hf_dd_is(dd, DD_EXT, 1), frag = hf_dd_is(dd, DD_FRAG, 1), inside;
	struct slice s = {
		rest, hidden | FIELD(DD_SPORT) | FIELD(DD_DPORT) | FIELD(DD_SYN) | FIELD(DD_ACK)};

	if (!number || !sees_frags(e, v4)) {
		s.hidden |= hide(FIELD(DD_PROTO) | FIELD(DD_EXT) | FIELD(DD_NEXT), number && v4) |
			    hide(FIELD(DD_FRAG), sees_frags(e, v4));
		return decidable(dd, &s, certain, drops);
	}
	/* IPv6 shows the number of the header that comes next: what is behind it is hidden. */
	inside = v4 ? hf_dd_none() : hf_dd_or(dd, ext, frag);
	s.set = hf_dd_minus(dd, rest, inside);
	inside = hf_dd_and(dd, rest, inside);
	rest = decidable(dd, &s, certain, drops);
	s.set = inside;
	s.hidden |= FIELD(DD_PROTO);
	return hf_dd_or(dd, rest, decidable(dd, &s, certain, drops));
}

BDD hf_device_knowable(
	struct dd *dd, const struct hf_check_view *view, BDD all, const struct fates *certain)
{
	static const struct {
		enum hf_layer layer;
		uint8_t family; /* 0: both */
	} l4[] = {{HF_LAYER_TCP, 0}, {HF_LAYER_UDP, 0}, {HF_LAYER_SCTP, 0}, {HF_LAYER_ICMP, 4},
		{HF_LAYER_ICMP6, 6}};
	const struct hf_engine *e = hf_device_engine(view);
	bool v4 = dd->family == 4;
	BDD rest = all, ret = hf_dd_none();
	unsigned int hidden, i;

	if (!e && view->n_entries > 0) /* all of them reserved */
		e = hf_device_carrier(view);
	if (!e || !(e->layers & HF_LAYER_BIT(v4 ? HF_LAYER_IPV4 : HF_LAYER_IPV6)))
		return hf_dd_none();
	hidden = hidden_of_all(e, v4);
	for (i = 0; i < sizeof(l4) / sizeof(l4[0]); i++) {
		struct hf_pattern p = {.layers = HF_LAYER_BIT(l4[i].layer)};
		struct slice s;

		if (!(e->layers & p.layers) || (l4[i].family && l4[i].family != dd->family))
			continue;
		s.set = hf_dd_and(dd, all, hf_device_match(dd, view, &p));
		s.hidden = hidden | hidden_of_l4(e, v4, l4[i].layer) |
			   hide(FIELD(DD_FRAG), sees_frags(e, v4)) |
			   hide(FIELD(DD_EXT) | FIELD(DD_NEXT), sees(e, HF_F_IP6_PROTO));
		rest = hf_dd_minus(dd, rest, s.set);
		ret = hf_dd_or(dd, ret, decidable(dd, &s, certain, view->drops_only));
	}
	return hf_dd_or(dd, ret, decidable_rest(dd, e, rest, hidden, certain, view->drops_only));
}
