#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What scripts rely on in the flowgen command beyond verdicts: exit codes, what goes to which
# output, and the forms of packets on the command line.

set -uo pipefail
. "$(dirname "$0")/../lib/script.sh"
policy=$cases/deny-3000/policy.yaml
packet='in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport=3000'
verdict=$(printf 'deny\tuplink->host\tdefault/gnp:deny-3000/ingress/0')

# check NAME EXIT STDOUT STDERR-PATTERN ARG...: STDOUT '*' is anything, STDERR-PATTERN '' is nothing
check() {
	local name=$1 code=$2 out=$3 err=$4 got

	shift 4
	"$flowgen" "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	[ "$got" -eq "$code" ] || fail "$name: exit $got, not $code: $(cat "$work/err")"
	[ "$out" = '*' ] || [ "$(cat "$work/out")" = "$out" ] || fail "$name: stdout: $(cat "$work/out")"
	if [ -z "$err" ]; then
		[ ! -s "$work/err" ] || fail "$name: stderr: $(cat "$work/err")"
	else
		grep -qE "$err" "$work/err" || fail "$name: stderr: $(cat "$work/err")"
		[ "$code" -eq 0 ] || [ "$(wc -l <"$work/err")" -eq 1 ] || fail "$name: not one line"
	fi
}

hint='\(see flowgen --help\)$'
check 'no verb' 2 '' "no verb given $hint"
check 'unknown verb' 2 '' "unknown verb 'evil' $hint" evil
check 'unknown option' 2 '' "unknown option '--colour' $hint" eval --colour "$policy"
check 'no value' 2 '' "option --node needs a value \(NODE\) $hint" eval "$policy" -n
check 'no file' 2 '' "eval: no policy file given $hint" eval "$packet"
check 'no packet' 2 '' "eval: no packet given $hint" eval "$policy"
check 'input twice' 2 '' "eval: standard input cannot be policy and packets $hint" \
	eval --packets - - "$packet"
check 'input twice' 2 '' "eval: standard input cannot be policy and packets $hint" \
	eval --packets - --host - "$policy"
check 'explain no packet' 2 '' "explain: the last argument must be a packet $hint" explain "$policy"
check 'format' 2 '' "eval has no format 'testpmd' $hint" eval --format testpmd "$policy" "$packet"
check 'model format' 2 '' "model has no format 'xml' $hint" model --format xml "$policy"
check 'release' 2 '' "'three' is not like v3.29 $hint" eval --calico-version three "$policy" "$packet"
check 'release' 2 '' "'v0.0' is not like v3.29 $hint" eval --calico-version v0.0 "$policy" "$packet"
check 'release' 2 '' "'3.29x' is not like v3.29 $hint" eval --calico-version 3.29x "$policy" "$packet"
check 'fallback' 2 '' "'nowhere' is not software or kernel $hint" model --fallback nowhere "$policy"
check 'plan of what' 2 '' "plan: needs a NIC profile \(-p\) $hint" plan "$policy"
check 'flows of what' 2 '' "flows: needs a NIC profile \(-p\) $hint" flows "$policy"
check 'check of what' 2 '' "check: needs a NIC profile \(-p\) $hint" check "$policy"
check 'check format' 2 '' "check has no format 'json' $hint" check -p none --format json "$policy"
check 'check uplink' 2 '' '^flowgen: .*eth9' check -p none -i eth9 "$policy"
check 'check pod' 2 '' "^flowgen: check: 'cali1' is a pod's interface$" check -q -p none -i cali1 "$policy"
check 'no such profile' 2 '' '^flowgen: .*no-such-nic' plan -p no-such-nic "$policy"
check 'no such uplink' 2 '' '^flowgen: .*eth9' plan -p none -i eth9 "$policy"
check 'no dot of rules' 2 '' "rules has no format 'dot' $hint" rules --format dot "$policy"
check 'absent file' 2 '' '^flowgen: absent.yaml: No such file or directory$' eval absent.yaml "$packet"
check 'node' 2 '' "^flowgen: PACKET:1:1: in: this host has no interface 'eth0'$" \
	eval -q -n n7 "$policy" "$packet"
