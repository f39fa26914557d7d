#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""hepflowd under its operator's hands; see control.sh."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import promcheck  # noqa: E402
from hepflowd import CTL, HOST, Daemon, wait  # noqa: E402

CONFIG = '''apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy]
  rundir: DIR/run
  metrics: METRICS
  telemetry: true
  poll: adaptive
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - {name: eth0, role: uplink, devargs: "net_vnic0,profile=mlx5-cx6dx,dev=net_null0,no-rx=1"}
    - {name: eth0, role: host, devargs: "net_null1,no-rx=1"}
'''

POLICY = '''apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: has(host)
  types: [Ingress]
  ingress:
    - {action: Allow, protocol: TCP, destination: {ports: [PORT]}}
'''


def tcp(port):
    return f'in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport={port}'


def replace(path, text):
    """As editors do it: aside, then renamed."""
    with open(path + '.tmp~', 'w') as f:
        f.write(text)
    os.rename(path + '.tmp~', path)


def is_open(d, port):
    return d.verdict(tcp(port))[0] == 'allow'


def opened(d, port):
    wait(lambda: is_open(d, port), f'port {port} is open')


def files(d, dir):
    """Written, renamed, added in a new folder, removed: all of it without a word."""
    web = f'{dir}/policy/web.yaml'
    assert is_open(d, 80) and not is_open(d, 81)
    with open(web, 'w') as f:
        f.write(POLICY.replace('PORT', '81'))
    opened(d, 81)
    assert not is_open(d, 80)
    replace(web, POLICY.replace('PORT', '82'))
    opened(d, 82)
    os.makedirs(f'{dir}/policy/more')
    time.sleep(0.1)
    with open(f'{dir}/policy/more/x.yaml', 'w') as f:
        f.write(POLICY.replace('PORT', '83').replace('name: web', 'name: more'))
    opened(d, 83)
    os.unlink(f'{dir}/policy/more/x.yaml')
    wait(lambda: not is_open(d, 83), 'port 83 is closed again')

    # A file half written is an error that mends itself.
    n = d.status()['generation']
    with open(web, 'w') as f:
        f.write(POLICY.replace('PORT', '84')[:120])
        f.flush()
        os.fsync(f.fileno())
    wait(lambda: d.status()['error'], 'an error')
    assert f'{dir}/policy/web.yaml:' in d.status()['error'], d.status()['error']
    assert is_open(d, 82) and d.status()['generation'] == n
    replace(web, POLICY.replace('PORT', '80'))
    opened(d, 80)
    assert d.status()['error'] is None


def confirmed(d, dir):
    web = f'{dir}/policy/web.yaml'
    d.ask('apply')
    before = d.status()['generation']
    assert d.refused('confirm') == 'nothing waits to be confirmed'
    # The change is there, and applied by hand before the watch does it: stop that by holding.
    d.ask('rollback')
    replace(web, POLICY.replace('PORT', '90'))
    wait(lambda: d.status()['changeWaits'], 'the change is seen and waits')
    assert not is_open(d, 90)
    text = d.ask('apply', '--confirm=60')
    assert 'confirm it within 60 s' in text, text
    assert is_open(d, 90) and d.status()['unconfirmed']
    assert 'waits to be confirmed' in d.refused('apply')
    replace(web, POLICY.replace('PORT', '91'))
    wait(lambda: d.status()['changeWaits'], 'a further change waits')
    assert is_open(d, 90)
    d.ask('confirm')
    opened(d, 91)  # made up for
    assert d.status()['unconfirmed'] is None
    assert d.status()['generation'] > before


def not_confirmed(d, dir):
    """Whoever has locked himself out waits a second and is in again."""
    web = f'{dir}/policy/web.yaml'
    n = d.status()['generation']
    d.ask('apply')
    n = d.status()['generation']
    d.ask('rollback')
    replace(web, POLICY.replace('PORT', '92'))
    wait(lambda: d.status()['changeWaits'], 'the change waits')
    back = d.status()['generation']
    d.ask('apply', '--confirm', '1')
    assert is_open(d, 92) and not is_open(d, 91)
    wait(lambda: d.status()['generation'] == back, 'it is undone')
    assert is_open(d, 91) and not is_open(d, 92)
    assert d.status()['held']
    assert f'was not confirmed: back to {back}' in d.text()
    assert n != back


