#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# flowgen validate: testpmd takes all rules of all golden cases and of policies as they are used
# (policies/), and the packets fare as the reference says; what is refused, or goes wrong, is seen.
# By default some profiles get all of it and the others, but for mere copies, a share; with
# HF_PROFILES=all everything is tried on every profile.
. "$(dirname "$0")/lib.sh"

export HEPFLOW_VNIC=$plugin

policies=$(cd "$(dirname "$0")/policies" && pwd)

# one CASE PROFILE: the two lines of the sum, or what went wrong
one() {
	local args=() name=${1##*/} packets=$1/packets.txt
	[ ! -f "$1/args" ] || read -ra args <"$1/args"
	[ -f "$packets" ] || packets=$1/../packets.txt
	sed 's/ => .*//' "$packets" >"$work/$name.$2.txt"
	# Options may name files of the case.
	(cd "$1" && "$flowgen" validate -q "${args[@]}" -p "$2" --packets "$work/$name.$2.txt" policy.yaml) ||
		echo "$name on $2: exit code $?"
}
export -f one
export flowgen work

whole=' mlx5-cx6dx i40e-x710 ixgbe-x540 none '
names=$(basename -s .yaml "$shipped"/*.yaml)
n=0
for profile in $names; do
	n=$((n + 1))
	share=0
	if [ "${HF_PROFILES:-}" = all ] || [[ $whole == *" $profile "* ]]; then
		share=1
	elif ! grep -q '^like:' "$shipped/$profile.yaml" || grep -q '^without:' "$shipped/$profile.yaml"; then
		share=16
	fi
	[ $share -gt 0 ] || continue
	i=$n
	for case in "$cases"/*/ "$policies"/*/; do
		i=$((i + 1))
		[ $((i % share)) -ne 0 ] || echo "${case%/} $profile"
	done
done >"$work/jobs"
xargs -P 2 -L 1 bash -c 'one "$0" "$1"' <"$work/jobs" >"$work/out" 2>&1

grep -vE '^[^ ]+ on [a-z0-9-]+: [0-9]+ rules, ([0-9]+) accepted, 0 rejected, 0 installed otherwise$|^[0-9]+ packets: .* 0 wrong; ' \
	"$work/out" && exit 1
awk -v jobs="$(wc -l <"$work/jobs")" -v cases="$(ls -d "$cases"/*/ "$policies"/*/ | wc -l)" '
	/ rules, / { runs++; ran[$3]++; rules[$3] += $4; if ($4 != $6) bad = 1 }
	/ packets: / { packets += $1; allowed += $3; denied += $5; punted += $7 }
	END {
		printf "%d runs, %d packets: %d allowed, %d denied, %d punted\n", runs, packets,
			allowed, denied, punted
		for (p in rules)
			print p " " ran[p] " runs, " rules[p] " rules"
		# A NIC that decides nothing would be right too.
		exit bad || runs != jobs || packets < 1500 || allowed < 300 || denied < 100 ||
			ran["mlx5-cx6dx:"] != cases || rules["mlx5-cx6dx:"] < 4000 ||
			rules["i40e-x710:"] < 1000
	}' "$work/out"

# run CODE ARGUMENT...
run() {
	call "$1" "$flowgen" validate -q "${@:2}"
}

policy=$cases/deny-3000/policy.yaml
packets=$work/deny-3000.none.txt

# Another device than planned for refuses; a driver without flow rules refuses all.
run 1 -p mlx5-cx6dx --device net_vnic0,profile=i40e-x710 "$policy"
has "$out" $'^reject\t-22\tITEM\tInvalid IPv4 item\tclass$'
has "$out" $'^\tflow create 0 group 1 .* dst is 30001 / end actions count / queue index 0 / end$'
has "$out" '^eth0 on net_vnic0,profile=i40e-x710: [0-9]+ rules, 0 accepted, '
run 1 -p mlx5-cx6dx --device net_null0 "$policy"
has "$out" $'^reject\t-38\tUNSPECIFIED\tFunction not implemented\troot$'
run 0 -p mlx5-cx6dx --device net_vnic0,profile=mlx5-cx5 "$policy"
has "$out" ', 0 rejected, '

# Rule by rule, and for programs.
"$flowgen" validate -p i40e-x710 "$policy" >"$work/out" 2>"$work/err"
has "$(cat "$work/out")" $'^accept\tforward-default$'
run 1 -p mlx5-cx6dx --device net_vnic0,profile=i40e-x710 --format json "$policy"
python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
assert d["schema"] == 1 and d["nic"] == "mlx5-cx6dx" and d["port"] == "net_vnic0,profile=i40e-x710"
assert d["rejected"] == len(d["rules"]) > 50 and d["accepted"] == 0 and "packets" not in d
assert ("reject", -22, "ITEM", "Invalid IPv4 item") in [
	(r["result"], r["errno"], r["type"], r["message"]) for r in d["rules"] if r["origin"] == "class"]
' "$work/out"
run 0 -p mlx5-cx6dx-hws --packets "$packets" --format json "$policy"
python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
assert d["rejected"] == d["wrong"] == 0 and len(d["packets"]) > 10 and d["left_out"] > 0
assert {p["nic"] for p in d["packets"]} == {"allow", "deny", "punt"}' "$work/out"
run 1 -p mlx5-cx6dx --device net_vnic0,profile=i40e-x710 --format junit "$policy"
python3 -c 'import sys, xml.etree.ElementTree as e
s = e.parse(sys.argv[1]).getroot()[0]
assert s.get("tests") == s.get("failures") == str(len(s)) and len(s) > 50
assert s[0].find("failure").get("type") == "reject"' "$work/out"

# A NIC that lets pass what it should drop, or drops what it should not; a testpmd of another mind.
mkdir "$work/bin"
real=$(command -v dpdk-testpmd)
fake() {
	printf '#!/bin/bash\nsed -u "%s" | "%s" "$@"\n' "$1" "$real" >"$work/bin/dpdk-testpmd"
	chmod +x "$work/bin/dpdk-testpmd"
}
fake 's|count / drop /|count / queue index 0 / mark id 1 /|'
PATH=$work/bin:$PATH run 1 -p mlx5-cx6dx --packets "$packets" "$policy"
has "$out" $'^wrong\tNIC allow, plan deny, reference deny\t'"$packets:[0-9]+\$"
has "$out" $'^\tin=eth0 .*dport=3000$'
fake 's~passthru / mark id 1 /~drop /~'
PATH=$work/bin:$PATH run 1 -p i40e-x710 --packets "$packets" "$policy"
has "$out" $'^wrong\tNIC deny, plan allow, reference allow\t'
fake 's|dst is 10.65.0.2|dst spec 10.65.0.0 dst mask 255.255.0.0|'
PATH=$work/bin:$PATH run 1 -p i40e-x710 "$policy"
has "$out" $'^danger\tipv4.dst is not matched as asked\t'
fake 's|^flow create.* actions.*|flow create nonsense|'
PATH=$work/bin:$PATH run 1 -p i40e-x710 "$policy"
has "$out" $'^bad\tBad arguments\t'

# What no NIC sees is left out, and said so.
cat >"$work/hidden" <<'END'
in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport=22 ct=invalid
in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport=22 dnat=10.65.0.2:80
src=192.0.2.10 dst=198.51.100.7 proto=tcp dport=22
in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport=22
END
run 0 -p mlx5-cx6dx --packets - "$policy" <"$work/hidden"
has "$out" '^1 packets: 1 allowed, 0 denied, 0 punted, 0 wrong; left out: 1 that do not arrive there, 2 '

# Wrong use and bad input: exit code 2 and nothing on standard output.
refused() {
	local text=$1
	shift
	run 2 "$@"
	[ -z "$out" ] || has "" "$out"
	has "$err" "$text"
}
refused 'needs a NIC profile' "$policy"
refused "no NIC profile 'nothing'" -p nothing "$policy"
refused 'no policy file given' -p none
refused "has no format 'xml'" -p none --format xml "$policy"
refused 'not for --device' -p none --device net_null0 --packets "$packets" "$policy"
refused 'cannot be policy and packets' -p none --packets - -
printf '# one\nin=eth0 src=198.51.100.7 port=1\n' >"$work/broken"
refused "^flowgen: $work/broken:2:[0-9]+: " -p none --packets "$work/broken" "$policy"
refused "does not start" -p none --device net_nothing0 "$policy"
mkdir "$work/few"
ln -s "$(command -v cat)" "$(command -v grep)" "$work/few/"
PATH=$work/few refused 'dpdk-testpmd is not installed' -p none "$policy"
