/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * NIC: what one network card, run by one driver in one mode, can match, do and hold.
 *
 * A struct hf_nic is a profile (hw-profiles/NAME.yaml) as plain data. The compiler asks it before
 * it emits an entry, and the virtual SmartNIC enforces it on every rule it is offered, so that both
 * believe the same of a card. A NIC without engines ("none") takes no rule at all.
 *
 * hf_flow is one rule in a form that knows neither rte_flow nor policy: attributes, a pattern of
 * layers with spec and mask, actions.
 *
 * Lifetime: a profile never changes once read; threads may share it.
 */

#pragma once

#include <hepflow/field.h>

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_NIC_NAME_SIZE    48
#define HF_NIC_TEXT_SIZE    96
#define HF_NIC_ENGINES_MAX  6
#define HF_NIC_PCI_MAX	    64
#define HF_NIC_FIRMWARE_MAX 8
#define HF_NIC_ALIASES_MAX  8
#define HF_NIC_PATTERNS_MAX 64
#define HF_NIC_LISTS_MAX    48 /* action lists */
#define HF_NIC_LIMITS_MAX   12
#define HF_NIC_VALUES_MAX   16 /* of one limit */
#define HF_NIC_MASKS_MAX    64 /* of an engine that holds so few that it is known */
#define HF_NIC_RULES_MAX    96 /* what is learned is less terse than what is written */
#define HF_NIC_ERRORS_MAX   64
#define HF_FLOW_ITEMS_MAX   12
#define HF_FLOW_ACTIONS_MAX 12

/* How a driver takes the mask of a field. Zero: it does not match the field at all. */
enum hf_mask_kind {
	HF_MASK_NONE,
	HF_MASK_ANY,   /* any bits */
	HF_MASK_EXACT, /* all bits or absent; a partial mask is refused */
	HF_MASK_WIDEN, /* as EXACT for us: a partial mask is taken and the field dropped (danger) */
	HF_MASK_NARROW,	      /* as EXACT for us: a partial mask is taken as all bits (danger) */
	HF_MASK_GLOBAL,	      /* any bits, but the same mask for all rules of the engine */
	HF_MASK_NONZERO,      /* all bits, and the value must not be zero */
	HF_MASK_PARTIAL_ONLY, /* neither none nor all bits */
	HF_MASK_IGNORE,	      /* taken with any mask and never matched (danger) */
	HF_MASK_MAX_,
};

enum hf_prio_order {
	HF_PRIO_NONE,	/* overlapping rules are undefined: emit disjoint ones only */
	HF_PRIO_LOWER,	/* the lower number wins */
	HF_PRIO_HIGHER, /* the higher number wins */
};

/* Whether rules of an engine must share the set (or the masks) of fields. */
enum hf_shape_rule {
	HF_SHAPE_FREE,
	HF_SHAPE_PER_TYPE, /* one input set per packet type (i40e FDIR) */
	HF_SHAPE_GLOBAL,   /* one set of masks for the whole engine (ixgbe FDIR) */
};

/*
 * The ways an IPv4 item can say "fragment": no driver knows them all. A flow whose pattern has
 * ipv4.frag but HF_FRAG_UNSAID asks for whatever form the engine knows for that value.
 */
enum hf_frag_form {
	HF_FRAG_UNSAID,
	HF_FRAG_NOT,	  /* spec 0, mask 0x3fff: no fragment */
	HF_FRAG_ANY,	  /* spec 1, last 0x3fff, mask 0x3fff: any fragment (mlx5) */
	HF_FRAG_MF_RANGE, /* spec 8, last 0x2000, mask 0x3fff: any fragment (i40e) */
	HF_FRAG_MF,	  /* spec 0x2000, mask 0x2000: any fragment (ice, iavf) */
	HF_FRAG_MAX_,
};
#define HF_FRAG_BIT(form) (1u << (form))

/* Directions as bits. */
#define HF_DIR_INGRESS	1u
#define HF_DIR_EGRESS	2u
#define HF_DIR_TRANSFER 4u

