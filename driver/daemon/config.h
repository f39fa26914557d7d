/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Config: hepflowd's one configuration file, read strictly; docs/config.md has the format.
 *
 * An unknown key, a wrong type, a value out of range or a contradiction is an error that says
 * file:line:column. Relative paths in it are meant from the folder of the file.
 *
 * Lifetime: constant once read; everything in it is freed with it.
 */

#pragma once

#include <hepflow/net.h>
#include <hepflow/plan.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_arena;
struct hf_err;

/* Limits, so that a wrong file ends in an error and not in memory. */
#define HF_CONFIG_FILE_MAX	  (1u << 20)
#define HF_CONFIG_PORTS_MAX	  64u /* a host has a few uplinks; pods on DPDK ports are few too */
#define HF_CONFIG_LIST_MAX	  1024u /* policy paths, EAL arguments */
#define HF_CONFIG_QUEUES_MAX	  16u
#define HF_CONFIG_WORKERS_MAX	  16u	     /* cores; a wire belongs to one, and wires are few */
#define HF_CONFIG_CONNECTIONS_MAX (1u << 24) /* some 4 GB of entries */

#define HF_CONFIG_TIMEOUT_MAX	  (30u * 24 * 3600) /* seconds; well above Linux's longest */

#define HF_CONFIG_PROOF_MAX_MS	  60000u /* the control thread waits meanwhile */
#define HF_CONFIG_RECONCILE_MAX_S 86400u
#define HF_RECONCILE_S		  60u	/* default */
#define HF_PROOF_BUDGET_MS	  1000u /* default */
#define HF_PROOF_RULES		  2000u /* default; what a second is enough for, mostly */

#define HF_RUNDIR_DEFAULT	  "/run/hepflow"
#define HF_CONNECTIONS_DEFAULT	  65536u
#define HF_CONFIG_AFTER_MAX	  1000000u
#define HF_CONFIG_OFFLOAD_MAX	  (1u << 20) /* rules for connections; NICs hold a few million */
#define HF_CONFIG_IDLE_MAX	  86400u
#define HF_OFFLOAD_DEFAULT	  8192u
#define HF_IDLE_DEFAULT		  30u

/* Keys of connections.timeouts; the software path knows timers by the same names. */
#define HF_CONF_N_TIMERS 23
extern const char *const hf_conf_timers[HF_CONF_N_TIMERS];

enum hf_role {
	HF_ROLE_UPLINK,	  /* outer side: the NIC */
	HF_ROLE_WORKLOAD, /* outer side: a pod's interface */
	HF_ROLE_HOST,	  /* inner side: the kernel's end of the interface of the same name */
};

/* What becomes of an uplink's packets when hepflowd is not there, as the operator relies on it. */
enum hf_fail_mode {
	HF_FAIL_ANY,
	HF_FAIL_OPEN,	/* they reach the kernel */
	HF_FAIL_CLOSED, /* nothing passes */
};

enum hf_poll {
	HF_POLL_BUSY,
	HF_POLL_ADAPTIVE, /* sleeps shortly when all ports are idle */
};

/* Established connections after a change of policy; enum hf_soft_reclassify says more. */
enum hf_reclassify {
	HF_RECLASSIFY_OFF,
	HF_RECLASSIFY_DENY_ONLY,
	HF_RECLASSIFY_ALL,
};

/* Services that policy allows for some backends only; enum hf_soft_ambiguous says more. */
enum hf_ambiguous {
	HF_AMBIGUOUS_RECHECK,
	HF_AMBIGUOUS_TRANSLATE,
	HF_AMBIGUOUS_DROP,
};

struct hf_place {
	uint32_t line;
	uint32_t col;
};

struct hf_conf_text {
	const char *text;
	struct hf_place at;
};

