#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""diskhb-quorumd of the quorate partition is killed or stands still: its node's vote goes within
quorum.device.timeout, and the other partition gets it only after that.
"""
import signal
import time

from quorum_scenario import hold, run_quorum, times

# The watch looks every 20 ms, and gets the processor when it does.
SLACK_MS = 100


def without_daemon(case, number):
    one, other = case.lab.nodes
    timeout_ms = case.lab.quorum.timing("timeout")
    case.lab.cut(f"{one.name}|{other.name}")
    case.wait_winner([one], time.monotonic_ns())
    case.wait_loser([other], 0)
    case.report.step(f"split; {one.name} is quorate; its diskhb-quorumd "
                     + ("is killed" if number % 2 == 0 else "stands still"))
    since_ns = time.monotonic_ns()
    if number % 2 == 0:
        one.end_process("diskhb-quorumd", signal.SIGKILL)
    else:
        one.send_signal("diskhb-quorumd", signal.SIGSTOP)
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
    if number % 2 == 0:
        one.start_quorumd()
    else:
        one.send_signal("diskhb-quorumd", signal.SIGCONT)
    hold(2)
    case.check_states([other], [one])
    case.heal()
    # The cut itself was before: nobody is unaware of it.
    case.check_one_quorate(since_ns, noticed_ns=since_ns)


def daemon_gone(case):
    for number in range(times(2)):
        without_daemon(case, number)


run_quorum("quorum_daemon", daemon_gone, nodes=2, quorum={"mode": "tie-breaker"})
