#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Network and volume both go: the cluster splits as it would without diskhb. Healed, it merges."""
from sandbox import wait_until
from scenario import run, settle
from stream import Stream


def split(lab, report):
    settle(lab)
    report.step("network and volume go")
    lab.volume_fault("eio")
    lab.cut("all")
    wait_until(lambda: all(node.members() == [node.id] for node in lab.nodes), 60,
               "every node to be alone", 0.2)
    report.step("every node is alone")
    report.check(not any(node.is_quorate() for node in lab.nodes), "a lone node is quorate")
    lab.heal()
    lab.volume_fault("heal")
    lab.wait_whole(90)
    report.step("healed: all are together, quorate, on both links")
    stream = Stream(lab, rate=1000, size=1024).start()
    stream.run_for(5)
    verdict = stream.stop()
    report.check_unshaken(verdict, "after the merge")
    report.check_exact(verdict, "after the merge")


run("split", split, volume="nbd")
