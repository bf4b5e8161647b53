#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A CPG flood over the ring alone: the ring's own pings must not wait behind it.

knet declares a link down when its pings take longer than their timeout; if they waited in a queue
behind the flood, the cluster's last link would go. Encrypted, pings cannot be told from the flood:
only short queues help then.

test_flood.py [encrypted]
"""
import sys

from scenario import run, settle, wait_link
from stream import Stream

SECONDS = 30
SIZE = 1024
ENCRYPTED = sys.argv[1:] == ["encrypted"]


def flood(lab, report):
    settle(lab)
    lab.cut("all")
    wait_link(lab, 0, False, 10)
    downs = lab.downs(1)
    stream = Stream(lab, size=SIZE, flood=True, drain_seconds=60).start()
    report.step(f"flood over the ring for {SECONDS} s")
    pings = []
    while stream.age() < SECONDS:
        pings.append(lab.nodes[0].ring_ping(2, 5))
        stream.run_for(0.2)
    verdict = stream.stop()
    limit_us = lab.timers["link1_ping_timeout"] * 1000 / 4
    report.measured("messages a second", round(verdict["sent"] / verdict["seconds"]))
    sent, received = (sum(ping[key] for ping in pings) for key in ("sent", "received"))
    longest_us = max(ping["max_us"] for ping in pings)
    report.measured("ring pings, answered", f"{sent}, {received}")
    report.check(received == sent, f"{sent - received} pings over the ring were not answered")
    report.measured("ring ping max [us], limit", f"{longest_us:.0f}, {limit_us:.0f}")
    report.check(longest_us < limit_us, "the ring's ping waits behind the flood")
    flaps = lab.downs(1) - downs
    report.measured("how often the ring's links went down", flaps)
    report.check(flaps == 0, f"the ring's links went down {flaps} times")
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    lab.heal()
    wait_link(lab, 0, True, 30)


run("flood_encrypted" if ENCRYPTED else "flood", flood, encrypted=ENCRYPTED)
