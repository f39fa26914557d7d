#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# hw-profile try: an answer for each rule, in the driver's own words; nothing but one error for what
# is no rule.
. "$(dirname "$0")/lib.sh"


# run CODE ARGUMENT... <RULES
run() {
	call "$1" "$hw_profile" "${@:2}"
}

cat >"$work/rules" <<'END'
# exact, a partial mask, no drop with it, another direction
ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions drop / end

flow create 0 ingress pattern eth / ipv4 dst spec 10.0.0.0 dst mask 255.0.0.0 / end actions drop / end
  flow validate 0	ingress pattern eth / ipv4 src is 10.0.0.1 proto is 6 / tcp / end actions drop / end
transfer pattern eth / end actions drop / end
END
run 0 try i40e-x710 --rules "$work/rules"
is "$out" "# exact, a partial mask, no drop with it, another direction
accept

danger	ipv4.dst is not matched: the rule takes more packets than it says
reject	-22	ITEM	Invalid IPv4 item
reject	-22	ITEM	NULL eth spec/mask."
is "$err" ""

# By standard input; nothing of what is there already stands in the way of the next rule.
run 0 try X540-perfect <<'END'
ingress group 1 pattern eth / ipv4 dst is 10.0.0.1 / end actions drop / end
ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions drop / end
ingress pattern eth / ipv4 dst spec 10.0.0.0 dst mask 255.0.0.0 / end actions drop / end
END
is "$out" "danger	the group is not looked at: the rule is in group 0
accept
accept"

# A rejection without a message; a card without flow rules.
run 0 try mlx5-cx6dx --rules - <<<'transfer pattern eth / end actions drop / end'
is "$out" "reject	-95	UNSPECIFIED	"
run 0 try none <<<'ingress pattern eth / end actions drop / end'
is "$out" "reject	-38	UNSPECIFIED	Function not implemented"
run 0 try mlx5-cx6dx </dev/null
is "$out" ""

# A card that takes rules by templates only is asked by templates.
run 0 try mlx5-cx6dx-hws <<'END'
ingress group 1 priority 3 pattern eth / ipv4 dst is 10.0.0.1 / tcp / end actions count / drop / end
egress pattern eth / ipv4 / sctp / end actions drop / end
ingress pattern eth / ipv4 / end actions flag / queue index 0 / end
ingress pattern eth / ipv4 / tcp dst spec 1 dst last 9 dst mask 0xffff / end actions drop / end
ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions drop / end
END
is "$out" "accept
reject	-22	UNSPECIFIED	Unsupported item type
reject	-95	ACTION	action not supported in template API
danger	tcp.dst is not matched as asked
accept"
run 2 try mlx5-cx6dx-hws <<<'ingress pattern eth / nonsense / end actions drop / end'
is "$err" "stdin:1:1: Bad arguments"
run 2 try mlx5-cx6dx-hws <<<'flow flush 0'
is "$err" "stdin:1:1: Bad arguments"

# What is no rule: one error with its place, and no answers.
run 2 try mlx5-cx6dx --rules - <<<'ingress pattern eth / end actions drop / end
ingress pattern eth / nonsense / end actions drop / end'
is "$out" ""
is "$err" "stdin:2:1: Bad arguments"
printf '# one\nflow flush 0\n' >"$work/rules"
run 2 try mlx5-cx6dx --rules "$work/rules"
is "$err" "$work/rules:2:1: Bad arguments"
long="ingress pattern eth / end actions drop / $(printf '%512s' end)"
for line in 'ingress pattern ?' $'ingress pattern eth \x01' "$long"; do
	run 2 try mlx5-cx6dx <<<"$line"
	is "$err" "stdin:1:1: a command of dpdk-testpmd has 1 to 512 printable characters and no '?'"
done
printf 'ingress\0pattern\n' >"$work/rules"
run 2 try mlx5-cx6dx --rules "$work/rules"
is "$err" "$work/rules:1:1: NUL character in line"
run 2 try mlx5-cx6dx --rules "$work/none"
is "$err" "hw-profile: $work/none: No such file or directory"
run 1 try nothing
is "$out" ""
run 2 try
run 2 try none none

# From a folder that everybody may write to the plugin is loaded all the same, and no copy stays.
run_dir=$(mktemp -d -p "${XDG_RUNTIME_DIR:-/run}" hepflow-test.XXXXXX)
at_end+=("$run_dir")
mkdir -m 777 "$work/open"
cp "$plugin" "$work/open/"
HEPFLOW_VNIC=$work/open/${plugin##*/} XDG_RUNTIME_DIR=$run_dir \
	run 0 try tap <<<'ingress pattern eth / end actions drop / end'
is "$out" "accept"
is "$(ls "$run_dir")" ""
HEPFLOW_VNIC=$work/none run 2 try tap </dev/null
is "$err" "hw-profile: no virtual NIC: $work/none: No such file or directory (HEPFLOW_VNIC names it)"
HEPFLOW_VNIC=$work/rules run 2 try tap </dev/null
[[ $err == 'hw-profile: dpdk-testpmd does not start (it ended): '* ]] || is "$err" "does not start"

# What other drivers make testpmd print: addresses in it, line ends in messages, words of a log; and
# a testpmd that dies.
mkdir "$work/bin"
cat >"$work/bin/dpdk-testpmd" <<'END'
#!/bin/bash
said=(
	'port_flow_complain(): Caught PMD error type 13 (specific pattern item): cause: 0x7ffc12, no: good: Invalid argument'
	$'port_flow_complain(): Caught PMD error type 1 (cause unspecified): Not supported\n by filter\n: Operation not supported\nlog: more\n'
	'port_flow_complain(): Caught PMD error type 4 (priority field): (no stated reason): Unknown error 999'
	'port_flow_complain(): Caught PMD error type 99 (unknown type): x: No space left on device'
	'Flow rule #7 made up'
)
printf '\ntestpmd> '
for text in "${said[@]}"; do
	read -r line
	printf '%s\r\n%s\ntestpmd> ' "$line" "$text"
done
read -r line
echo "Segmentation fault" >&2
exit 1
END
chmod +x "$work/bin/dpdk-testpmd"
printf 'ingress\n%.0s' 1 2 3 4 >"$work/rules"
PATH=$work/bin:$PATH run 0 try tap --rules "$work/rules"
is "$out" "reject	-22	ITEM	no: good
reject	-95	UNSPECIFIED	Not supported  by filter
reject	-999	ATTR_PRIORITY	
reject	-28	UNKNOWN	x"
printf 'ingress\n%.0s' 1 2 3 4 5 >"$work/rules"
PATH=$work/bin:$PATH run 2 try tap --rules "$work/rules"
is "$err" "$work/rules:5:1: Flow rule #7 made up"
sed -i 's/ #7 made up/ #7 created/' "$work/bin/dpdk-testpmd"
PATH=$work/bin:$PATH run 2 try tap --rules "$work/rules"
[[ $err == *'dpdk-testpmd does not answer (it ended): '*'Segmentation fault' ]] || is "$err" "ended"
