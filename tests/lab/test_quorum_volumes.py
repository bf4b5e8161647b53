#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Quorum volumes fail and hang while all nodes are up.

    test_quorum_volumes.py one      the only volume goes: the cluster stays quorate, the device is
                                    shown without its vote, and is back when the volume is
    test_quorum_volumes.py three    one of three goes: nothing changes
"""
import sys
import time

from quorum_scenario import hold, run_quorum, times

# Of a vote that is withdrawn after `drop`: writing, polling, and looking (every 20 ms).
SLACK_MS = 700
# A volume is opened again, a block written and read, and a ballot held.
BACK_S = 15
GONE_S = 3


def check_quorate_since(case, since_ns):
    """No node lost quorum or changed its membership."""
    ids = tuple(node.id for node in case.lab.nodes)
    for node in case.lab.nodes:
        for state in case.watch.history(node):
            if state.at_ns >= since_ns:
                case.report.check(state.quorate and state.members == ids,
                                  f"{node.name} is shaken by its quorum volume: {state}")


def one(case):
    drop_ms = case.lab.quorum.timing("drop")
    for number in range(times(2)):
        fault = ("eio", "hang")[number % 2]
        case.report.step(f"the quorum volume goes ({fault})")
        since_ns = time.monotonic_ns()
        case.lab.quorum.fault(fault)
        for node in case.lab.nodes:
            gone = case.watch.wait(node, lambda state: state.alive and not state.votes, since_ns,
                                   30, "a device without a vote")
            took_ms = (gone.at_ns - since_ns) / 1e6
            case.note("vote withdrawn after", took_ms)
            case.report.check(took_ms <= drop_ms + SLACK_MS,
                              f"{node.name} voted for {took_ms:.0f} ms without its volume, drop is "
                              f"{drop_ms} ms")
        hold(GONE_S)
        for node in case.lab.nodes:
            device = node.device()
            case.report.check(device.alive and not device.votes,
                              f"{node.name} shows its device otherwise:\n{device.shown}")
        case.report.step("and comes back")
        healed_ns = time.monotonic_ns()
        case.lab.quorum.fault("heal")
        for node in case.lab.nodes:
            back = case.watch.wait(node, lambda state: state.votes, healed_ns, BACK_S,
                                   "the device's vote to be back")
            case.note("vote back after", (back.at_ns - healed_ns) / 1e6)
        check_quorate_since(case, since_ns)
        case.heal()


def three(case):
    for number in range(times(2)):
        fault = ("eio", "hang")[number % 2]
        lost = case.lab.quorum.volumes[number % 3]
        case.report.step(f"one of three quorum volumes goes ({fault}, {lost.name})")
        since_ns = time.monotonic_ns()
        case.lab.quorum.fault(fault, volumes=[lost])
        hold(max(GONE_S, 1.5 * case.take_ms / 1000))
        for node in case.lab.nodes:
            states = {each["path"]: each["state"] for each in node.quorumd_status()["volumes"]}
            case.report.check(states[lost.path(node)] != "ok" or fault == "hang",
                              f"{node.name} has not noticed: {states}")
        case.lab.quorum.fault("heal", volumes=[lost])
        hold(GONE_S)
        check_quorate_since(case, since_ns)
        events = [f"{node.name}: {state}" for node in case.lab.nodes
                  for state in case.watch.history(node) if state.at_ns >= since_ns]
        case.report.check(not events, "something has changed: " + "; ".join(events))
        case.report.step("and is back; nothing has changed")


which = sys.argv[1] if len(sys.argv) > 1 else "one"
run_quorum(f"quorum_volumes_{which}", {"one": one, "three": three}[which], nodes=3,
           quorum={"kind": "nbd", "volumes": 1 if which == "one" else 3})
