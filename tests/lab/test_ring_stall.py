#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The volume stops for a while under a cluster that runs on the ring alone, as a disk array does
when it changes paths.

Shorter than knet's and totem's patience, it must cost nothing but the time. What waited meanwhile
is old and must be dropped: knet takes packets of long ago for new ones (libknet/host.c,
_seq_num_lookup), and totem is harmed by a burst of them.
"""
from scenario import run, settle, wait_link
from stream import Stream

STALLS = 3
STALL_S = 2


def expired(lab):
    """Frames that were dropped because they had become old, on all nodes."""
    return sum(counters["dropped_expired_send"] + counters["dropped_expired_receive"]
               for counters in (node.ring_counters() for node in lab.nodes))


def ring_stall(lab, report):
    settle(lab)
    lab.cut("all")
    wait_link(lab, 0, False, 10)
    stream = Stream(lab, rate=1000, size=1024).start()
    stream.run_for(3)
    ring_downs, expired_before = lab.downs(1), expired(lab)
    for number in range(1, STALLS + 1):
        report.step(f"the volume hangs for {STALL_S} s ({number} of {STALLS})")
        lab.volume_fault("hang")
        stream.run_for(STALL_S)
        lab.volume_fault("heal")
        stream.run_for(5)
    flaps, dropped = lab.downs(1) - ring_downs, expired(lab) - expired_before
    verdict = stream.stop()
    report.measured("old frames dropped", dropped)
    report.check(dropped > 0, "nothing became old: the stall was none")
    report.measured("how often the ring's links went down", flaps)
    report.check(flaps == 0, f"the ring's links went down {flaps} times")
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    # Totem sends a lost token again after token / (retransmits + 0.2), twice at worst.
    report.check_gap(verdict, STALL_S * 1000 + 1500)
    lab.heal()
    wait_link(lab, 0, True, 30)


run("ring_stall", ring_stall, volume="nbd")
