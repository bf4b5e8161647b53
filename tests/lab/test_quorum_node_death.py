#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Of two nodes one dies whole: the other is quorate again within take and Corosync's detection.

    test_quorum_node_death.py [defaults]        with the timings of the programs themselves
"""
import sys
import time

from quorum_scenario import run_quorum, times


def node_death(case):
    case.show_limits()
    for number in range(times(1 if "defaults" in sys.argv else 2)):
        # The holder of the grant, and the other one, by turns.
        holder = case.wait_holder()
        other = next(node for node in case.lab.nodes if node is not holder)
        dead, alive = (holder, other) if number % 2 == 0 else (other, holder)
        case.report.step(f"{dead.name} dies, {holder.name} holds the grant")
        since_ns = time.monotonic_ns()
        dead.kill()
        took_ms = case.wait_winner([alive], since_ns)
        case.report.step(f"{alive.name} is quorate after {took_ms:.0f} ms")
        dead.boot()
        case.heal()
        case.check_one_quorate(since_ns)


if "defaults" in sys.argv:
    run_quorum("quorum_defaults", node_death, nodes=2, timers={},
               quorum={"timings": {}})
else:
    run_quorum("quorum_node_death", node_death, nodes=2, quorum={})