check 'version' 0 "flowgen $(sed -n "s/^ *version: '\(.*\)',$/\1/p" "$cases/../../meson.build")" '' --version
check 'help' 0 '*' '' --help
for verb in policy model rules plan flows eval explain check; do
	grep -q "^  flowgen $verb " "$work/out" || fail "help does not show $verb"
done
check 'verb help' 0 '*' '' eval --help

check 'packet' 0 "$verdict" '' eval "$policy" "$packet"
check 'policy from standard input' 2 '' '^flowgen: ' eval -q - "$packet"
[ "$("$flowgen" eval - "$packet" <"$policy")" = "$verdict" ] || fail 'policy from standard input'
check 'packet first' 0 "$verdict" '' eval "$packet" "$policy"
check 'two packets' 0 "$verdict"$'\n'"$verdict" '' eval "$policy" "$packet" "$packet"
check 'node named' 0 "$verdict" '' eval -n n0 "$policy" "$packet"
check 'release 3.28' 0 "$verdict" '' eval --calico-version v3.28.1 "$policy" "$packet"
sed '/^apiVersion: hepflow/,/^---$/d' "$policy" >"$work/policy.yaml"
sed -n '1,/^---$/p' "$policy" >"$work/host.yaml"
check 'host facts apart' 0 "$verdict" '' eval --host "$work/host.yaml" "$work/policy.yaml" "$packet"
cp "$policy" "$work/a=b.yaml"
check 'a file with = in its name' 0 "$verdict" '' eval "$work/a=b.yaml" "$packet"
mkdir "$work/dir"
cp "$work/policy.yaml" "$work/host.yaml" "$work/dir"
check 'a folder' 0 "$verdict" '' eval "$work/dir" "$packet"

json="{\"packet\":\"$packet\",\"verdict\":\"deny\",\"path\":\"uplink->host\""
json="$json,\"origin\":\"default/gnp:deny-3000/ingress/0\"}"
check 'json' 0 "{\"schema\":1,\"results\":[
$json,
$json
]}" '' eval --format json "$policy" "$packet" "$packet"

printf '# one\n\n%s\r\n  \n%s' "$packet" "$packet" >"$work/packets"
check 'packet file' 0 "# one

$verdict
  
$verdict" '' eval --packets "$work/packets" "$policy"
[ "$("$flowgen" eval --packets - "$policy" <"$work/packets")" = "$(cat "$work/out")" ] ||
	fail 'packets from standard input'
check 'json leaves comments out' 0 "{\"schema\":1,\"results\":[
$json,
$json
]}" '' eval --format json --packets "$work/packets" "$policy"
: >"$work/none"
check 'no packet in the file' 0 '' '' eval --packets "$work/none" "$policy"
check 'no packet, json' 0 '{"schema":1,"results":[
]}' '' eval --format json --packets "$work/none" "$policy"

# A bad line: its place, and nothing on standard output although a good one came before.
printf '%s\nin=eth0 src=198.51.100.7 dst=nowhere proto=tcp\n' "$packet" >"$work/packets"
check 'bad line' 2 '' "^flowgen: $work/packets:2:26: dst: not an address$" \
	eval --packets "$work/packets" "$policy"
printf '%s\n\n  out=eth9 src=192.0.2.10 dst=198.51.100.7 proto=tcp\n' "$packet" >"$work/packets"
check 'bad interface' 2 '' "^flowgen: $work/packets:3:3: out: this host has no interface 'eth9'$" \
	eval --packets "$work/packets" "$policy"
check 'bad argument' 2 '' "^flowgen: PACKET:2:1: in: this host has no interface 'eth9'$" \
	eval "$policy" "$packet" 'in=eth9 src=192.0.2.1 dst=192.0.2.10 proto=tcp'
check 'bad explain' 2 '' "^flowgen: PACKET:1:9: in: this host has no interface 'eth9'$" \
	explain "$policy" 'src=::1 in=eth9 dst=::2 proto=tcp'
printf '%s\0\n' "$packet" >"$work/packets"
check 'NUL' 2 '' "^flowgen: $work/packets:1:1: NUL" eval --packets "$work/packets" "$policy"
head -c 5000 /dev/zero | tr '\0' x >"$work/packets"
check 'long line' 2 '' "^flowgen: $work/packets:1:1: line too long$" \
	eval --packets "$work/packets" "$policy"
