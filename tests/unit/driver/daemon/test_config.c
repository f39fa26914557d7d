/* SPDX-License-Identifier: BSD-3-Clause */

#include "hf_test.h"

#include "daemon/config.h"

#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

HF_SUITE(config);

#define HEAD	    "apiVersion: hepflow/v1\nkind: Config\nspec:\n" /* lines 1 to 3 */
#define POLICY	    "  policy: [a.yaml]\n"
#define PORT_UPLINK "    - {name: eth0, role: uplink, devargs: net_null0}\n"
#define PORT_HOST   "    - {name: eth0, role: host, devargs: net_null1}\n"
#define PORTS	    "  ports:\n" PORT_UPLINK PORT_HOST

static struct hf_config *read_ok(const char *text)
{
	struct hf_config *c = NULL;
	struct hf_err err = {0};

	cr_assert_eq(hf_config_read_text("/etc/h/c.yaml", text, strlen(text), &c, &err), 0, "%s",
		err.text);
	return c;
}

#define CARD(name, role, more)                                                                     \
	"    - {name: " name ", role: " role ", devargs: \"0000:03:00.0" more "\"}\n"

static void refused(const char *text, const char *want)
{
	struct hf_config *c = NULL;
	struct hf_err err = {0};

	cr_assert_lt(
		hf_config_read_text("c.yaml", text, strlen(text), &c, &err), 0, "taken: %s", text);
	cr_assert_null(c);
	cr_assert_str_eq(err.text, want);
}

Test(config, smallest_has_the_defaults)
{
	struct hf_config *c = read_ok(HEAD POLICY PORTS);

	cr_assert_null(c->node);
	cr_assert_str_eq(c->rundir, "/run/hepflow");
	cr_assert_eq(c->max_connections, 65536);
	cr_assert_eq(c->calico, 0);
	cr_assert_eq(c->poll, HF_POLL_BUSY);
	cr_assert_eq(c->n_workers, 1);
	cr_assert_eq(c->proof_budget_ms, 1000);
	cr_assert_eq(c->proof_rules, 2000);
	cr_assert(!c->proof_must && !c->keep_refused);
	cr_assert_eq(c->n_policies, 1);
	cr_assert_eq(c->n_wires, 1);
	cr_assert_eq(c->wires[0].outer, 0);
	cr_assert_eq(c->wires[0].inner, 1);
	cr_assert_str_eq(c->ports[0].profile, "auto");
	cr_assert_null(c->ports[1].profile);
	cr_assert_eq(c->ports[0].n_queues, 1);
	hf_config_free(c);
}

Test(config, everything_is_read)
{
	struct hf_config *c = read_ok(
		HEAD "  node: n1\n"
		     "  policy: [/abs/a.yaml, rel/b]\n"
		     "  fallback: software\n"
		     "  rundir: /tmp/h\n"
		     "  eal: [--no-huge, -m, \"256\"]\n"
		     "  calicoVersion: v3.28.1\n"
		     "  connections: {max: 4096, timeouts: {udp: 5, tcp-established: 3600},\n"
		     "    offload: {after: 50, max: 99, idle: 7}, reclassify: deny-only}\n"
		     "  services: {ambiguous: translate}\n"
		     "  poll: adaptive\n"
		     "  strict-invalid: true\n"
		     "  changes: {refused: keep, proof: {budget: 50, rules: 10, undecided: "
		     "refuse}, reconcile: 5}\n"
		     "  telemetry: true\n"
		     "  ports:\n"
		     "    - {name: cali1, role: workload, devargs: net_null2}\n"
		     "    - {name: eth0, role: host, devargs: net_null1}\n"
		     "    - {name: eth0, role: uplink, devargs: \"0000:03:00.0,"
		     "dv_flow_en=1\", profile: p/x.yaml, queues: 4}\n"
		     "    - {name: cali1, role: host, devargs: net_null3}\n");

	cr_assert_str_eq(c->node, "n1");
	cr_assert_str_eq(c->policies[0].text, "/abs/a.yaml");
	cr_assert_str_eq(c->policies[1].text, "/etc/h/rel/b");
	cr_assert_str_eq(c->rundir, "/tmp/h");
	cr_assert_eq(c->n_eal, 3);
	cr_assert_str_eq(c->eal[2], "256");
	cr_assert_eq(c->calico, 328);
	cr_assert_eq(c->max_connections, 4096);
	cr_expect_eq(c->timeouts[2], 3600);
	cr_expect_str_eq(hf_conf_timers[11], "udp");
	cr_expect_eq(c->timeouts[11], 5);
	cr_expect_eq(c->timeouts[0], 0);
	cr_expect_eq(c->offload.after, 50);
	cr_expect_eq(c->offload.max, 99);
	cr_expect_eq(c->offload.idle, 7);
	cr_expect_eq(c->reclassify, HF_RECLASSIFY_DENY_ONLY);
	cr_expect_eq(c->ambiguous, HF_AMBIGUOUS_TRANSLATE);
	cr_assert_eq(c->poll, HF_POLL_ADAPTIVE);
	cr_assert(c->strict_invalid);
	cr_assert(c->keep_refused && c->proof_must);
	cr_assert_eq(c->proof_budget_ms, 50);
	cr_assert_eq(c->reconcile_s, 5);
	cr_assert_eq(c->proof_rules, 10);
	cr_assert(c->telemetry);
	cr_assert_eq(c->n_wires, 2);
	cr_assert_eq(c->wires[0].outer, 0);
	cr_assert_eq(c->wires[0].inner, 3);
	cr_assert_eq(c->wires[1].outer, 2);
	cr_assert_eq(c->wires[1].inner, 1);
	cr_assert_eq(c->ports[0].role, HF_ROLE_WORKLOAD);
	cr_assert_str_eq(c->ports[2].profile, "/etc/h/p/x.yaml");
	cr_assert_eq(c->ports[2].n_queues, 4);
	hf_config_free(c);
}

