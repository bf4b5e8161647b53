#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The holder's whole node stands still for 30 s and goes on: the other node is quorate meanwhile,
and never are two partitions at one instant once the thawed Corosync has run its token timeout.

Before that the thawed node believes what it did when it froze, quorum device or not: only fencing
keeps it from acting on it. The scenario prints for how long, and that the two never were two
partitions by their own word.
"""
import time

from quorum_scenario import detection_ms, hold, run_quorum, times
from scenario import token_ms

FROZEN_S = 30


def freeze(case):
    case.show_limits()
    for _ in range(times(1)):
        frozen = case.wait_holder()
        other = next(node for node in case.lab.nodes if node is not frozen)
        case.report.step(f"{frozen.name}, which holds the grant, freezes")
        since_ns = time.monotonic_ns()
        frozen.freeze()
        took_ms = case.wait_winner([other], since_ns)
        case.report.step(f"{other.name} is quorate after {took_ms:.0f} ms")
        hold(FROZEN_S - (time.monotonic_ns() - since_ns) / 1e9)
        case.check_states([other], [])
        thawed_ns = int(frozen.thaw() * 1e9)
        case.report.step(f"{frozen.name} goes on")
        case.lab.wait_whole(90)
        hold(2)
        left = case.watch.overlaps(thawed_ns)
        case.note("after the thaw quorate by what it believed before, for",
                  max((each.end_ns - thawed_ns for each in left), default=0) / 1e6)
        # Its token timer has run out as soon as it goes on. It believes in its old membership until
        # a new one has formed: until the consensus is reached or given up, at the latest.
        case.check_one_quorate(since_ns,
                               noticed_ns=thawed_ns + int(detection_ms(case.lab) * 1e6))
        case.report.step("both are together again")
    case.report.measured("token, token + consensus [ms]",
                         f"{token_ms(case.lab):.0f}, {detection_ms(case.lab):.0f}")


run_quorum("quorum_freeze", freeze, nodes=2, quorum={})