def back_and_forth(d, dir):
    web = f'{dir}/policy/web.yaml'
    numbers = []
    for port in (100, 101, 102, 103, 104, 105):
        replace(web, POLICY.replace('PORT', str(port)))
        wait(lambda: d.run('apply').returncode == 0 and is_open(d, port), f'port {port} is open')
        numbers.append(d.status()['generation'])
    wanted = numbers[-3]
    before = d.inserted()
    d.ask('rollback', str(wanted))
    assert is_open(d, 103) and not is_open(d, 105)
    assert d.status()['generation'] == wanted and d.inserted() > before
    d.ask('rollback', str(numbers[-1]))
    assert is_open(d, 105)
    assert d.refused('rollback', '1') == 'generation 1 is not kept'
    assert 'is a number' in d.refused('rollback', 'x')
    assert 'is a number' in d.refused('apply', '--confirm=0')
    assert 'unknown argument' in d.refused('apply', '--perhaps')
    d.ask('apply')
    assert not d.status()['held']


def http(port, path):
    try:
        with urllib.request.urlopen(f'http://127.0.0.1:{port}{path}', timeout=10) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def watched(d, dir):
    port = int(re.search(r'metrics: (\d+)', open(f'{dir}/hepflow.yaml').read()).group(1))
    wait(lambda: http(port, '/liveness') == (200, 'ok\n'), 'it lives')
    assert http(port, '/readiness') == (200, 'ok\n')
    assert http(port, '/nothing')[0] == 404
    found, kinds = promcheck.parse(http(port, '/metrics')[1])
    assert found['hepflow_generation', ()] == d.status()['generation']
    assert all(name.startswith('hepflow_') for name in kinds), kinds
    assert ('hepflow_policy_packets_total',
            (('path', 'sw'), ('policy', 'default/gnp:web/ingress'))) in found, found
    rules = [v for (name, _), v in found.items() if name == 'hepflow_rules']
    assert len(rules) == 3 and sum(rules) > 0
    assert found['hepflow_nic_entries', (('port', 'eth0'),)] > 0
    replace(f'{dir}/policy/web.yaml', 'kind: broken')
    wait(lambda: http(port, '/readiness')[0] == 503, 'it is not ready')
    assert 'web.yaml:1:' in http(port, '/readiness')[1]
    assert promcheck.parse(http(port, '/metrics')[1])[0]['hepflow_apply_failed', ()] == 1
    replace(f'{dir}/policy/web.yaml', POLICY.replace('PORT', '80'))
    wait(lambda: http(port, '/readiness') == (200, 'ok\n'), 'it is ready again')


def telemetry(d, dir):
    """What the stock client of DPDK gets, with what hepflowctl says of the same."""
    client = shutil.which('dpdk-telemetry.py')
    if not client:
        print('left out, dpdk-telemetry.py is not installed: telemetry')
        return

    def ask(command):
        got = subprocess.run([client, '-f', f'hepflowd-{d.process.pid}'], input=command + '\n',
                             capture_output=True, text=True, check=True)
        assert got.stdout.startswith('{'), got
        return json.loads(got.stdout)[command.split(',')[0]]

    assert {c for c in ask('/') if c.startswith('/hepflow/')} == {
        f'/hepflow/{c}' for c in ('policies', 'policy', 'port', 'ports', 'rule', 'rules', 'stats',
                                  'status')}
    status = ask('/hepflow/status')
    assert status['generation'] == d.status()['generation'] and status['node'] == 'n0', status
    assert status['apply_failed'] == 0 and status['error'] == '' and status['moving'] == 1, status
    assert ask('/hepflow/ports') == ['eth0'] and ask('/hepflow/ports,1') == []
    port = ask('/hepflow/port,eth0')
    assert port == ask('/hepflow/port,0') and port['outer_driver'] == 'net_vnic', port
    assert port['nic_entries'] > 0 and port['nic_asked'] == d.inserted(), port
    rules = ask('/hepflow/rules')
    assert rules == [r['origin'] for r in json.loads(d.ask('policy/dump', '--format=json'))['policies']]
    assert ask('/hepflow/rules,1') == rules[1:]
    for at, rule in enumerate(rules):
        got = ask(f'/hepflow/rule,{rule}')
        assert got == ask(f'/hepflow/rule,{at}') and got['origin'] == rule, got
        assert got['hw_known'] == 1 and got['hw_packets'] == got['sw_packets'] == 0, got
    assert ask('/hepflow/rule,default/gnp:web/ingress/0')['offloaded'] == 'yes'
    policies = ask('/hepflow/policies')
    assert 'default/gnp:web/ingress' in policies, policies
    assert ask('/hepflow/policy,default/gnp:web/ingress')['sw_packets'] == 0
    stats = ask('/hepflow/stats')
    assert stats['fragment_deny_packets'] == 0 and stats['connections_max'] > 0, stats
    for bad in ('/hepflow/port', '/hepflow/port,eth1', '/hepflow/port,-1', '/hepflow/rule,99999',
                '/hepflow/rules,x', '/hepflow/policy,', '/hepflow/policies,-1'):
        assert ask(bad) is None, bad


