#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two sites with a read deadline: a delay filter before one array is switched above it, under a CPG
stream that only the ring carries. Both sides say within a second that the other one is late, once,
and take it back when the delay is gone; the cluster goes on all the time.
"""
import time

from sandbox import wait_until
from scenario import SOAK, run, settle, wait_link
from sites import Sites
from stream import Stream

DEADLINE_MS = 250
DELAY_MS = 300
SECONDS = 20 if SOAK else 5
# What is read is as old as both ways together, and with the delay a copy waits for two answers of
# the other array: what was new in the ring, then the table block.
OPTIONS = f"read_deadline_ms = {DEADLINE_MS}\nttl_ms = 3000\npeer_timeout_ms = 4000\n"
LATE = "is late: it reads what we write later than"
AGAIN = "reads in time again"


def peer_at_other_site(lab, node):
    """What a node's diskhbd says of the node at the other site."""
    return lab.ring_status(node)["peers"][0]


def wait_states(lab, state, began, report):
    """Waits until both nodes see the other one so, and tells how long it took."""
    for node in lab.nodes:
        wait_until(lambda each=node: peer_at_other_site(lab, each)["state"] == state, 15,
                   f"{state} on {node.name}", 0.01)
    took_ms = (time.monotonic() - began) * 1000
    report.measured(f"{state} on both nodes after [ms]", f"{took_ms:.0f}")
    return took_ms


def lines(node, text):
    """How many lines of diskhbd's log have the text."""
    return node.log_text("/var/log/diskhbd.log").count(text)


def deadline(lab, report):
    stream = Stream(lab, rate=100, size=512).start()
    settle(lab, stream)
    lab.cut("all")
    wait_link(lab, 0, False, 15)
    stream.run_for(2)
    before = {node: peer_at_other_site(lab, node) for node in lab.nodes}
    logged = {node: (lines(node, LATE), lines(node, AGAIN)) for node in lab.nodes}
    for node, peer in before.items():
        report.measured(f"{node.name}: lag p50, p99 [ms], breaches so far",
                        f"{peer['lag_us_p50'] / 1000:.1f}, {peer['lag_us_p99'] / 1000:.1f}, "
                        f"{peer['deadline_breaches']}")
        report.check(peer["state"] == "alive", f"{node.name}: the peer is {peer['state']}")

    report.step(f"the filter delays by {DELAY_MS} ms each way, the deadline is {DEADLINE_MS} ms")
    began = time.monotonic()
    lab.arrays[1].set_delay(DELAY_MS)
    took_ms = wait_states(lab, "late", began, report)
    report.check(took_ms <= 1000, f"the breach was reported after {took_ms:.0f} ms")
    for node in lab.nodes:
        wait_until(lambda each=node: lines(each, LATE) > logged[each][0], 1,
                   f"the breach in the log of {node.name}", 0.01)
    report.measured("in both logs after [ms]", f"{(time.monotonic() - began) * 1000:.0f}")
    stream.run_for(SECONDS)
    for node in lab.nodes:
        peer = peer_at_other_site(lab, node)
        breaches = peer["deadline_breaches"] - before[node]["deadline_breaches"]
        bursts = peer["deadline_bursts"] - before[node]["deadline_bursts"]
        report.measured(f"{node.name}: breaches, bursts", f"{breaches}, {bursts}")
        report.check(peer["state"] == "late", f"{node.name}: the peer is {peer['state']}")
        report.check(bursts == 1 and breaches > bursts,
                     f"{node.name}: {breaches} breaches in {bursts} bursts")
        report.check(lines(node, LATE) == logged[node][0] + 1,
                     f"{node.name}: the burst is in the log more than once")

    report.step("the filter lets everything pass at once again")
    began = time.monotonic()
    lab.arrays[1].set_delay(0)
    wait_states(lab, "alive", began, report)
    for node in lab.nodes:
        wait_until(lambda each=node: lines(each, AGAIN) > logged[each][1], 5,
                   f"the end of it in the log of {node.name}", 0.01)
    lab.heal("all")
    wait_link(lab, 0, True, 30)
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)


run("sites_deadline", deadline, kind=Sites, nodes=2, has_delay_filter=True, far_options=OPTIONS)