/* The other side of an uplink is the kernel's own, and in whatever order the keys stand. */
Test(config, fallback_kernel_needs_uplinks_only)
{
	struct hf_config *c = read_ok(HEAD POLICY
		"  ports:\n    - {name: eth0, role: uplink, devargs: net_null0, fail-mode: open}\n"
		"  fallback: kernel\n");

	cr_assert(c->kernel_fallback);
	cr_assert_eq(c->n_wires, 1);
	cr_assert_eq(c->wires[0].inner, HF_CONF_NO_PORT);
	cr_assert_eq(c->ports[0].fail_mode, HF_FAIL_OPEN);
	hf_config_free(c);
}

Test(config, wrong_input_is_refused_with_its_place)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", "c.yaml:1:1: the file is empty"},
		{"[]\n", "c.yaml:1:1: the file must be a mapping"},
		{HEAD POLICY PORTS "---\n{}\n", "c.yaml:9:1: a configuration is one document"},
		{"kind: Config\nspec: {}\n", "c.yaml:2:7: spec lacks 'policy'"},
		{"apiVersion: v1\n", "c.yaml:1:13: apiVersion must be one of: hepflow/v1"},
		{"apiVersion: hepflow/v1\nkind: Pod\n", "c.yaml:2:7: kind must be one of: Config"},
		{"apiVersion: hepflow/v1\nkind: Config\n", "c.yaml:1:1: the file lacks 'spec'"},
		{HEAD POLICY PORTS "extra: 1\n", "c.yaml:8:1: unknown key 'extra' in the file"},
		{HEAD POLICY PORTS "  pool: busy\n", "c.yaml:8:3: unknown key 'pool' in spec"},
		{HEAD PORTS, "c.yaml:4:3: spec lacks 'policy'"},
		{HEAD POLICY, "c.yaml:4:3: spec lacks 'ports'"},
		{HEAD "  policy: a.yaml\n" PORTS, "c.yaml:4:11: policy must be a list"},
		{HEAD "  policy: []\n" PORTS, "c.yaml:4:11: policy must not be empty"},
		{HEAD "  policy: [[a]]\n" PORTS, "c.yaml:4:12: a policy path must be a text"},
		{HEAD "  policy: [\"a\\n\"]\n" PORTS,
			"c.yaml:4:12: a policy path holds a control character"},
		{HEAD POLICY PORTS "  fallback: kernel\n",
			"c.yaml:7:7: port eth0: with fallback kernel there are uplinks only: the "
			"other interfaces stay the kernel's"},
		{HEAD POLICY PORTS "  fallback: none\n",
			"c.yaml:8:13: fallback must be one of: software, kernel"},
		{HEAD POLICY PORTS "  rundir: run\n",
			"c.yaml:8:11: rundir must be an absolute path"},
		{HEAD POLICY PORTS "  rundir: /0123456789012345678901234567890123456789012345678901"
				   "23456789012345678901234567890123456789\n",
			"c.yaml:8:11: rundir is too long for the path of a socket"},
		{HEAD POLICY PORTS "  eal: [{}]\n", "c.yaml:8:9: an EAL argument must be a text"},
		{HEAD POLICY PORTS "  calicoVersion: new\n",
			"c.yaml:8:18: calicoVersion must be like v3.30"},
		{HEAD POLICY PORTS "  calicoVersion: v3.30x\n",
			"c.yaml:8:18: calicoVersion must be like v3.30"},
		{HEAD POLICY PORTS "  connections: {max: 10}\n",
			"c.yaml:8:22: max must be a number from 1024 to 16777216"},
		{HEAD POLICY PORTS "  connections: {timeouts: {udp: 0}}\n",
			"c.yaml:8:33: udp must be a number of seconds from 1 to 2592000"},
		{HEAD POLICY PORTS "  connections: {timeouts: {upd: 5}}\n",
			"c.yaml:8:28: unknown key 'upd' in timeouts"},
		{HEAD POLICY PORTS "  connections: {offload: {max: 5}}\n",
			"c.yaml:8:26: offload lacks 'after'"},
		{HEAD POLICY PORTS "  connections: {offload: {after: 0}}\n",
			"c.yaml:8:34: after must be a number from 1 to 1000000"},
		{HEAD POLICY PORTS "  connections: {offload: {after: 1, max: 9999999}}\n",
			"c.yaml:8:42: max must be a number from 1 to 1048576"},
		{HEAD POLICY PORTS "  connections: {offload: {after: 1, idle: 90000}}\n",
			"c.yaml:8:43: idle must be a number from 1 to 86400"},
		{HEAD POLICY PORTS "  connections: {offload: {after: 1, age: 3}}\n",
			"c.yaml:8:37: unknown key 'age' in offload"},
		{HEAD POLICY PORTS "  services: {ambiguous: maybe}\n",
			"c.yaml:8:25: ambiguous must be one of: recheck, translate, drop"},
		{HEAD POLICY PORTS "  connections: {reclassify: true}\n",
			"c.yaml:8:29: reclassify must be one of: off, deny-only, all"},
		{HEAD POLICY PORTS "  connections: {min: 10}\n",
			"c.yaml:8:17: unknown key 'min' in connections"},
		{HEAD POLICY PORTS "  telemetry: 1\n",
			"c.yaml:8:14: telemetry must be true or false"},
		{HEAD POLICY PORTS "  strict-invalid: 1\n",
			"c.yaml:8:19: strict-invalid must be true or false"},
		{HEAD POLICY PORTS "  workers: 17\n",
			"c.yaml:8:12: workers must be a number from 1 to 16"},
		{HEAD POLICY PORTS "  workers: 2\n", "c.yaml:8:12: workers must be at most 1: an "
						     "interface belongs to one worker"},
		{HEAD POLICY PORTS "  poll: lazy\n",
			"c.yaml:8:9: poll must be one of: busy, adaptive"},
		{HEAD POLICY "  ports: {}\n", "c.yaml:5:10: ports must be a list"},
		{HEAD POLICY "  ports:\n" PORT_UPLINK,
			"c.yaml:6:7: port eth0: there is no port of role host for it"},
		{HEAD POLICY "  ports: []\n", "c.yaml:5:10: ports must not be empty"},
		{HEAD POLICY PORTS
			"    - {name: a, role: host, devargs: net_null2, fail-mode: open}\n",
			"c.yaml:8:7: port a: only an uplink has a fail-mode"},
		{HEAD POLICY PORTS
			"    - {name: a, role: uplink, devargs: net_null2, fail-mode: static}\n",
			"c.yaml:8:62: fail-mode must be one of: any, open, closed"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(cases[i].text, cases[i].want);
}