def unread(dir):
    """A count that the NIC does not give is left out, and said to be unknown; never 0."""
    port = int(re.search(r'metrics: (\d+)', open(f'{dir}/hepflow.yaml').read()).group(1))
    wrong = ';'.join(f'query:{n}:EIO' for n in range(1, 17))
    with open(f'{dir}/hepflow.yaml') as f:
        text = f.read()
    with open(f'{dir}/hepflow.yaml', 'w') as f:
        f.write(text.replace('profile=mlx5-cx6dx,', f'profile=mlx5-cx6dx,fail={wrong},'))
    with Daemon(dir) as d:
        def page():
            return promcheck.parse(http(port, '/metrics')[1])[0]

        wait(lambda: page()['hepflow_nic_operations_total', (('operation', 'query_error'),
                                                             ('port', 'eth0'))] > 0, 'a query fails')
        hw = {dict(labels)['policy'] for (name, labels) in page()
              if name == 'hepflow_policy_packets_total' and ('path', 'hw') in labels}
        sw = {dict(labels)['policy'] for (name, labels) in page()
              if name == 'hepflow_policy_packets_total' and ('path', 'sw') in labels}
        assert hw < sw, (hw, sw)
        # The next look succeeds, and all are there.
        wait(lambda: 'unknown' not in d.ask('policy/dump'), 'all counts are known')
        assert 'Query errors:                   16' in d.ask('offload/stats-show')
        d.stop()
    with open(f'{dir}/hepflow.yaml', 'w') as f:
        f.write(text)


def planned(d, dir):
    """plan says what apply will do, and does nothing."""
    web, other = f'{dir}/policy/web.yaml', f'{dir}/other'
    assert d.ask('plan') == 'no changes\n'
    assert json.loads(d.ask('--format=json', 'plan'))['changes'] is False
    os.makedirs(other, exist_ok=True)
    with open(f'{other}/all.yaml', 'w') as f:
        f.write(HOST + '---\n' + POLICY.replace('[PORT]', '[80, 443]') +
                '    - {action: Deny, protocol: UDP, destination: {ports: [53]}}\n')
    before = d.status()
    got = d.run('plan', '-f', other)
    assert got.returncode == 3 and got.stderr == '', got
    lines = got.stdout.splitlines()
    assert lines[0] == '+ default/gnp:web/ingress/1', lines
    assert lines[1] == 'plan eth0 on mlx5-cx6dx' and lines[-1] == 'changes: yes', lines
    assert [line for line in lines if re.match(r'\+ table .* tcp dst 443 -> allow', line)], lines
    assert [line for line in lines if line.startswith('tcp any -> host:443: deny -> allow  (in=eth0 ')], lines
    assert d.status()['ports'] == before['ports']
    got = d.run('--format', 'json', 'plan', f'-f={other}')
    said = json.loads(got.stdout)
    assert got.returncode == 3 and said['added'] == ['default/gnp:web/ingress/1'], said
    assert {'packet': 'in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp sport=40000 dport=443',
            'region': 'tcp any -> host:443', 'old': {'verdict': 'deny', 'origin': 'tier-default:default'},
            'new': {'verdict': 'allow', 'origin': 'default/gnp:web/ingress/0'}} in said['verdicts'], said['verdicts']
    port = said['ports'][0]
    assert port['adds'] > 0 and port['before'] == before['ports'][0]['entries'], said
    # What it said is what happens.
    replace(web, POLICY.replace('[PORT]', '[80, 443]') +
            '    - {action: Deny, protocol: UDP, destination: {ports: [53]}}\n')
    opened(d, 443)
    assert d.status()['ports'][0]['entries'] == port['after'], (port, d.status())
    assert d.ask('plan') == 'no changes\n'
    replace(web, POLICY.replace('PORT', '80'))
    wait(lambda: not is_open(d, 443), 'port 443 is closed again')
    assert d.refused('plan', '-f', 'policy') == "'policy': an absolute path is needed"
    assert d.refused('plan', '-x') == "plan: unknown argument '-x'"
    assert 'No such file' in d.refused('plan', '-f', f'{dir}/nothing')


