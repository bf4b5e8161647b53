#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The network goes away and comes back again and again under a CPG stream."""
from scenario import SOAK, cut_for, detection_ms, run, settle
from stream import Stream

CUTS = 20 if SOAK else 4


def cuts_in_a_row(lab, report):
    stream = Stream(lab, rate=1000, size=1024).start()
    for number in range(1, CUTS + 1):
        settle(lab, stream)
        report.step(f"cut {number} of {CUTS}")
        cut_for(lab, stream, "all", 4)
    verdict = stream.stop()
    report.measured("cuts", CUTS)
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    report.check_gap(verdict, detection_ms(lab) + 1000)


run("cuts_in_a_row", cuts_in_a_row)