struct hf_conf_port {
	const char *name; /* as host endpoints and WorkloadEndpoints say it */
	enum hf_role role;
	const char *devargs; /* "net_af_packet0,iface=up0" or "0000:03:00.0,dv_flow_en=1" */
	const char *profile; /* "auto", a name, or a path */
	uint16_t n_queues;
	/* Of an uplink: its rules are those between the ports of an e-switch, of which this one
	 * speaks for all and the host's side is a representor. */
	bool eswitch;
	struct hf_place eswitch_at;
	/* Of an uplink: queues are kept for what the NIC has decided and cannot mark. */
	bool reserve;
	struct hf_place reserve_at;
	bool representor; /* of the device, which its devargs choose: not an uplink's */
	enum hf_fail_mode fail_mode;
	struct hf_place fail_mode_at;
	struct hf_place at;
	struct hf_place devargs_at;
	struct hf_place profile_at;
};

#define HF_CONF_NO_PORT UINT32_MAX

/* Outer and inner side of one interface: indexes of ports. With fallback kernel there is no inner
 * side (HF_CONF_NO_PORT). */
struct hf_conf_wire {
	uint32_t outer;
	uint32_t inner;
};

struct hf_config {
	struct hf_arena *arena;
	const char *path;
	const char *node; /* NULL: as hf_model_build() finds it */
	size_t n_policies;
	struct hf_conf_text *policies;
	bool keep_privileges;
	bool kernel_facts;   /* interfaces and routes come from this kernel, live */
	const char *metrics; /* address to listen on; NULL: nowhere */
	uint16_t metrics_port;
	bool telemetry;	      /* DPDK's, with commands of ours */
	bool watch;	      /* the policy files, and apply what changes */
	bool felix;	      /* policy comes from Felix, beside what the files say */
	const char *statedir; /* NULL: nothing is kept over a restart */
	const char *rundir;
	size_t n_eal;
	const char **eal;
	unsigned int calico; /* major * 100 + minor; 0: the newest */
	uint32_t max_connections;
	uint32_t timeouts[HF_CONF_N_TIMERS]; /* seconds; 0: the default */
	enum hf_reclassify reclassify;
	enum hf_ambiguous ambiguous;
	/* Connections in the NIC; after is 0: none. */
	struct {
		uint32_t after; /* packets */
		uint32_t max;	/* of each uplink */
		uint32_t idle;	/* seconds */
	} offload;
	enum hf_poll poll;
	unsigned int n_workers; /* at most n_wires */
	struct hf_place workers_at;
	bool strict_invalid;	  /* hf_plan_opts */
	bool short_denies;	  /* the same */
	uint32_t proof_budget_ms; /* 0: changes are not proven */
	uint32_t proof_rules;	  /* up to so many are */
	bool proof_must;	  /* what stays undecided is not put in force */
	uint32_t reconcile_s;	  /* between two looks at what is in the NICs; 0: none */
	bool keep_refused;	  /* a NIC that refuses a change undoes it everywhere */
	bool restart_stuck;	  /* a NIC that does not let go of a rule is started anew */
	bool kernel_fallback;	  /* hf_plan_opts */
	size_t n_ports;
	struct hf_conf_port *ports;
	size_t n_wires; /* in the order of their outer sides */
	struct hf_conf_wire *wires;
};

/* Errors: -ENOENT and the like for a file that cannot be read, -EINVAL, -E2BIG, -ENOMEM. */
int hf_config_read(const char *path, struct hf_config **ret, struct hf_err *err);
/* The same from memory; name stands for the file in messages and for relative paths. */
int hf_config_read_text(const char *name, const char *text, size_t size, struct hf_config **ret,
	struct hf_err *err);
void hf_config_free(struct hf_config *config);

/* The e-switch of a wire, if it is used: its ports by their numbers in the file, from 0, because
 * ethdev's are not known before there are devices, and change when one comes back. */
struct hf_eswitch hf_config_eswitch(const struct hf_config *config, size_t wire);

const char *hf_role_name(enum hf_role role); /* uplink, workload, host */