Test(config, wrong_ports_are_refused_with_their_place)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{HEAD POLICY PORTS "    - {role: host, devargs: net_null2}\n",
			"c.yaml:8:7: a port lacks 'name'"},
		{HEAD POLICY PORTS "    - {name: a, role: nic, devargs: net_null2}\n",
			"c.yaml:8:23: role must be one of: uplink, workload, host"},
		{HEAD POLICY PORTS "    - {name: a, role: host, devargs: eth1}\n",
			"c.yaml:8:38: devargs must begin with a virtual device (net_...) or a PCI "
			"address (0000:03:00.0)"},
		{HEAD POLICY PORTS "    - {name: a/b, role: host, devargs: net_null2}\n",
			"c.yaml:8:14: 'a/b' cannot be the name of an interface"},
		{HEAD POLICY PORTS "    - {name: a, role: host, devargs: net_null2, mtu: 1}\n",
			"c.yaml:8:49: unknown key 'mtu' in a port"},
		{HEAD POLICY PORTS "    - {name: a, role: host, devargs: net_null2, queues: 0}\n",
			"c.yaml:8:57: queues must be a number from 1 to 16"},
		{HEAD POLICY PORTS
			"    - {name: a, role: host, devargs: net_null2, profile: none}\n",
			"c.yaml:8:7: port a: only an uplink has a profile"},
		{HEAD POLICY PORTS "    - {name: a, role: host, devargs: net_null2}\n",
			"c.yaml:8:7: port a: there is no port of role uplink or workload for it"},
		{HEAD POLICY PORTS "    - {name: a, role: workload, devargs: net_null2}\n",
			"c.yaml:8:7: port a: there is no port of role host for it"},
		{HEAD POLICY PORTS "    - {name: eth0, role: workload, devargs: net_null2}\n",
			"c.yaml:8:7: port eth0: another outer side of this interface is at 6:7"},
		{HEAD POLICY PORTS "    - {name: eth0, role: host, devargs: net_null2}\n",
			"c.yaml:8:7: port eth0: another host side of this interface is at 7:7"},
		{HEAD POLICY PORTS "    - {name: a, role: host, devargs: \"net_null1,copy=1\"}\n",
			"c.yaml:8:7: port a: device net_null1 is already used at 7:7"},
		{HEAD POLICY PORTS "  changes: {stuck: no}\n",
			"c.yaml:8:20: stuck must be one of: wait, restart"},
		{HEAD POLICY PORTS
			"    - {name: a, role: host, devargs: net_null2, eswitch: true}\n",
			"c.yaml:8:7: port a: only an uplink has an eswitch"},
		{HEAD POLICY PORTS
			"    - {name: a, role: uplink, devargs: net_null2, eswitch: 2}\n",
			"c.yaml:8:60: eswitch must be true or false"},
		{HEAD POLICY "  fallback: kernel\n  ports:\n"
			     "    - {name: a, role: uplink, devargs: net_null2, eswitch: true}\n",
			"c.yaml:7:60: port a: eswitch needs fallback software"},
		{HEAD POLICY PORTS "    - {name: a, role: uplink, devargs: net_null2, "
				   "reserve-queues: some}\n",
			"c.yaml:8:67: reserve-queues must be true or false"},
		{HEAD POLICY PORTS "    - {name: a, role: host, devargs: net_null2, "
				   "reserve-queues: true}\n",
			"c.yaml:8:7: port a: only an uplink has reserved queues"},
		{HEAD POLICY "  fallback: kernel\n  ports:\n"
			     "    - {name: a, role: uplink, devargs: net_null2, "
			     "reserve-queues: true}\n",
			"c.yaml:7:67: port a: reserve-queues needs fallback software, and no "
			"eswitch"},
		{HEAD POLICY "  ports:\n" CARD("a", "uplink", ",representor=[0,1]") CARD("a",
			 "host", ",representor=[0,1]") CARD("b", "workload", ",representor=[0,1]"),
			"c.yaml:8:7: port b: device 0000:03:00.0 is already used at 7:7"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(cases[i].text, cases[i].want);
}