def probed(d, dir):
    at, entries = d.inserted(), d.status()['ports'][0]['entries']
    text = d.ask('profile/probe')
    m = re.fullmatch(r'eth0 on mlx5-cx6dx: (\d+) of (\d+) rules made and removed, as the profile says\n',
                     text)
    assert m and 0 < int(m.group(1)) < int(m.group(2)), text
    said = json.loads(d.ask('--format=json', 'profile/probe', 'eth0'))['ports'][0]
    assert (said['taken'], said['left'], said['differences']) == (int(m.group(1)), 0, []), said
    assert d.refused('profile/probe', 'eth9') == 'no uplink eth9'
    assert (at, entries) == (d.inserted(), d.status()['ports'][0]['entries'])


def stock(d, dir):
    """Every command that only looks: Open vSwitch's client and ours get the same bytes."""
    names = [line.split()[0] for line in d.ask('list-commands').splitlines()[1:]]
    ports = json.loads(d.ask('--format', 'json', 'port/list'))['ports']
    assert [(p['name'], p['role'], p['driver']) for p in ports] == [
        ('eth0', 'uplink', 'net_vnic'), ('eth0', 'host', 'net_null')], ports
    assert ports[0]['profile'] == 'mlx5-cx6dx' and ports[1]['stats']['rxErrors'] == 0, ports
    assert names == sorted(names) and {
        'apply', 'capture', 'confirm', 'conntrack/dump', 'dpif/offload/show', 'conntrack/flush', 'coverage/show',
        'dpctl/dump-flows', 'dpctl/offload-stats-show', 'exit', 'explain', 'failsafe/check',
        'flow/dump', 'list-commands', 'memory/show', 'offload/stats-show', 'plan', 'policy/dump',
        'port/list', 'profile/probe', 'profile/show', 'rollback', 'status', 'verify', 'version',
        'vlog/list', 'vlog/reopen', 'vlog/set'} <= set(names), names
    looks = [n for n in names if n.endswith(('/dump', '/show', '/list', '/check', '-show', '-flows'))
             and n not in ('memory/show', 'coverage/show')]  # they count the asking itself
    for words in [[n] for n in looks] + [['status'], ['version'], ['plan'], ['explain', *tcp(80).split()],
                                         ['flow/dump', '-m', 'type=offloaded'], ['bogus'], ['explain'],
                                         ['version', 'x']]:
        json.loads(d.run('--format', 'json', *words).stdout or '{}')
        if not shutil.which('ovs-appctl'):
            continue
        ours = d.run(*words)
        theirs = subprocess.run(['ovs-appctl', '-t', f'{dir}/run/hepflowd.{d.process.pid}.ctl', *words],
                                capture_output=True, text=True)
        assert (ours.stdout, ours.returncode) == (theirs.stdout, theirs.returncode), words
        assert ours.stderr.splitlines()[:-1] == theirs.stderr.splitlines()[:-1], (words, ours, theirs)


