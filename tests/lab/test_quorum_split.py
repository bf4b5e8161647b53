#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The network between groups of nodes is cut while all reach the quorum volume: exactly one
partition is quorate.

    test_quorum_split.py lowest|highest|three|last-man-standing|control

lowest, highest: 4 nodes split 2-2; that half is quorate which the tie-breaker names. three,
last-man-standing: 3-1, in both modes; the three are. control: 2-2 with a program in the place of
diskhb-quorumd that always votes yes. There the check must fail, or it would prove nothing.
"""
import sys
import time

from quorum_scenario import hold, names, run_quorum, times
from scenario import Report

# How long a split lasts after the partitions have formed.
SPLIT_S = 2


def split(case, winners, losers):
    case.report.step(f"split into {names(winners)} and {names(losers)}")
    since_ns = time.monotonic_ns()
    case.lab.cut(f"{names(winners)}|{names(losers)}")
    took_ms = case.wait_winner(winners, since_ns)
    case.wait_loser(losers, since_ns)
    case.report.step(f"{names(winners)} are quorate after {took_ms:.0f} ms")
    hold(SPLIT_S)
    case.check_states(winners, losers)
    case.heal()
    case.check_one_quorate(since_ns)


def halves(which):
    def body(case):
        nodes = case.lab.nodes
        case.show_limits()
        # Every way to split four nodes into two halves has the lowest node in one of them.
        ways = [[0, 1], [0, 2], [0, 3]]
        for number in range(times(2)):
            low = [nodes[index] for index in ways[number % len(ways)]]
            rest = [node for node in nodes if node not in low]
            if which == "lowest" or nodes[3] in low:
                split(case, low, rest)
            else:
                split(case, rest, low)
    return body


def three(case):
    nodes = case.lab.nodes
    case.show_limits()
    for number in range(times(1)):
        # The lone node is the holder's or the one that a tie-breaker would name, by turns.
        alone = case.wait_holder() if number % 2 == 0 else nodes[number // 2 % 4]
        split(case, [node for node in nodes if node is not alone], [alone])


def control(case):
    nodes = case.lab.nodes
    since_ns = time.monotonic_ns()
    case.lab.cut(f"{names(nodes[:2])}|{names(nodes[2:])}")
    for half in (nodes[:2], nodes[2:]):
        ids = tuple(node.id for node in half)
        for node in half:
            case.watch.wait(node, lambda state: state.quorate and state.members == ids, since_ns,
                            30, "to be quorate in its half")
    hold(SPLIT_S)
    report, judged = case.report, Report("control", is_meant_to_fail=True)
    case.report = judged
    case.check_one_quorate(since_ns)
    case.report = report
    case.heal()
    report.check(any("two partitions" in problem for problem in judged.problems),
                 "both halves were quorate, and the check has not seen it")


MODES = {
    "lowest": (halves("lowest"), {"mode": "tie-breaker", "tie_breaker": "lowest"}),
    "highest": (halves("highest"), {"mode": "tie-breaker", "tie_breaker": "highest"}),
    "three": (three, {"mode": "tie-breaker"}),
    "last-man-standing": (three, {"mode": "last-man-standing"}),
    "control": (control, {"mode": "tie-breaker", "program": "tests/lab/always_yes"}),
}

chosen = sys.argv[1] if len(sys.argv) > 1 else "lowest"
run_quorum(f"quorum_split_{chosen}", MODES[chosen][0], nodes=4, quorum=MODES[chosen][1])