Test(config, missing_file_is_an_error)
{
	struct hf_config *c;
	struct hf_err err = {0};

	cr_assert_eq(hf_config_read("/nonexistent/c.yaml", &c, &err), -ENOENT);
	cr_assert_str_eq(err.text, "/nonexistent/c.yaml: No such file or directory");
}

/* As ovs-vswitchd has them: ports of one card, by its address and which representor it is. */
Test(config, ports_of_one_card)
{
	static const char text[] = HEAD POLICY
		"  ports:\n"
		"    - {name: a, role: uplink, eswitch: true, devargs: "
		"\"0000:03:00.0,dv_flow_en=1,representor=[0-1]\"}\n" CARD(
			"a", "host", ",representor=[0]") CARD("b", "workload",
			",representor=[1]") "    - {name: b, role: host, devargs: "
					    "\"net_vnic2,switch=1,representor=0,x=y\"}\n";
	struct hf_config *c;
	struct hf_eswitch e;
	struct hf_err err = {0};

	cr_assert_eq(
		hf_config_read_text("c.yaml", text, strlen(text), &c, &err), 0, "%s", err.text);
	cr_expect(c->ports[0].eswitch);
	cr_expect_not(c->ports[0].representor);
	cr_expect(c->ports[1].representor);
	cr_expect(c->ports[3].representor);
	e = hf_config_eswitch(c, 0);
	cr_expect(e.on);
	cr_expect_eq(e.wire, 0);
	cr_expect_eq(e.host, 1);
	e = hf_config_eswitch(c, 1);
	cr_expect_not(e.on);
	hf_config_free(c);
}
