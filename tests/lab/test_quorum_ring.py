#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Ring and quorum disk together.

    test_quorum_ring.py apart   the quorum disk is on a volume of its own. The ring's volume fails
                                for all and the network splits: one half is quorate
    test_quorum_ring.py same    both are on one volume. The network goes: the ring carries the
                                cluster, the device votes on. The volume goes too: nobody is quorate
"""
import sys
import time

from quorum_scenario import detection_ms, hold, names, run_quorum, times
from scenario import BACKOFF_S, wait_link

CUT_S = 5


def apart(case):
    lab = case.lab
    winners, losers = lab.nodes[:2], lab.nodes[2:]
    case.show_limits()
    for _ in range(times(1)):
        hold(BACKOFF_S)
        case.report.step("the ring's volume fails: the network carries all")
        lab.volume_fault("eio")
        wait_link(lab, 1, False, 60)
        case.report.step(f"and the network splits into {names(winners)} and {names(losers)}")
        since_ns = time.monotonic_ns()
        lab.cut(f"{names(winners)}|{names(losers)}")
        case.wait_winner(winners, since_ns)
        case.wait_loser(losers, since_ns)
        hold(2)
        case.check_states(winners, losers)
        lab.volume_fault("heal")
        case.heal()
        case.check_one_quorate(since_ns)


def same(case):
    lab = case.lab
    for _ in range(times(1)):
        hold(BACKOFF_S)
        case.report.step("the network goes")
        since_ns = time.monotonic_ns()
        lab.cut("all")
        wait_link(lab, 0, False, 10)
        hold(CUT_S)
        events = [f"{node.name}: {state}" for node in lab.nodes
                  for state in case.watch.history(node) if state.at_ns >= since_ns]
        case.report.check(not events, "the ring did not carry it: " + "; ".join(events))
        case.report.step("and the volume")
        since_ns = time.monotonic_ns()
        lab.volume_fault("eio")
        for node in lab.nodes:
            lost = case.watch.wait(node, lambda state: not state.quorate, since_ns,
                                   2 * detection_ms(lab) / 1000 + 10, "inquorate")
            case.note("without quorum after", (lost.at_ns - since_ns) / 1e6)
        hold(CUT_S)
        case.check_states([], lab.nodes)
        lab.volume_fault("heal")
        case.heal()
        case.check_one_quorate(since_ns)


which = sys.argv[1] if len(sys.argv) > 1 else "apart"
if which == "apart":
    run_quorum("quorum_ring_apart", apart, nodes=4, ring=True, volume="nbd",
               quorum={"mode": "tie-breaker"})
else:
    run_quorum("quorum_ring_same", same, nodes=3, ring=True, volume="nbd",
               quorum={"mode": "last-man-standing", "kind": "ring"})
