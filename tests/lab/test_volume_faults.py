#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The volume fails, hangs and heals while the network is up, for one node and for all.

The network link must not feel it; the ring comes back by itself, delivers nothing old, and
carries the cluster when the network then goes.
"""
from scenario import cut_for, detection_ms, run, settle, wait_link
from stream import Stream

HANG_S = 10


def volume_faults(lab, report):
    stream = Stream(lab, rate=1000, size=1024).start()
    settle(lab, stream)
    network_downs = lab.downs(0)
    one, others = lab.nodes[1], [lab.nodes[0], lab.nodes[2]]

    report.step(f"the volume fails for {one.name}")
    others_downs = between(others)
    lab.volume_fault("eio", [one])
    wait_link(lab, 1, False, 20, [one])
    lab.volume_fault("heal", [one])
    report.step("healed")
    wait_link(lab, 1, True, 30)
    flaps = between(others) - others_downs
    report.measured("ring between the others went down", flaps)
    report.check(flaps == 0, "one node's failing volume took down the ring between others")

    report.step("the volume fails for all")
    lab.volume_fault("eio")
    wait_link(lab, 1, False, 60)
    report.step(f"and hangs for {HANG_S} s")
    lab.volume_fault("hang")
    stream.run_for(HANG_S)
    report.step("and is healed")
    lab.volume_fault("heal")
    wait_link(lab, 1, True, 30)
    flaps = lab.downs(0) - network_downs
    report.measured("how often the network link went down", flaps)
    report.check(flaps == 0, f"the network link went down {flaps} times")

    settle(lab, stream)
    report.step("cut: the ring carries again")
    cut_for(lab, stream, "all", 5)
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    report.check_gap(verdict, detection_ms(lab) + 1000)


def between(nodes):
    """How often the ring went down between two nodes."""
    first, second = nodes
    return first.links()[second.id][1]["downs"] + second.links()[first.id][1]["downs"]


run("volume_faults", volume_faults, volume="nbd")
