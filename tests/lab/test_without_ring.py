#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The control: with no ring, the same cut does cost membership, quorum and messages.

If it did not, the other scenarios would prove nothing.
"""
from scenario import run, settle
from sandbox import wait_until
from stream import Stream


def without_ring(lab, report):
    stream = Stream(lab, rate=1000, size=1024, drain_seconds=15).start()
    settle(lab, stream)
    report.step("cut all")
    lab.cut("all")
    wait_until(lambda: not any(node.is_quorate() for node in lab.nodes), 60, "quorum to be lost")
    stream.run_for(2)
    lab.heal()
    lab.wait_whole(60)
    stream.run_for(2)
    verdict = stream.stop()
    for key in ("membership_changes", "quorum_losses", "lost"):
        report.measured(key.replace("_", " "), verdict[key])
        report.check(verdict[key] > 0, f"no {key.replace('_', ' ')}: the test cannot fail")


run("without_ring", without_ring, ring=False)