check 'absent packets' 2 '' "^flowgen: $work/no: No such file" eval --packets "$work/no" "$policy"
check 'folder of packets' 2 '' "^flowgen: $work: Is a directory" eval --packets "$work" "$policy"

# Broken policy: file:line:column, and nothing else.
sed 's/TCP/TCQ/' "$policy" >"$work/broken.yaml"
check 'broken policy' 2 '' "^flowgen: $work/broken.yaml:[0-9]+:[0-9]+: " eval "$work/broken.yaml" "$packet"

# Notes and warnings: on standard error, and silenced by -q.
{
	cat "$policy"
	printf -- '---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n'
} >"$work/noted.yaml"
check 'note' 0 "$verdict" "^note: $work/noted.yaml:.*Deployment" eval "$work/noted.yaml" "$packet"
check 'note silenced' 0 "$verdict" '' eval -q "$work/noted.yaml" "$packet"
check 'warning' 0 '*' '^warning: staged-not-enforced: ' model "$cases/staged/policy.yaml"
check 'warning silenced' 0 '*' '' model --quiet "$cases/staged/policy.yaml"

# Every stage prints, in every format it has; JSON is JSON with a schema.
nic=mlx5-cx6dx
for stage in policy model rules plan flows; do
	check "$stage" 0 '*' '' $stage -p $nic "$policy"
	[ -s "$work/out" ] || fail "$stage prints nothing"
	check "$stage json" 0 '*' '' $stage -p $nic --format json "$policy"
	python3 -c 'import json, sys; sys.exit(json.load(sys.stdin)["schema"] != 1)' <"$work/out" ||
		fail "$stage: not JSON of schema 1"
done
check 'plan dot' 0 '*' '' plan -p $nic --format dot "$policy"
grep -q '^digraph' "$work/out" || fail 'plan dot is not graphviz'
check 'flows testpmd' 0 '*' '' flows -p $nic --format testpmd "$policy"
grep -q '^flow create 0 ' "$work/out" || fail 'flows are not testpmd commands'
check 'plan of the other uplink' 0 '*' '' plan -p $nic -i eth1 "$policy"
grep -q '^plan eth1 on ' "$work/out" || fail 'plan -i'
check 'fallback kernel' 0 '*' '' plan -p $nic --fallback kernel "$policy"
grep -q 'fallback kernel' "$work/out" || fail 'plan --fallback'

# explain shows the way; its verdict is that of eval.
check 'explain' 0 '*' '' explain "$policy" "$packet"
for line in "packet: $packet" '  path: uplink->host, in by eth0' \
	'  normal ingress of hep eth0: default: gnp:deny-3000 rule 0: deny' 'verdict: deny' \
	'origin: default/gnp:deny-3000/ingress/0'; do
	grep -qxF "$line" "$work/out" || fail "explain does not say '$line': $(cat "$work/out")"
done

grep -q '^rules: deny by default/gnp:deny-3000/ingress/0, block ".*" rule 0$' "$work/out" ||
	fail "explain does not compare with the rules: $(cat "$work/out")"
hardware() {
	check "explain $1" 0 '*' '' explain -p "$1" "$policy" "$2"
	grep -q "^$3" "$work/out" || fail "explain $1: $(tail -1 "$work/out")"
}
hardware $nic "$packet" 'hardware: entry [0-9]* of eth0, table 2 "eth0 to host" priority [0-9]*: ipv4 tcp dst 3000 .* -> deny$'
hardware $nic "$packet flags=A ct=established" 'software: stateful-required; entry [0-9]* of eth0, .* -> punt$'
hardware none "$packet" 'software: no-engine; no entry of eth0 matches$'
hardware $nic 'src=192.0.2.10 dst=198.51.100.7 proto=udp dport=53' 'software: direction-egress; it does not arrive by eth0$'

# Output that cannot be written is a failure of the program, not of the user.
"$flowgen" eval "$policy" "$packet" >/dev/full 2>"$work/err"
[ $? -eq 1 ] || fail 'full device: exit code'
grep -q '^flowgen: standard output: No space left on device$' "$work/err" || fail 'full device: text'

[ "$failed" -eq 0 ] && echo "all as promised"
exit "$failed"
