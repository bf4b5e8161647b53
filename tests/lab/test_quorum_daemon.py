#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""diskhb-quorumd of the quorate partition is killed or stands still: its node's vote goes within
quorum.device.timeout, and the other partition gets it only after that.

    test_quorum_daemon.py           the partitions are there before
    test_quorum_daemon.py at-once   the network splits at the same moment. Corosync then waits in
                                    its sync phase for the daemon: until it is started again, or
                                    for quorum.device.sync_timeout. It tells nobody anything new
                                    meanwhile: quorate by what it told before, it delivers no
                                    messages
"""
import signal
import sys
import time

from quorum import TIMINGS
from quorum_scenario import (FORMING_MS, SYNCING_MS, detection_ms, hold, run_quorum,
                             times)

# The watch looks every 20 ms, and gets the processor when it does.
SLACK_MS = 100
# systemd's RestartSec in ha-configs/diskhb-quorumd.service.
RESTART_S = 1


def stop_daemon(node, number):
    """Kills the node's daemon, or stops it; returns when."""
    since_ns = time.monotonic_ns()
    if number % 2 == 0:
        node.end_process("diskhb-quorumd", signal.SIGKILL)
    else:
        node.send_signal("diskhb-quorumd", signal.SIGSTOP)
    return since_ns


def start_daemon(node, number):
    """Takes that back."""
    if number % 2 == 0:
        node.start_quorumd()
    else:
        node.send_signal("diskhb-quorumd", signal.SIGCONT)


def without_daemon(case, number):
    one, other = case.lab.nodes
    timeout_ms = case.lab.quorum.timing("timeout")
    case.lab.cut(f"{one.name}|{other.name}")
    case.wait_winner([one], time.monotonic_ns())
    case.wait_loser([other], 0)
    case.report.step(f"split; {one.name} is quorate; its diskhb-quorumd "
                     + ("is killed" if number % 2 == 0 else "stands still"))
    since_ns = stop_daemon(one, number)
    lost = case.watch.wait(one, lambda state: not state.votes, since_ns, 30, "no vote")
    took_ms = (lost.at_ns - since_ns) / 1e6
    case.note("vote gone after", took_ms)
    case.report.check(took_ms <= timeout_ms + SLACK_MS,
                      f"{one.name} had the vote for {took_ms:.0f} ms after its daemon, longer than "
                      f"quorum.device.timeout = {timeout_ms} ms")
    gained = case.watch.wait(other, lambda state: state.quorate, since_ns,
                             case.limit_ms / 1000 + 10, "quorate")
    left = case.watch.wait(one, lambda state: not state.quorate, since_ns, 1, "inquorate")
    case.note("the other partition has the vote after", (gained.at_ns - since_ns) / 1e6)
    case.note("that is after the loss of the first by", (gained.at_ns - left.at_ns) / 1e6)
    case.report.check(gained.at_ns > left.at_ns, "the second partition got the vote early")
    start_daemon(one, number)
    hold(2)
    case.check_states([other], [one])
    case.heal()
    # The cut itself was before: nobody is unaware of it.
    case.check_one_quorate(since_ns, noticed_ns=since_ns)


def daemon_gone(case):
    for number in range(times(2)):
        without_daemon(case, number)


def at_once(case):
    for number in range(times(2)):
        one = case.wait_holder()
        other = next(node for node in case.lab.nodes if node is not one)
        is_killed = number % 2 == 0
        case.report.step(f"{one.name} loses the network, and its diskhb-quorumd "
                         + ("is killed, and started again as by systemd" if is_killed
                            else "stands still"))
        since_ns = stop_daemon(one, number)
        case.lab.cut("all")
        if is_killed:
            hold(RESTART_S)
            start_daemon(one, number)
        # A daemon that is started again forgets its former life for take, after it has watched
        # its slot for drop; until then nobody can have its leave.
        extra_ms = (1000 * RESTART_S + case.lab.quorum.timing("drop")) if is_killed else 0
        case.wait_winner([other], since_ns, extra_ms)
        # A daemon that runs says no when the other partition has the vote. Nobody speaks for one
        # that does not.
        waits_ms = 0 if is_killed else case.lab.quorum.timing("sync_timeout")
        lost = case.watch.wait(one, lambda state: not state.quorate and state.members == (one.id,),
                               since_ns, 60, "inquorate")
        took_ms = (lost.at_ns - since_ns) / 1e6
        limit_ms = SYNCING_MS + (case.limit_ms + extra_ms if is_killed
                                 else detection_ms(case.lab) + FORMING_MS + waits_ms)
        case.note(f"{'restarted' if is_killed else 'frozen'} daemon: quorum of its node gone after",
                  took_ms)
        case.report.check(took_ms <= limit_ms, f"{one.name} was quorate for {took_ms:.0f} ms, more "
                          f"than {limit_ms:.0f} ms")
        if not is_killed:
            start_daemon(one, number)
        hold(2)
        case.check_states([other], [one])
        case.heal()
        case.check_one_quorate(since_ns, syncing_ms=waits_ms or SYNCING_MS)


if "at-once" in sys.argv:
    # The sync phase begins before votequorum has missed the daemon.
    run_quorum("quorum_daemon_at_once", at_once, nodes=2, timers={"token": 1000},
               quorum={"timings": {**TIMINGS, "timeout": 6000, "sync_timeout": 8000}})
else:
    run_quorum("quorum_daemon", daemon_gone, nodes=2, quorum={"mode": "tie-breaker"})
