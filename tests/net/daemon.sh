#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# hepflowd between two network namespaces, with real ping and TCP: "out" is the network, "host" the
# kernel that the uplink belongs to. The daemon's own namespace stands for the NIC: veth up0 is its
# plug, veth hs0 its end towards the kernel.
#
#   out: eth0 192.0.2.1 <-> up0 [hepflowd] hs0 <-> eth0 192.0.2.10 :host
#   pod: eth0 10.65.0.2 <-> pd1 [hepflowd] hs1 <-> cali1           :host    (run_pod only)
#
# Once without offload, and once with the virtual SmartNIC where it was built. Needs root. Nothing
# outside of the script's own mount and network namespaces is touched.

set -euo pipefail
export LC_ALL=C

skip() {
	echo "SKIP: $1"
	exit 77
}

build=${HF_BUILD:?is not set}
daemon=$build/driver/daemon/hepflowd
ctl=$build/driver/ctl/hepflowctl

if [ "${1:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || skip "needs root"
	for tool in ip unshare ethtool ping python3; do
		command -v $tool >/dev/null || skip "$tool is not installed"
	done
	unshare -m -n true 2>/dev/null || skip "no namespaces here"
	exec unshare -m -n "$0" inside
fi

deadline=20 # seconds that any one thing may take
tmp=$(mktemp -d)
pids=()
switch=() # devices of eth0, its host side, cali1, its host side; none: those of every day

finish() {
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	if [ -e "$tmp/failed" ] && [ -e "$tmp/log" ]; then
		cat "$tmp/log"
	fi
	rm -rf "$tmp"
}
trap finish EXIT

bad() {
	echo "FAIL: $mode: $*"
	touch "$tmp/failed" # a variable would be lost in a pipe
}

# expect NAME PATTERN: standard input has a line that fits.
expect() {
	local text
	text=$(cat)
	grep -qE -e "$2" <<<"$text" || bad "$1: no line fits '$2' in:"$'\n'"$text"
}

# wait_line FILE PATTERN PID: until the growing file has such a line.
wait_line() {
	grep -qm1 -E -e "$2" < <(timeout $deadline tail -n +1 -f --pid="$3" "$1")
}

# ends PID: the process is gone before the deadline; its exit code.
ends() {
	timeout $deadline tail -f --pid="$1" /dev/null || return 99
	wait "$1"
}

# exits CODE COMMAND...: with its output in $out.
exits() {
	local want=$1 got=0
	shift
	out=$("$@" 2>&1) || got=$?
	[ "$got" = "$want" ] || bad "$*: exit $got, not $want: $out"
}

make_net() {
	mount -t tmpfs none /run
	ip netns add out
	ip netns add host
	ip link set lo up
	sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null || true
	ip link add up0 type veth peer name eth0 netns out
	ip link add hs0 type veth peer name eth0 netns host
	ip link set up0 up
	ip link set hs0 up
	for ns in out host; do
		# What a veth sends has no checksums yet, as it would have none on its way to a NIC.
		ip netns exec $ns ethtool -K eth0 tx off >/dev/null
		ip -n $ns link set lo up
		ip -n $ns link set eth0 up
	done
	ip -n out addr add 192.0.2.1/24 dev eth0
	ip -n host addr add 192.0.2.10/24 dev eth0
}

write_policy() {
	cat >"$tmp/policy.yaml" <<-END
	apiVersion: hepflow/v1
	kind: HostFacts
	metadata: {name: n0}
	spec:
	  interfaces:
	    - {name: eth0, addresses: [192.0.2.10/24]}
	---
	apiVersion: projectcalico.org/v3
	kind: HostEndpoint
	metadata: {name: eth0, labels: {host: eth0}}
	spec: {node: n0, interfaceName: eth0}
	---
	apiVersion: projectcalico.org/v3
	kind: GlobalNetworkPolicy
	metadata: {name: web}
	spec:
	  selector: has(host)
	  types: [Ingress, Egress]
	  ingress:
	    - {action: Deny, protocol: TCP, destination: {ports: [3000]}}
	    - {action: Allow, protocol: TCP, destination: {ports: [$1]}}
	    - {action: Allow, protocol: ICMP}
	  egress:
	    - {action: Allow}
	END
}

# write_config DEVARGS PROFILE
write_config() {
	cat >"$tmp/hepflow.yaml" <<-END
	apiVersion: hepflow/v1
	kind: Config
	spec:
	  policy: [policy.yaml]
	  rundir: $tmp/run
	  poll: adaptive
	  watch: false
	  eal: [--no-huge, --no-pci, -m, "256"]
	  ports:
	    - {name: eth0, role: uplink, devargs: "$1", profile: $2}
	    - {name: eth0, role: host, devargs: "${switch[1]:-net_af_packet1,iface=hs0}"}
	END
}

start() {
	: >"$tmp/log" # or the last daemon's lines would do
	"$daemon" --config "$tmp/hepflow.yaml" 2>"$tmp/log" &
	pid=$!
	pids+=($pid)
	wait_line "$tmp/log" 'main: ready' $pid || {
		bad "does not start"
		exit 1
	}
	sock=$tmp/run/hepflowd.$pid.ctl
}

ask() {
	HEPFLOW_RUNDIR=$tmp/run "$ctl" "$@"
}

# serve NAMESPACE ADDRESS PORT...: every port answers "ok". Ready when the line is there.
serve() {
	local ns=$1
	shift
	: >"$tmp/serve.log"
	ip netns exec "$ns" python3 - "$@" >"$tmp/serve.log" <<-'END' &
	import selectors, socket, sys
	sel = selectors.DefaultSelector()
	for port in sys.argv[2:]:
	    s = socket.create_server((sys.argv[1], int(port)))
	    sel.register(s, selectors.EVENT_READ)
	print('serving', flush=True)
	while True:
	    for key, _ in sel.select():
	        c, _ = key.fileobj.accept()
	        c.sendall(b'ok')
	        c.close()
	END
	pids+=($!)
	wait_line "$tmp/serve.log" serving $!
}

# get PORT [ADDRESS [NAMESPACE]]: what the server says, or the error.
get() {
	ip netns exec "${3:-out}" python3 - "$1" "${2:-192.0.2.10}" <<-'END'
	import socket, sys
	try:
	    s = socket.create_connection((sys.argv[2], int(sys.argv[1])), timeout=2)
	    print(s.recv(10).decode())
	except OSError as e:
	    print(type(e).__name__)
	END
}

allowed() {
	[ "$(get "$@")" = ok ] || bad "port $* should be open"
}

denied() {
	[ "$(get "$@")" = TimeoutError ] || bad "port $* should be closed"
}

traffic() {
	ip netns exec out ping -qc3 -i0.2 -W2 192.0.2.10 >/dev/null || bad "ping"
	# Replies come in because the host asked, not because of a rule.
	ip netns exec host ping -qc1 -W2 192.0.2.1 >/dev/null || bad "ping from the host"
	allowed 8000
	denied 8001
	denied 3000
}

commands() {
	ask list-commands | expect list-commands '^  flow/dump +\[-m\]'
	ask version | expect version '^hepflowd \(hepflow\) [0-9]'
	ask status | expect status '^generation: 1, applied '
	ask --format json status | python3 -c 'import json,sys; s = json.load(sys.stdin)
assert s["schema"] == 1 and s["generation"] == 1 and s["error"] is None, s' || bad "status as JSON"
	ask port/list | expect port/list '^eth0 +uplink +[0-9]+ net_'
	ask policy/dump | expect policy/dump '^default/gnp:web/ingress/1 '
	ask counters | expect counters '^  established +pass +[1-9]'
	ask conntrack/dump | expect conntrack/dump '^tcp,orig=\(src=192.0.2.1,dst=192.0.2.10,'
	ask plan | expect plan '^no changes$'
	ask plan/show | expect plan/show '^plan eth0 on '
	ask offload/stats-show | expect offload/stats-show '^   Total +Inserted offloads: +[0-9]+$'
	ask explain in=eth0 src=192.0.2.1 dst=192.0.2.10 proto=tcp dport=3000 |
		expect explain '^verdict: deny$'
	ask flow/dump | expect flow/dump '^flow-dump from the main thread:$'
	exits 2 ask flow/dump type=bogus
	expect 'bad type' '^Failed to parse type \(bogus\) \(Invalid argument\)$' <<<"$out"
	expect 'bad type' '^hepflowctl: hepflowd: server returned an error$' <<<"$out"
	exits 2 ask bogus
	expect 'bad command' '^"bogus" is not a valid command \(use "list-commands" to see a list of valid commands\)$' <<<"$out"
	exits 2 ask explain
	expect 'no argument' '^"explain" command requires at least 1 arguments$' <<<"$out"
	exits 2 ask version more
	expect 'too many' '^"version" command takes at most 0 arguments$' <<<"$out"
	exits 1 "$ctl" -t "$tmp/none.ctl" version
	expect 'no socket' "^hepflowctl: cannot connect to \"$tmp/none.ctl\" \(No such file or directory\)$" <<<"$out"
	exits 1 ask -t nobody version
	expect 'no pidfile' "^hepflowctl: cannot read pidfile \"$tmp/run/nobody.pid\" \(No such file or directory\)$" <<<"$out"
	[ "$(stat -c %a "$sock")" = 600 ] || bad "the socket is not private"
	if command -v ovs-appctl >/dev/null; then
		cmp <(ovs-appctl -t "$sock" list-commands) <(ask -t "$sock" list-commands) ||
			bad "ovs-appctl sees something else"
	fi
}

# A new policy takes effect; a broken one does not, and says where it is broken.
change() {
	write_policy 8001
	ask apply | expect apply '^generation 2 in force$'
	denied 8000
	allowed 8001
	ask conntrack/dump | expect 'conntrack/dump' '^tcp,'
	ask conntrack/flush
	[ -z "$(ask conntrack/dump | grep '^tcp')" ] || bad "conntrack/flush leaves something"
	echo 'kind: [' >>"$tmp/policy.yaml"
	exits 2 ask apply
	expect 'broken policy' "policy.yaml:[0-9]+:[0-9]+: " <<<"$out"
	ask status | expect 'failed apply' '^last apply: failed .*policy.yaml:[0-9]+:[0-9]+: '
	allowed 8001
	write_policy 8000
	kill -HUP $pid
	wait_line "$tmp/log" 'generation 3 in force' $pid || bad "SIGHUP"
	allowed 8000
	ask status | expect 'apply after failure' '^last apply: ok$'
}

stop() {
	local code=0
	kill -TERM $pid
	ends $pid || code=$?
	[ $code = 0 ] || bad "SIGTERM: exit $code"
	[ ! -e "$tmp/run" ] || bad "left behind: $(ls -R "$tmp/run")"
	[ -z "$(find /run/dpdk -type f 2>/dev/null)" ] || bad "left behind: $(find /run/dpdk)"
}

# refuse WHAT PATTERN: the configuration as it is now ends in one line, exit 2, and no traces.
refuse() {
	local code=0
	timeout $deadline "$daemon" --log-level error --config "$tmp/hepflow.yaml" 2>"$tmp/err" >&2 || code=$?
	[ $code = 2 ] || bad "$1: exit $code"
	tail -n1 "$tmp/err" | expect "$1" "$2"
	[ ! -e "$tmp/run" ] || bad "$1: left behind: $(ls -R "$tmp/run")"
}

bad_input() {
	mode='bad input'
	write_policy 8000
	write_config net_af_packet0,iface=up0 none
	exits 0 "$daemon" --config "$tmp/hepflow.yaml" --check
	expect check "^$tmp/hepflow.yaml: ok$" <<<"$out"
	[ ! -e "$tmp/run" ] || bad "--check leaves something behind"
	sed 's/poll:/pool:/' -i "$tmp/hepflow.yaml"
	refuse 'unknown key' "^hepflowd: $tmp/hepflow.yaml:6:3: unknown key 'pool' in spec$"
	write_config net_af_packet0,iface=up0 nosuch
	refuse 'unknown profile' "^hepflowd: $tmp/hepflow.yaml:10:[0-9]+: port eth0: .*nosuch"
	write_config net_af_packet0,iface=nosuch none
	refuse 'bad device' "^hepflowd: $tmp/hepflow.yaml:10:[0-9]+: port eth0: net_af_packet0: "
	write_config net_af_packet0,iface=up0 none
	sed 's/policy.yaml/nosuch.yaml/' -i "$tmp/hepflow.yaml"
	refuse 'no policy' "^hepflowd: $tmp/hepflow.yaml:4:12: .*nosuch.yaml: No such file"
	write_config net_af_packet0,iface=up0 none
	echo 'kind: [' >>"$tmp/policy.yaml"
	refuse 'broken policy' "^hepflowd: $tmp/policy.yaml:[0-9]+:[0-9]+: "
	write_policy 8000
	write_config net_af_packet0,iface=up0 mlx5-cx6dx
	sed 's/metadata: {name: web}/metadata: {name: web, annotations: {hepflow\/offload: require}}/' \
		-i "$tmp/policy.yaml"
	refuse 'offload that is required' '^hepflowd: default/gnp:web/ingress/0: offload is required, but on eth0 \(profile mlx5-cx6dx\) it is not wholly in hardware: stateful-required$'
	write_policy 8000
}

run_none() {
	mode=none
	write_config net_af_packet0,iface=up0 none
	start
	traffic
	commands
	ask flow/dump -m type=offloaded | expect 'nothing offloaded' '^flow-dump'
	[ "$(ask flow/dump -m type=offloaded | wc -l)" = 1 ] || bad "something is offloaded"
	ask flow/dump -m type=non-offloaded | expect 'reason' 'policy:default/gnp:web/ingress/0, reason:no-engine'
	exits 2 timeout $deadline "$daemon" --log-level error --config "$tmp/hepflow.yaml"
	expect 'second daemon' "^hepflowd: $tmp/run/hepflowd.pid: already running as pid $pid$" <<<"$out"
	change
	stop
}

run_vnic() {
	mode=vnic
	write_config net_vnic0,profile=mlx5-cx6dx,dev=net_af_packet0,iface=up0 auto
	start
	traffic
	commands
	# Denied in the NIC: three tries of a client that gets no answer, seen by the NIC's counter.
	ask flow/dump -m type=offloaded |
		expect 'deny in hardware' 'tcp\(dst=3000\).*packets:[1-9].*offloaded:yes, dp:dpdk, policy:default/gnp:web/ingress/0, actions:drop$'
	ask policy/dump | expect 'counters of the NIC' '^default/gnp:web/ingress/0 +[1-9][0-9]* +[1-9][0-9]* +0 '
	# What policy/dump says of a rule is what the plan says of it.
	ask policy/dump | expect 'share' '^default/gnp:web/ingress/0 .* partial  stateful-required$'
	ask policy/dump | expect 'share' '^default/gnp:web/ingress/1 .* yes +$'
	ask policy/dump | expect 'share' '^default/gnp:web/egress/0 .* no       direction-egress$'
	ask explain in=eth0 src=192.0.2.1 dst=192.0.2.10 proto=tcp dport=3000 |
		expect 'explained by the NIC' '^hardware: entry [0-9]+ of eth0, .* -> deny$'
	before=$(ask offload/stats-show | awk '/Inserted/ {print $4}')
	ask apply | expect 'unchanged' '^generation 2'
	[ "$(ask offload/stats-show | awk '/Inserted/ {print $4}')" = "$before" ] ||
		bad "an unchanged policy costs NIC operations"
	kill -TERM $pid
	ends $pid || bad "SIGTERM"
	start
	change
	stop
	expect 'rules at the end' 'offload: eth0: 0 rules left in the NIC' <"$tmp/log"
}

# The profile promises more than the NIC takes: software does it all, and says so.
run_reject() {
	mode=reject
	# Signals are not lost, and end the daemon properly, however early they come.
	write_config net_af_packet0,iface=up0 none
	"$daemon" --config "$tmp/hepflow.yaml" 2>"$tmp/log" &
	pid=$!
	pids+=($pid)
	timeout $deadline bash -c "until [ -s $tmp/run/hepflowd.pid ]; do read -rt 0.01 <> <(:); done; :"
	stop
	write_config net_vnic0,profile=ixgbe-82599,dev=net_af_packet0,iface=up0 mlx5-cx6dx
	start
	traffic
	expect 'loud' '\|error\|offload: eth0: not offloaded, .*: pmd-reject:entry 0 \(failsafe\): ' <"$tmp/log"
	ask status | expect status '^    not offloaded: pmd-reject:entry 0 \(failsafe\): [A-Z][a-z ]+: type [0-9]+: '
	ask status | expect status ' offloaded 0/[0-9]+ rules \(0 in part\), 0 entries in the NIC$'
	ask flow/dump | expect 'reason' 'policy:default/gnp:web/ingress/0, reason:pmd-reject:entry 0 '
	ask offload/stats-show | expect 'stats' 'Rejected by PMD: +[1-9]'
	ask explain in=eth0 src=192.0.2.1 dst=192.0.2.10 proto=tcp dport=3000 |
		expect 'explain' '^software: pmd-reject:entry 0 '
	stop
}

make_pod() {
	ip netns add pod
	ip link add pd1 type veth peer name eth0 netns pod
	ip link add hs1 type veth peer name cali1 netns host
	ip link set pd1 up
	ip link set hs1 up
	ip netns exec pod ethtool -K eth0 tx off >/dev/null
	ip netns exec host ethtool -K cali1 tx off >/dev/null
	ip -n pod link set lo up
	ip -n pod link set eth0 up
	ip -n host link set cali1 up
	# As Calico lays it: the pod's gateway is nobody's address, and the host answers for it.
	ip -n pod addr add 10.65.0.2/32 dev eth0
	ip -n pod route add 169.254.1.1 dev eth0 scope link
	ip -n pod route add default via 169.254.1.1
	ip -n host route add 10.65.0.2 dev cali1
	ip -n host route add default via 192.0.2.1 # it only answers for what it has a route to
	ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.cali1.proxy_arp=1 \
		net.ipv4.neigh.cali1.proxy_delay=0
	ip -n out route add 10.65.0.0/24 via 192.0.2.10
}

# Two wires: what is forwarded to the pod is judged by applyOnForward policy on the uplink, and
# what is terminated as before.
run_pod() {
	mode="pod, $2"
	write_policy 8000
	cat >>"$tmp/policy.yaml" <<-END
	---
	apiVersion: projectcalico.org/v3
	kind: WorkloadEndpoint
	metadata: {name: n0-k8s-web-eth0, namespace: default, labels: {app: web}}
	spec:
	  node: n0
	  orchestrator: k8s
	  pod: web
	  endpoint: eth0
	  interfaceName: cali1
	  ipNetworks: [10.65.0.2/32]
	  profiles: [projectcalico-default-allow]
	---
	apiVersion: projectcalico.org/v3
	kind: GlobalNetworkPolicy
	metadata: {name: aof}
	spec:
	  selector: has(host)
	  order: 10
	  applyOnForward: true
	  types: [Ingress]
	  ingress:
	    - {action: Deny, protocol: TCP, destination: {nets: [10.65.0.0/24], ports: [3000]}}
	    - {action: Allow, destination: {nets: [10.65.0.0/24]}}
	END
	write_config "$1" "$2"
	cat >>"$tmp/hepflow.yaml" <<-END
	    - {name: cali1, role: workload, devargs: "${switch[2]:-net_af_packet2,iface=pd1}"}
	    - {name: cali1, role: host, devargs: "${switch[3]:-net_af_packet3,iface=hs1}"}
	END
	start
	traffic
	allowed 8000 10.65.0.2
	denied 3000 10.65.0.2
	allowed 8000 10.65.0.2 host
	ip netns exec pod ping -qc1 -W2 192.0.2.1 >/dev/null || bad "ping from the pod"
	ask status | expect status '^  cali1: role workload, wire net_'
	ask explain in=eth0 src=192.0.2.1 dst=10.65.0.2 proto=tcp dport=3000 |
		expect explain '^origin: default/gnp:aof/ingress/0$'
	stop
}

# Every port is one of an e-switch: the wire's, and representors of the functions that host and pod
# have. Packets go through hepflowd between them, and the wire's port is programmed as any uplink.
run_switch() {
	local i=0 side
	local devices=(up0 hs0 pd1 hs1)
	switch=()
	for side in "${devices[@]}"; do
		switch+=("net_vnic$i,profile=mlx5-cx6dx-esw,switch=1,$([ $i = 0 ] || echo "representor=$((i - 1)),")dev=net_af_packet$i,iface=$side,qpairs=2")
		i=$((i + 1))
	done
	run_pod "${switch[0]}" auto
	switch=()
}

# A host endpoint of all interfaces judges as one of its own.
run_star() {
	mode=star
	write_policy 8000
	sed 's/metadata: {name: eth0, /metadata: {name: all, /; s/interfaceName: eth0/interfaceName: "*"/' -i "$tmp/policy.yaml"
	write_config "$1" "$2"
	start
	allowed 8000
	denied 3000
	ask verify | expect verify '^eth0 on .*: proven$'
	ask policy/dump | expect policy/dump '^default/gnp:web/ingress/0 '
	stop
}

mode=set-up
make_net
serve host 192.0.2.10 3000 8000 8001
bad_input
run_none
make_pod
serve pod 10.65.0.2 3000 8000
run_pod net_af_packet0,iface=up0 none
if [ -e "$build/driver/librte_net_vnic.so" ]; then
	run_vnic
	run_reject
	run_pod net_vnic0,profile=mlx5-cx6dx,dev=net_af_packet0,iface=up0 auto
	run_switch
	run_star net_vnic0,profile=mlx5-cx6dx,dev=net_af_packet0,iface=up0 auto
	run_star net_vnic0,profile=mlx5-cx7-hws,dev=net_af_packet0,iface=up0 auto
else
	echo "note: the virtual SmartNIC is not built; only the run without offload was made"
fi
[ ! -e "$tmp/failed" ] || exit 1
echo ok
