#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The profiles against what is known of the drivers' rule engines (capabilities.tsv: engine, section, property,
value, where in DPDK's source), property by property. Every row is compared or has a reason in NOT_SAID; what a
profile matches or does beyond the rows is a difference too. Differences that may be are in
capability_notes.tsv (engine, property, profiles, reason); one that is not needed is a failure.

    capabilities.py HW_PROFILE      exit 0: all agree, 1: differences
"""

import fnmatch
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

SWS = ['cx5', 'cx6dx', 'cx7', 'bf2', 'bf3']
HWS = ['cx6dx', 'cx7', 'bf2', 'bf3']

# Engine of the facts: profile and its engines that stand for it. Engines that no profile has say why.
OURS = {
    'mlx5-verbs': {'mlx5-verbs': ['verbs']},
    'mlx5-sws-nic': {f'mlx5-{c}': ['sws'] for c in SWS},
    'mlx5-sws-esw': {f'mlx5-{c}-esw': ['nic', 'fdb'] for c in SWS},
    'mlx5-sws-rootonly': {'mlx5-cx4lx': ['sws']},
    'mlx5-hws-nic': {f'mlx5-{c}-hws': ['hws'] for c in HWS},
    'mlx5-hws-esw': {f'mlx5-{c}-hws-esw': ['nic', 'fdb'] for c in HWS},
    'mlx4': {'mlx4-cx3': ['verbs']},
    'ice-switch': {'ice-e810': ['switch'], 'ice-e810-switch': ['switch'], 'ice-e810-pipeline': ['switch']},
    'ice-fdir': {'ice-e810': ['fdir'], 'ice-e810-fdir': ['fdir']},
    'ice-acl-dcf': {'ice-dcf': ['acl'], 'ice-dcf-acl': ['acl']},
    'ice-switch-dcf': {'ice-dcf': ['switch']},
    'iavf-fdir': {'iavf-e810vf': ['fdir']},
    'i40e-fdir': {'i40e-x710': ['fdir'], 'i40e-x722': ['fdir']},
    'i40e-ethertype': {'i40e-x710': ['ethertype'], 'i40e-x722': ['ethertype']},
    'ixgbe-ntuple': {p: ['ntuple'] for p in ('ixgbe-82599', 'ixgbe-82599-signature', 'ixgbe-x540')},
    'ixgbe-ethertype': {p: ['ethertype'] for p in ('ixgbe-82599', 'ixgbe-82599-signature', 'ixgbe-x540', 'ixgbe-x550')},
    'ixgbe-syn': {p: ['syn'] for p in ('ixgbe-82599', 'ixgbe-82599-signature', 'ixgbe-x540', 'ixgbe-x550')},
    'ixgbe-fdir-perfect': {p: ['fdir'] for p in ('ixgbe-82599', 'ixgbe-x540', 'ixgbe-x550')},
    'igb-ntuple5': {'igb-82576': ['ntuple']},
    'igb-ntuple2': {'igb-i350': ['ntuple']},
    'igc': {'igc-i225': ['ethertype', 'syn', 'ntuple']},
    'tap': {'tap': ['flower']},
}
NO_ENGINE = {
    'iavf-fsub': 'every rule begins with port_representor, an action that no rule of ours has',
    'i40e-tunnel': 'tunnels; its L4 filter hands packets to a function, which no rule of ours does',
    'ixgbe-fdir-signature': 'every rule needs the fuzzy item, which no rule of ours has',
}

# What the format of profiles has no word for.
NOT_SAID = {
    'tunnels, ESP, flexible bytes': 'esp_spi gre vxlan vxlan_vni nvgre fuzzy_item raw_flex_bytes l4_cloud',
    'connection tracking and metering': 'conntrack conntrack_item meter sample',
    'rewriting of headers': 'dec_ttl set_dscp set_mac set_ipv4_src_dst set_ipv6_src_dst set_tp_src_dst modify_commands',
    'items that no rule of ours has': 'arp_item ipv6_ext_item vlan_has_more ipv4_ihl port_representor pf_or_vf_then_queue',
    'answered by vectors of the drivers': 'exactly_one exactly_one_direction egress_drop jump_target max_actions '
                                          'semantic_checks input_set_bytes_max ipv6_5tuple',
    'of the template API, which net_vnic has by itself': 'templates configure_before_start start_stop_order',
    'of what firmware holds': 'recipes words_per_recipe chained_recipes tcam_depth flex',
    'about time': 'root_insert_rate nonroot_insert_rate insert_time_us',
    'as behaviour of net_vnic, tested there': 'global_mask input_set conflicts duplicate validate_side_effect',
    'about calls, not rules': 'create_needs_started_port indirect_actions query persist_after_exit no_match '
                              'validate_result validated_by_pf',
}
NOT_SAID = {name: why for why, names in NOT_SAID.items() for name in names.split()}

FIELDS = {
    'eth_dst': ['eth.dst'], 'eth_src': ['eth.src'], 'eth_type': ['eth.type'], 'eth_has_vlan': ['eth.has_vlan'],
    'vlan_tci': ['vlan.tci'], 'vlan_vid': ['vlan.tci'], 'vlan_inner_type': ['vlan.inner_type'],
    'ipv4_src': ['ipv4.src'], 'ipv4_dst': ['ipv4.dst'], 'ipv4_proto': ['ipv4.proto'], 'ipv4_tos': ['ipv4.tos'],
    'ipv4_ttl': ['ipv4.ttl'], 'ipv4_frag': ['ipv4.frag'],
    'ipv6_src': ['ipv6.src'], 'ipv6_dst': ['ipv6.dst'], 'ipv6_proto': ['ipv6.proto'], 'ipv6_hop': ['ipv6.hop'],
    'ipv6_tc_flow_label': ['ipv6.tc', 'ipv6.flow'], 'ipv6_has_frag_ext': ['ipv6.has_frag_ext'],
    'tcp_ports': ['tcp.src', 'tcp.dst'], 'udp_ports': ['udp.src', 'udp.dst'], 'tcp_flags': ['tcp.flags'],
    'sctp_ports': ['sctp.src', 'sctp.dst'], 'sctp_item': ['sctp.src', 'sctp.dst'],
    'icmp_type_code': ['icmp.type', 'icmp.code'], 'icmp6_type_code': ['icmp6.type', 'icmp6.code'],
    'mark_item': ['mark.id'], 'meta_item': ['meta.data'], 'tag_item': ['tag.data'],
}
SRC_FIELDS = ('tcp.src', 'udp.src')

# What is said of a mask, and which of our kinds mean that.
KINDS = {
    'none': {'none'}, 'mask': {'any'}, 'template_mask': {'any'}, 'bit': {'any', 'exact'}, 'exact': {'exact'},
    'exact_or_absent': {'exact'}, 'exact_or_widen': {'widen'}, 'mask_forced_full': {'narrow'},
    'partial_only': {'partial-only'}, 'ignored': {'ignore'}, 'nonzero': {'nonzero'}, 'egress_only': {'any'},
    'any_fragment_or_not_fragment': {'exact'}, 'global_mask': {'global'},
    'only without an L4 item': {'any'},
    'exact; not together with an L4 item': {'exact'},
    'exact; L2 input set cannot be mixed with L3/L4': {'exact'},
    'exact mask 0x0fff..0xffff variants': {'any'},
    'exact or multicast bit': {'any', 'exact'},
    'exact (partial fails at create)': {'exact'},
    'vid/prio exact, one tag': {'any'},
    'mask_forced_full; dropped when dst is also given': {'narrow'},
    'exact; partial mask result depends on stale rte_errno (0 = accepted with a truncated rule)': {'widen', 'narrow'},
    'spec 8 last 0x2000 mask 0x3fff = fragment; 0/0x3fff = not': {'exact'},
    'MF bit 0x2000/0x2000 = fragment type; any other mask ignored': {'ignore'},
    'MF bit form': {'ignore', 'exact'},
    'SYN/SYN only': {'any'}, 'SYN or full mask set': {'any'},
    'global_mask; not together with IP in a pattern': {'global'},
    'ingress needs dv_esw_en=1 and dv_xmeta_en=4': {'any'},
}
DST_ONLY = ('dst port only', 'dst port exact')

ACTIONS = 'drop queue rss mark flag count age jump passthru set_tag set_meta modify_field port_id represented_port'
ACTIONS = ACTIONS.split()

differences = []


def differ(engine, prop, profile, facts, ours):
    differences.append((engine, prop, profile, str(facts), str(ours)))


def union(profile, engines, key):
    return [e[key] for e in profile['engines'] if e['name'] in engines]


def mask_kinds(profile, engines, field):
    return {e.get(field, 'none') for e in union(profile, engines, 'fields') if field in e} or {'none'}


def check_field(engine, name, value, pname, profile, engines):
    for field in FIELDS[name]:
        kinds = mask_kinds(profile, engines, field)
        if value in DST_ONLY:
            want = {'none'} if field in SRC_FIELDS else {'exact'}
        elif value == 'global_mask on X550 family; not on 82599/X540':
            want = {'global'} if pname == 'ixgbe-x550' else {'none'}
        else:
            want = KINDS[value]
        if not kinds <= want:
            differ(engine, f'fields/{name}', pname, value, f"{field} {'/'.join(sorted(kinds))}")


def check_action(engine, name, value, pname, profile, engines):
    has = any(name in a for a in union(profile, engines, 'actions'))
    transfer = profile['transfer']
    # True where the engine does it, with whatever conditions beside it.
    want = {'no': False, 'transfer': transfer, 'MODIFY_FIELD only': False}.get(value, True)
    if has != want:
        differ(engine, f'actions/{name}', pname, value, 'yes' if has else 'no')
    top = re.fullmatch(r'0\.\.(0x[0-9a-f]+)', value)
    if name == 'mark' and top and has and max(union(profile, engines, 'mark_max')) != int(top.group(1), 16):
        differ(engine, 'actions/mark', pname, value, f"up to {max(union(profile, engines, 'mark_max')):#x}")


def n_groups(value):
    if value == 'not checked':
        return 1
    top = re.match(r'0\.\.(\d+)', value)
    return int(top.group(1)) + 1 if top else int(value)


def n_priorities(value):
    """How many are usable, and from which on."""
    if value == '32 bit':
        return 0xffffffff, 0
    if value.startswith('0..15 usable, 13-15 taken'):
        return 13, 0
    ends = re.match(r'(\d+)\.\.(\d+)', value)
    if ends:
        return int(ends.group(2)) - int(ends.group(1)) + 1, int(ends.group(1))
    return 1, 0


ORDERS = {'lower_first': {'lower'}, 'higher_first': {'higher'}, 'none': {'none'}, 'lower_or_hw_defined': {'lower', 'none'}}


def check_attr(engine, name, value, pname, profile, engines):
    def want(ours, facts):
        if ours != facts:
            differ(engine, f'attr/{name}', pname, value, ours)

    if name in ('ingress', 'egress', 'transfer'):
        want(profile[name], value in ('yes', 'with remote only'))
    elif name == 'groups':
        for groups, ignored in zip(union(profile, engines, 'groups'), union(profile, engines, 'groups_ignored')):
            want(groups, n_groups(value))
            want(ignored, value == 'not checked')
    elif name in ('priorities', 'priorities_root', 'priorities_nonroot'):
        key = 'priorities_others' if name == 'priorities_nonroot' else 'priorities_root'
        for n, first in zip(union(profile, engines, key), union(profile, engines, 'priorities_first')):
            want((n, first), n_priorities(value))
    elif name == 'priority_order':
        for order in union(profile, engines, 'order'):
            if order not in ORDERS[value]:
                want(order, value)
    elif name == 'sub_priority':
        want(all(union(profile, engines, 'depth_rank')), True)
    elif name == 'sync_api':
        want(profile['async_only'], value == 'no')
    else:
        return False
    return True


def check_capacity(engine, name, value, pname, profile, engines):
    names = {'rules': engines, 'ntuple': ['ntuple'], 'ethertype': ['ethertype'], 'syn': ['syn'],
             'rules_perfect': engines}
    if name == 'pctype_scope':
        if not all(union(profile, engines, 'type_scope')):
            differ(engine, f'capacity/{name}', pname, value, 'no')
    elif name in names:
        n = re.match(r'\d+', value)
        for ours in union(profile, names[name], 'capacity'):
            if ours != (int(n.group()) if n else 0):
                differ(engine, f'capacity/{name}', pname, value, ours)
    else:
        return False
    return True


def check_lifecycle(engine, name, value, pname, profile, engines):
    yes = value.startswith('yes') or value in ('port stopped only', 'needs remote; any time')
    if name == 'ranges_last':
        yes = value.startswith('ignored') or value == 'not looked at'
        ours = any(union(profile, engines, 'range_ignored'))
    elif name == 'survive_stop_start':
        ours = not profile['flush_on_stop']
        yes = ours if value == 'not verified' else yes
    elif name in ('isolate', 'kernel_bifurcation', 'async_api'):
        ours = profile[{'kernel_bifurcation': 'bifurcated', 'async_api': 'async'}.get(name, name)]
    else:
        return False
    if ours != yes:
        differ(engine, f'lifecycle/{name}', pname, value, ours)
    return True


def check_row(row, pname, profile, engines):
    engine, section, name, value, _ = row
    if section == 'fields' and name in FIELDS:
        check_field(engine, name, value, pname, profile, engines)
    elif section == 'fields' and name == 'last_ignored':
        check_lifecycle(engine, 'ranges_last', 'ignored', pname, profile, engines)
    elif section == 'fields' and name == 'ipv6_frag_ext_item':
        has = any('ipv6_frag_ext' in items for items in union(profile, engines, 'items'))
        if has != (value != 'none'):
            differ(engine, f'fields/{name}', pname, value, has)
    elif section == 'actions' and name in ACTIONS:
        check_action(engine, name, value, pname, profile, engines)
    else:
        check = {'attr': check_attr, 'capacity': check_capacity, 'lifecycle': check_lifecycle}.get(section)
        return bool(check and check(engine, name, value, pname, profile, engines))
    return True


def check_extra(engine, rows, pname, profile, engines):
    """What the profile has and the rows say nothing of."""
    known = {f for row in rows if row[1] == 'fields' for f in FIELDS.get(row[2], [])}
    for fields in union(profile, engines, 'fields'):
        for field, kind in fields.items():
            if field not in known:
                differ(engine, f'extra/{field}', pname, '-', kind)
    known = {row[2] for row in rows if row[1] == 'actions'}
    for actions in union(profile, engines, 'actions'):
        for action in actions:
            if action not in known:
                differ(engine, f'extra/{action}', pname, '-', 'yes')


def read_tsv(name, n):
    with open(os.path.join(HERE, name), encoding='utf-8') as file:
        rows = [line.rstrip('\n').split('\t') for line in file if line.strip() and not line.startswith('#')]
    for row in rows:
        if len(row) != n or not all(row):
            sys.exit(f'{name}: not {n} columns: {row}')
    return rows


def main():
    out = subprocess.run([sys.argv[1], 'list', '--format', 'json'], check=True, capture_output=True, text=True).stdout
    profiles = {p['name']: p for p in json.loads(out)['profiles']}
    rows = read_tsv('capabilities.tsv', 5)
    notes = [[*note, False] for note in read_tsv('capability_notes.tsv', 4)]
    failures = 0
    compared = 0
    for engine in dict.fromkeys(row[0] for row in rows):
        mine = [row for row in rows if row[0] == engine]
        if engine in NO_ENGINE:
            continue
        for pname, engines in OURS[engine].items():
            for row in mine:
                if check_row(row, pname, profiles[pname], engines):
                    compared += 1
                elif row[2] not in NOT_SAID:
                    print('nothing is known of', *row[:4])
                    failures += 1
            check_extra(engine, mine, pname, profiles[pname], engines)
    have = {p for ours in OURS.values() for p in ours}
    for name in set(profiles) - have:
        if profiles[name]['engines'] and not any(n[0] == '-' and n[2] == name for n in notes):
            print('no facts are compared with', name)
            failures += 1
    for difference in differences:
        fits = [n for n in notes if all(fnmatch.fnmatch(d, p) for d, p in zip(difference, n[:3]))]
        for note in fits:
            note[4] = True
        if not fits:
            failures += 1
            print('%s %s: %s has %s, known is: %s' % (difference[0], difference[1], difference[2], difference[4],
                                                      difference[3]))
    for note in notes:
        if not note[4] and note[0] != '-':
            print('not needed any more:', *note[:3])
            failures += 1
    print(f'{compared} properties compared, {len(differences)} differ and are listed' if not failures
          else f'{failures} differences')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
