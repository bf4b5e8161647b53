#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Last man standing: of four nodes three die one after another, and the last one is quorate."""
import time

from quorum_scenario import names, run_quorum, times


def last_man(case):
    case.show_limits()
    nodes = case.lab.nodes
    for number in range(times(1)):
        alive = list(nodes)
        began_ns = time.monotonic_ns()
        while len(alive) > 1:
            # The holder and the others by turns; every node is the last one at some time.
            holder = case.wait_holder()
            others = [node for node in alive if node is not holder]
            dead = holder if (number + len(alive)) % 2 == 0 else others[number % len(others)]
            alive.remove(dead)
            case.report.step(f"{dead.name} dies, {holder.name} holds the grant")
            since_ns = time.monotonic_ns()
            dead.kill()
            took_ms = case.wait_winner(alive, since_ns)
            case.report.step(f"{names(alive)} quorate after {took_ms:.0f} ms")
        case.check_states(alive, [])
        for node in nodes:
            if node not in alive:
                node.boot()
        case.heal()
        case.check_one_quorate(began_ns)


run_quorum("quorum_last_man", last_man, nodes=4, quorum={"mode": "last-man-standing"})