enum hf_act {
	HF_ACT_DROP,
	HF_ACT_QUEUE,
	HF_ACT_RSS,
	HF_ACT_MARK,
	HF_ACT_FLAG,
	HF_ACT_JUMP,
	HF_ACT_COUNT,
	HF_ACT_AGE,
	HF_ACT_PASSTHRU,
	HF_ACT_SET_TAG,
	HF_ACT_SET_META,
	HF_ACT_MODIFY_FIELD,
	HF_ACT_PORT_ID,
	HF_ACT_REPRESENTED_PORT,
	HF_ACT_DEFAULT_MISS,
	HF_ACT_OTHER, /* any action we have no use for: no profile accepts it */
	HF_ACT_MAX_,
};
#define HF_ACT_BIT(a) (1u << (a))

/*
 * Why a rule is refused. A profile gives errno, rte_flow error type and message per reason where
 * the real driver's are known; a reason without an entry has the defaults of the reader.
 */
enum hf_reject {
	HF_REJECT_NONE,
	HF_REJECT_NO_FLOW_API, /* the driver has no flow operations */
	HF_REJECT_INGRESS,
	HF_REJECT_EGRESS,
	HF_REJECT_TRANSFER,
	HF_REJECT_DIRECTION, /* not exactly one direction */
	HF_REJECT_GROUP,
	HF_REJECT_PRIORITY,
	HF_REJECT_ITEM,	   /* an item the engine does not know */
	HF_REJECT_PATTERN, /* a sequence of items it does not know */
	HF_REJECT_FIELD,   /* a field it cannot match */
	HF_REJECT_MASK,	   /* a mask it cannot match */
	HF_REJECT_VALUE,
	HF_REJECT_RANGE, /* last */
	HF_REJECT_EMPTY, /* no field given where one is needed */
	HF_REJECT_ACTION,
	HF_REJECT_ACTION_VALUE,
	HF_REJECT_FATE, /* no action that says where the packet goes, or more than one */
	HF_REJECT_COMBINATION,
	HF_REJECT_SHAPE,    /* create: another input set or mask is installed */
	HF_REJECT_CAPACITY, /* create: full */
	HF_REJECT_EXISTS,   /* create: the same pattern is installed */
	HF_REJECT_JUMP,
	HF_REJECT_SYNC, /* rte_flow_create(): rules are made by queues only */
	HF_REJECT_MAX_,
};

struct hf_nic_error {
	bool given;
	bool no_message; /* the driver leaves message NULL */
	int err;	 /* positive errno */
	uint8_t type;	 /* enum rte_flow_error_type */
	char message[HF_NIC_TEXT_SIZE];
};

/* A sequence of items (enum hf_layer) or of actions (enum hf_act). */
struct hf_nic_seq {
	uint8_t n;
	uint8_t v[HF_FLOW_ITEMS_MAX];
};

/* Fields as bits. */
#define HF_F_BIT(f) (UINT64_C(1) << (f))
static_assert(HF_F_MAX_ <= 64, "fields fit a word");

/* A condition on a flow: every member that is not zero must hold. All zero: always. */
struct hf_nic_when {
	uint32_t items;	     /* HF_LAYER_BIT: one of these is in the pattern */
	uint32_t no_items;   /* none of these */
	uint32_t repeated;   /* one of these is there more than once */
	uint32_t frag;	     /* HF_FRAG_BIT: one of these forms */
	uint64_t fields;     /* HF_F_BIT: one of these has a mask */
	uint64_t and_fields; /* and one of these */
	uint64_t no_fields;  /* none of these has a mask */
	uint64_t partial;    /* one of these has some bits of mask, but not all */
	uint64_t full;	     /* one of these has all bits of mask */
	uint64_t nonzero;    /* one of these has a mask and a value other than 0 */
	uint32_t actions;    /* HF_ACT_BIT: one of these is given */
	uint32_t all_actions;
	uint32_t no_actions;
	uint32_t first_action; /* the first action is one of these */
	uint8_t directions;    /* HF_DIR_*: one of these */
	bool root;	       /* group 0 */
	bool not_root;
	bool range;    /* has_last */
	bool priority; /* not 0 */
};

/* A combination an engine refuses, or takes but installs otherwise. */
struct hf_nic_rule {
	struct hf_nic_when when;
	enum hf_reject reject; /* of a refusal */
	enum hf_field field;   /* of a danger: the field that is not matched as asked */
};

enum hf_limit_kind {
	HF_LIMIT_NOT,  /* a full mask with one of these values is refused */
	HF_LIMIT_ONLY, /* values other than these are refused */
	HF_LIMIT_MASK, /* masks other than these (and none) are refused */
	HF_LIMIT_BITS, /* masks with a bit that the one value has not are refused */
};

