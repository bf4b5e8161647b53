#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The network is cut in every way under a CPG stream; the cluster must not notice.

test_cuts.py [NODES [RATE]]: of the whole network, of one node's port, of one direction only.
"""
import sys

from scenario import SOAK, cut_for, detection_ms, run, settle
from stream import Stream

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 3
RATE = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
CUTS = {2: ["all", "n1:in"], 3: ["all", "n2", "n3:in", "n1:out"], 5: ["all", "n4"]}[NODES]
SECONDS = 60 if SOAK else 5


def cuts(lab, report):
    ring_downs = lab.downs(1)
    stream = Stream(lab, rate=RATE, size=1024).start()
    for what in CUTS:
        settle(lab, stream)
        report.step(f"cut {what} for {SECONDS} s")
        cut_for(lab, stream, what, SECONDS)
    ring_downs = lab.downs(1) - ring_downs
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    report.check_gap(verdict, detection_ms(lab) + 1000)
    report.measured("how often the ring's links went down", ring_downs)
    report.check(ring_downs == 0, f"the ring's links went down {ring_downs} times")


run(f"cuts_{NODES}", cuts, nodes=NODES)
