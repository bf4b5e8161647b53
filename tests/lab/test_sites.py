#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two sites with an array each, diskhb-copyd both ways: the network between all nodes is cut under a
CPG stream, and the cluster must not notice, with the timers that `diskhb measure` advises. Then the
replication network is cut, and both arrays restarted: the ring comes back by itself.

test_sites.py [DELAY_MS]: what each request to the other array takes, each way.
"""
import sys

from scenario import SOAK, detection_ms, run, settle, wait_link
from sites import Sites
from stream import Stream

DELAY_MS = int(sys.argv[1]) if len(sys.argv) > 1 else 0
SECONDS = 60 if SOAK else 12
RATE = 200
# The token's way to the other site and back: twice a batch and then the table block that announces
# it, each a request to the other array. What the cut has taken is asked for again at each turn.
TURN_MS = 2 * 2 * 2 * DELAY_MS
TURNS = 10


def sites(lab, report):
    stream = Stream(lab, rate=RATE, size=512).start()
    timers, lag_ms = lab.measured_timers()
    report.measured("diskhb measure: to the other site and back, p99 [ms]", f"{lag_ms:.1f}")
    report.measured("diskhb measure: token, knet_ping_timeout of the ring [ms]",
                    f"{timers['token']}, {timers['link1_ping_timeout']}")
    lab.use_timers(timers)
    settle(lab, stream)
    report.step(f"cut the network of all nodes for {SECONDS} s")
    lab.cut("all")
    wait_link(lab, 0, False, 15)
    stream.run_for(SECONDS)
    lab.report_lag(report)
    lab.heal("all")
    wait_link(lab, 0, True, 30)
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    report.check_gap(verdict, detection_ms(lab) + 2000 + TURNS * TURN_MS)

    report.step("cut the replication network")
    lab.cut_far()
    lab.wait_far_link(False, 30)
    lab.heal_far()
    lab.wait_far_link(True, 90)
    report.step("the ring is back; restart both arrays")
    for array in lab.arrays:
        array.end()
    lab.wait_far_link(False, 30)
    for array in lab.arrays:
        array.serve(DELAY_MS)
    lab.wait_far_link(True, 90)
    report.check(lab.is_whole(), "the cluster is not whole at the end")


run(f"sites_{DELAY_MS}", sites, kind=Sites, delay_ms=DELAY_MS)