/* Values of a field of at most four bytes, as numbers. */
struct hf_nic_limit {
	enum hf_field field;
	enum hf_limit_kind kind;
	size_t n;
	uint32_t v[HF_NIC_VALUES_MAX];
};

/* One rule engine of a driver: the unit that takes or refuses a rule. */
struct hf_engine {
	char name[HF_NIC_NAME_SIZE];
	uint8_t directions;  /* HF_DIR_* of rules that it is asked for; 0 = all of the NIC's */
	uint32_t groups;     /* number of groups; 1 = group 0 only */
	bool group_ignored;  /* the group is not looked at: any is taken as group 0 */
	uint32_t prios_root; /* usable priorities of group 0: prio_first .. n-1 */
	uint32_t prios;	     /* of the other groups */
	uint32_t prio_first; /* lowest usable priority; those below are taken as this one */
	uint32_t prio_taken; /* priorities up to here are taken, though they mean nothing of their
				own beyond the usable ones; 0 = only the usable ones */
	uint32_t prio_taken_others; /* the same of the other groups; 0 = prio_taken */
	enum hf_prio_order order;
	enum hf_shape_rule shape;
	bool type_scope;   /* a pattern matches only the packet type it spells (i40e: eth/ipv4 = no
			      TCP, UDP, SCTP, fragment) */
	bool depth_rank;   /* within one priority L4 patterns rank above L3 above L2 (mlx5) */
	bool needs_field;  /* a pattern of which no field would be matched is refused */
	bool jump_forward; /* jumps lead to higher groups only */
	bool attributes_first; /* attributes are looked at before the pattern; only the reason given
				  for a refusal depends on it */
	uint32_t layers;       /* HF_LAYER_BIT of the items it knows */
	/* The sequences of items it knows. None: any in wire order, each layer once, L4 after L3;
	 * protocol and type numbers must agree with the items that follow. */
	size_t n_patterns;
	struct hf_nic_seq patterns[HF_NIC_PATTERNS_MAX];
	uint8_t field[HF_F_MAX_]; /* enum hf_mask_kind */
	uint32_t frag_forms;	  /* HF_FRAG_BIT of the forms of ipv4.frag it knows */
	uint32_t key_bytes; /* masks may have so many bytes that are not zero; 0 = any number */
	bool own_port;	    /* a rule without a port item is for packets of the port that it is made
				   on (transfer rules of mlx5 software steering) */
	bool range_ignored; /* a range is taken and only its first value matched (danger) */
	size_t n_limits;
	struct hf_nic_limit limits[HF_NIC_LIMITS_MAX];
	uint32_t actions; /* HF_ACT_BIT */
	/* The lists of actions it knows, in order. None: any order, exactly one fate. */
	size_t n_lists;
	struct hf_nic_seq lists[HF_NIC_LISTS_MAX];
	uint32_t fate_optional; /* HF_DIR_*: directions that need no fate */
	uint32_t drop_with;	/* actions that may stand beside DROP */
	uint32_t mark_max;	/* highest MARK id */
	uint32_t capacity;	/* rules it holds; 0 = no known limit */
	uint32_t masks; /* different sets of masks that its rules may have; 0 = no known limit */
	size_t n_refuse;
	struct hf_nic_rule refuse[HF_NIC_RULES_MAX];
	size_t n_danger;
	struct hf_nic_rule danger[HF_NIC_RULES_MAX];
};

/* An answer for some flows only; the first that fits wins over hf_nic.error. */
struct hf_nic_answer {
	uint32_t rejects; /* bits of enum hf_reject */
	struct hf_nic_when when;
	struct hf_nic_error error;
};

struct hf_pci_id {
	uint16_t vendor;
	uint16_t device;
};

