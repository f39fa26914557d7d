# SPDX-License-Identifier: BSD-3-Clause
#
# Completion of hepflowctl for bash: commands are those that the daemon at hand has.

_hepflowctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	case $prev in
	-f | --format)
		mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$cur")
		return
		;;
	-t | --target | -T | --timeout)
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			'--target --format --timeout --help --version --confirm=' -- "$cur")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W \
		"$(hepflowctl list-commands 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$cur")
}

complete -F _hepflowctl hepflowctl
