#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A node dies while the cluster runs on the ring alone: the others see it and go on."""
import signal
import time

from sandbox import wait_until
from scenario import run, settle, token_ms, wait_link
from stream import Stream


def node_death(lab, report):
    settle(lab)
    lab.cut("all")
    wait_link(lab, 0, False, 10)
    stream = Stream(lab, rate=1000, size=1024).start()
    stream.run_for(3)
    dead, rest = lab.nodes[2], lab.nodes[:2]
    report.step(f"{dead.name} dies")
    died_at = time.monotonic()
    dead.end_process("corosync", signal.SIGKILL)
    dead.end_process("diskhbd", signal.SIGKILL)
    # Totem waits for the token, then for the consensus of those that are left (1.2 tokens), then
    # forms the new membership over the ring.
    limit_s = 2.2 * token_ms(lab) / 1000 + 5
    alive = [node.id for node in rest]
    wait_until(lambda: all(node.members() == alive for node in rest), limit_s + 10,
               "a membership without the dead node", 0.1)
    detected_s = time.monotonic() - died_at
    report.measured("death detected after [s], limit", f"{detected_s:.1f}, {limit_s:.1f}")
    report.check(detected_s <= limit_s, "the death was detected late")
    report.check(all(node.is_quorate() for node in rest), "the rest have lost quorum")
    before = [stream.received(node) for node in rest]
    stream.run_for(3)
    report.check(all(stream.received(node) > count + 2000 for node, count in zip(rest, before)),
                 "the rest do not go on")
    stream.stop()
    verdict = stream.verdict(receivers=set(alive), senders=set(alive))
    report.check_exact(verdict, "among the rest")
    report.measured("membership changes", verdict["membership_changes"])
    report.check(verdict["membership_changes"] == 1, "not exactly one membership change")
    report.check(verdict["quorum_losses"] == 0, "quorum was lost")


run("node_death", node_death)