def shown(d, dir):
    """What is offloaded where, and which flows some traffic can meet, as text and as JSON."""
    entries = d.status()['ports'][0]['entries']
    text = d.ask('dpif/offload/show')
    assert text == ('Globally enabled: true\nDatapaths:\nnetdev@hepflow:\n  dpdk\n'
                    f'  - eth0: port_no: 0\n    Entries             : {entries}\n'), text
    said = json.loads(d.ask('--format', 'json', 'dpif/offload/show'))
    assert said['enabled'] is True and said['netdev@hepflow']['priority'] == ['dpdk'], said
    assert said['netdev@hepflow']['providers']['dpdk']['ports'] == {
        'eth0': {'port_no': 0, 'entries': entries}}, said
    stats = json.loads(d.ask('offload/stats-show', '--format=json'))['ports']['eth0']
    assert stats['enqueued'] == d.inserted() and stats['connections'] is None, stats
    said = json.loads(d.ask('explain', '--format=json', *tcp(80).split()))
    assert said['verdict'] == 'allow' and said['origin'] == 'default/gnp:web/ingress/0', said
    assert said['steps'] and said['where'].startswith('hardware: entry '), said
    assert json.loads(d.ask('profile/show', '--format=json'))['ports'][0]['profile'] == 'mlx5-cx6dx'
    assert json.loads(d.ask('memory/show', '--format=json'))['nic-entries'] == entries
    assert json.loads(d.ask('conntrack/dump', '--format=json'))['connections'] == []

    every = d.ask('flow/dump').splitlines()

    def some(*words):
        lines = d.ask('flow/dump', *words).splitlines()
        assert set(lines) <= set(every), lines
        return lines[1:]

    decides = [line for line in every if 'ipv4(),tcp(dst=80' in line]
    assert decides and some('filter=') == every[1:]
    mine = some('filter=tcp,tp_dst=80,nw_dst=192.0.2.10')
    assert set(decides) <= set(mine) and len(mine) < len(every) - 1, mine
    assert not set(decides) & set(some('filter=tcp,tp_dst=81'))
    assert not set(decides) & set(some('filter=udp')) and not set(decides) & set(some('filter=ipv6'))
    host = [line for line in every if 'ipv4(dst=192.0.2.10)' in line]
    assert host and set(host) <= set(mine) and not set(host) & set(some('filter=tcp,nw_dst=192.0.2.11'))
    assert some('filter=in_port=eth1') == []
    web = some('filter=policy=default/gnp:web')
    assert web and all('policy:default/gnp:web' in line for line in web), web
    assert all('reason:' in line for line in some('filter=reason=stateful-required'))
    assert "filter: 'colour' is not" in d.refused('flow/dump', 'filter=colour')


def trusted(d, dir):
    text = d.ask('verify')
    assert re.fullmatch(r'eth0 by the rules: proven\neth0 on mlx5-cx6dx, \d+ entries: proven\n'
                        r'eth0: \d+ rules, all of them in the NIC\n', text), text
    assert re.fullmatch(r'ok: 9 failsafe ports, \d+ ways in tried\n', d.ask('failsafe/check'))
    with open(f'{dir}/policy/felix.yaml', 'w') as f:
        f.write('apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\n'
                'metadata: {name: default}\nspec: {failsafeInboundHostPorts: []}\n')
    wait(lambda: d.run('failsafe/check').returncode == 2, 'no failsafe ports are left')
    assert 'no failsafe ports' in d.refused('failsafe/check')
    os.unlink(f'{dir}/policy/felix.yaml')
    wait(lambda: d.run('failsafe/check').returncode == 0, 'they are back')
    assert 'profile mlx5-cx6dx' in d.ask('profile/show') == d.ask('profile/show', 'eth0')
    assert d.refused('profile/show', 'eth9') == 'no uplink eth9'


def wish(text, word):
    return text.replace('metadata: {name: web}',
                        'metadata: {name: web, annotations: {hepflow/offload: %s}}' % word)


def wishes(d, dir):
    """prefer, forbid and require, for a policy that a NIC can hold in part and for one it can wholly."""
    web = f'{dir}/policy/web.yaml'
    tracked = POLICY.replace('PORT', '110')
    whole = tracked.replace('selector:', 'doNotTrack: true\n  applyOnForward: true\n  selector:')

    def row():
        return next(line for line in d.ask('policy/dump').splitlines()
                    if line.startswith('default/gnp:web/ingress/0 '))

    replace(web, wish(tracked, 'prefer'))
    opened(d, 110)
    assert 'disabled-by-operator' not in row(), row()
    replace(web, wish(tracked, 'forbid').replace('110', '111'))
    opened(d, 111)
    assert ', policy:default/gnp:web/ingress/0, offload:forbid, ' in d.ask('flow/dump', '-m')
    # A rule of software is known by what it matches.
    row_of = {port: 'gnp:web/ingress/0' in d.ask('flow/dump', 'type=ovs', f'filter=tcp,tp_dst={port}')
              for port in (111, 112)}
    assert row_of == {111: True, 112: False}, row_of
    flows = json.loads(d.ask('flow/dump', '--format=json'))['flows']
    assert {f['wish'] for f in flows if (f['policy'] or '').startswith('default/gnp:web')} == {'forbid'}
    assert re.search(r' no +disabled-by-operator$', row()), row()
    n = d.status()['generation']
    replace(web, wish(tracked, 'require').replace('110', '112').replace('Allow', 'Deny'))
    wait(lambda: d.status()['error'], 'a wish that cannot be met')
    assert ('default/gnp:web/ingress/0: offload is required, but on eth0 (profile mlx5-cx6dx) it is '
            'not wholly in hardware: stateful-required') in d.status()['error'], d.status()['error']
    assert d.status()['generation'] == n and is_open(d, 111)
    replace(web, wish(whole, 'require'))
    wait(lambda: not d.status()['error'] and d.status()['generation'] > n, 'a wish that can be met')
    assert re.search(r' yes *$', row()), row()
    replace(web, POLICY.replace('PORT', '80'))
    opened(d, 80)