struct hf_nic {
	char name[HF_NIC_NAME_SIZE];
	char chips[HF_NIC_TEXT_SIZE];	/* "ConnectX-6 Dx" */
	char driver[HF_NIC_NAME_SIZE];	/* dev_info.driver_name */
	char devargs[HF_NIC_TEXT_SIZE]; /* what the mode needs: "dv_flow_en=1,dv_esw_en=0" */
	size_t n_aliases;
	char aliases[HF_NIC_ALIASES_MAX][HF_NIC_NAME_SIZE];
	size_t n_pci;
	struct hf_pci_id pci[HF_NIC_PCI_MAX];
	size_t n_firmware;
	uint32_t firmware[HF_NIC_FIRMWARE_MAX]; /* first numbers of its chips' versions */
	bool ingress;
	bool egress;
	bool transfer;
	bool transfer_proxy;	 /* only the port that speaks for the e-switch takes such rules */
	bool fragments_match_l4; /* else no L4 item matches any fragment */
	bool ext_match_l4;	 /* else no L4 item matches an IPv6 packet with extension headers */
	bool flush_on_stop;	 /* rules are gone after port stop */
	bool bifurcated;	 /* what is not taken stays with the kernel */
	bool isolate;
	bool async;	 /* template API */
	bool async_only; /* and no rte_flow_create() */
	size_t n_engines;
	struct hf_engine engine[HF_NIC_ENGINES_MAX]; /* tried in order */
	struct hf_nic_error error[HF_REJECT_MAX_];
	size_t n_answers;
	struct hf_nic_answer answers[HF_NIC_ERRORS_MAX];
};

/* One ternary match. Bits outside mask are zero in spec; fields of absent layers have no mask. */
struct hf_pattern {
	uint32_t layers; /* HF_LAYER_BIT */
	struct hf_hdr spec;
	struct hf_hdr mask;
};

struct hf_flow_action {
	enum hf_act act;
	uint32_t value;	     /* queue, mark id, group, port, what a field is set to; 0 otherwise */
	enum hf_field field; /* of MODIFY_FIELD: mark, meta or tag, all of it */
	uint32_t keep;	     /* of SET_TAG: bits that stay as they are */
};

struct hf_flow {
	bool ingress;
	bool egress;
	bool transfer;
	uint32_t group;
	uint32_t priority;
	size_t n_items;
	uint8_t items[HF_FLOW_ITEMS_MAX]; /* enum hf_layer as spelled, outermost first */
	uint8_t frag;			  /* enum hf_frag_form of the IPv4 item */
	bool has_last; /* some item gives a range other than the fragment forms */
	struct hf_pattern pattern;
	size_t n_actions;
	struct hf_flow_action actions[HF_FLOW_ACTIONS_MAX];
};

/*
 * The engine that would take it, or NULL with *ret_reject saying why not: the word of the last
 * engine that knows the pattern, as drivers try theirs in order.
 */
const struct hf_engine *hf_nic_accept(
	const struct hf_nic *nic, const struct hf_flow *flow, enum hf_reject *ret_reject);
/*
 * What the real driver would answer for a reason. Never NULL; what the profile does not give has
 * defaults. flow (may be NULL) picks among answers for some flows only.
 */
const struct hf_nic_error *hf_nic_error(const struct hf_nic *nic, enum hf_reject reject);
const struct hf_nic_error *hf_nic_error_of(
	const struct hf_nic *nic, enum hf_reject reject, const struct hf_flow *flow);
/* HF_F_BIT of the fields, of layers that are there, some byte of whose mask is not zero. */
uint64_t hf_pattern_fields(const struct hf_pattern *pattern);
/* Taken, but installed wider or narrower than asked: the field at fault, else HF_F_MAX_. */
enum hf_field hf_nic_danger(const struct hf_engine *engine, const struct hf_flow *flow);
/*
 * The same for all fields at fault but those of a range, one after the other; *at is 0 at first. A
 * field that the flow has no mask for stands for the item that implies it.
 */
enum hf_field hf_nic_next_danger(
	const struct hf_engine *engine, const struct hf_flow *flow, size_t *at);
/*
 * Whether the mask of a field is something the engine matches exactly as asked. Lists of values,
 * refusals and dangers of combinations are not looked at; hf_nic_accept() and hf_nic_danger() of
 * the whole flow have the last word.
 */
bool hf_nic_can_match(const struct hf_engine *engine, enum hf_field f, const struct hf_hdr *mask);
/* The form in which the engine can say "a fragment" or "no fragment", or HF_FRAG_UNSAID. */
enum hf_frag_form hf_nic_frag_form(const struct hf_engine *engine, bool fragment);

/* Names as in profiles: "drop", "represented_port"; "mask", "combination"; "widen", ... */
const char *hf_act_name(enum hf_act act);
const char *hf_reject_name(enum hf_reject reject);
const char *hf_mask_kind_name(enum hf_mask_kind kind);
const char *hf_prio_order_name(enum hf_prio_order order);
const char *hf_shape_rule_name(enum hf_shape_rule rule);