def odd(d, dir):
    assert re.search(r'^engine +INFO$', d.ask('vlog/list'), re.M)
    d.ask('vlog/set', 'engine:dbg', 'ANY:console:warn', 'engine:console:dbg')
    levels = d.ask('vlog/list')
    assert re.search(r'^engine +DEBUG$', levels, re.M) and re.search(r'^main +WARN$', levels, re.M)
    assert "'nobody' is no module" in d.refused('vlog/set', 'engine:info', 'nobody:info')
    assert d.ask('vlog/list') == levels, 'a command that is refused does nothing'
    d.ask('vlog/set', 'info')
    assert d.ask('vlog/reopen') == 'Logging to file not configured\n'
    assert re.search(r'^generation +total: \d+$', d.ask('coverage/show'), re.M)
    assert re.search(r'connections:0 .*nic-entries:[1-9]\d* .*rules:[1-9]', d.ask('memory/show'))


def unprivileged(d, dir):
    with open(f'/proc/{d.process.pid}/status') as f:
        status = dict(line.split(':\t', 1) for line in f)
    kept = 1 << 12 | 1 << 13 | 1 << 14  # NET_ADMIN, NET_RAW, IPC_LOCK: capabilities(7)
    for field in ('CapEff', 'CapPrm', 'CapInh', 'CapBnd') if os.geteuid() == 0 else ('CapEff',):
        assert int(status[field], 16) & ~kept == 0, (field, status[field])
    assert status['NoNewPrivs'].strip() == '1'
    assert os.stat(f'{dir}/run').st_mode & 0o777 == 0o750
    for name in os.listdir(f'{dir}/run'):
        mode = os.stat(f'{dir}/run/{name}').st_mode & 0o777
        assert mode == (0o644 if name.endswith('.pid') else 0o600), (name, oct(mode))


def completed(d, dir):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          '../../driver/ctl/hepflowctl.bash')
    got = subprocess.run(
        ['bash', '-c', f'. {script}; COMP_WORDS=(hepflowctl conf); COMP_CWORD=1; _hepflowctl; '
         'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True,
        env=os.environ | {'HEPFLOW_RUNDIR': f'{dir}/run',
                          'PATH': os.path.dirname(CTL) + ':' + os.environ['PATH']})
    assert got.stdout == 'confirm\n', got


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def main():
    with tempfile.TemporaryDirectory() as dir:
        os.mkdir(f'{dir}/policy')
        for name, text in (('policy/host.yaml', HOST), ('hepflow.yaml', CONFIG.replace('DIR', dir)
                            .replace('METRICS', str(free_port()))),
                           ('policy/web.yaml', POLICY.replace('PORT', '80'))):
            with open(f'{dir}/{name}', 'w') as f:
                f.write(text)
        os.environ['RUNTIME_DIRECTORY'] = dir  # where DPDK's sockets are
        with Daemon(dir) as d:
            for step in (files, confirmed, not_confirmed, back_and_forth, watched, telemetry,
                         planned, probed, stock, shown, trusted, wishes, odd, unprivileged, completed):
                step(d, dir)
            d.stop()
            left = [f for _, _, files in os.walk(f'{dir}/dpdk') for f in files]
            assert not left, left
        unread(dir)
    print('files, confirmation, rollback, metrics, proof, logs')


if __name__ == '__main__':
    main()
