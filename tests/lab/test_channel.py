#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Numbered messages over a channel (diskhb/channel.hpp) while the network flaps at random.

Two nodes with real diskhbd send to each other; the network is cut in all ways, for random times.
Every message must come once, in order and intact, and no cut may hold messages up for longer than
three heartbeats. DISKHB_SOAK=1: 1,000,000 messages and 50 cuts. CHANNEL_SEED repeats a run.
"""
import json
import os
import random
import statistics
import subprocess
import threading
import time

import config
from sandbox import LabError, wait_until
from scenario import SOAK, run

HEARTBEAT_MS = 100
CUTS = 50 if SOAK else 8
MESSAGES = 1_000_000 if SOAK else 200_000
RATE = 5000
GAP_MS = 20
WAYS = ["all", "all", "n1", "n2:in", "n1:in", "n1:out"]


class End:
    """channel_stream on one node, and what it said."""

    def __init__(self, lab, node, peer, send, expect):
        self.lines = []
        self.gaps = []
        self.path = "none"
        self.end = None
        self._child = node.popen(
            [lab.binary("tests/lab/channel_stream"), "--cluster", config.CLUSTER,
             "--node", str(node.id), "--network", config.network_address(node.id),
             "--volume", config.ring_address(node.id),
             "--peer", str(peer.id), "--peer-network", config.network_address(peer.id),
             "--peer-volume", config.ring_address(peer.id),
             "--heartbeat-ms", str(HEARTBEAT_MS), "--gap-ms", str(GAP_MS),
             "--send", str(send), "--expect", str(expect), "--rate", str(RATE)],
            stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for text in self._child.stdout:
            line = json.loads(text)
            self.lines.append(line)
            if line["event"] == "gap":
                self.gaps.append(line)
            elif line["event"] == "path":
                self.path = line["path"]
            elif line["event"] == "end":
                self.end = line

    def is_running(self):
        """Whether it has not ended yet."""
        return self._child.poll() is None

    def wait(self, timeout_s):
        """Waits for its end; returns its verdict."""
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            raise LabError("channel_stream does not end") from None
        self._reader.join(5)
        if self.end is None:
            raise LabError(f"channel_stream ended without a verdict: {self.lines[-3:]}")
        return self.end

    def held_up_ms(self, begin, end):
        """The longest pause in what came that touches a span of time."""
        return max((gap["ms"] for gap in self.gaps if gap["from"] < end and gap["to"] > begin),
                   default=GAP_MS)


def flap(lab, chance, ends):
    """One cut of random kind and length; (how, when it began, when it ended)."""
    what = chance.choice(WAYS)
    length = chance.choice([chance.uniform(0.02, 0.4), chance.uniform(0.4, 3)])
    begin = time.monotonic()
    lab.cut(what)
    time.sleep(length)
    before_heal = time.monotonic()
    lab.heal(what)
    return what, begin, before_heal


def channel(lab, report):
    seed = int(os.environ.get("CHANNEL_SEED", random.randrange(1 << 32)))
    report.measured("seed", seed)
    chance = random.Random(seed)
    first, second = lab.nodes
    ends = [End(lab, first, second, MESSAGES, MESSAGES), End(lab, second, first, MESSAGES, MESSAGES)]
    wait_until(lambda: all(end.path == "network" for end in ends), 20, "both ends on the network")
    report.step(f"{MESSAGES} messages each way, {RATE}/s, {CUTS} cuts")
    cuts = []
    for _ in range(CUTS):
        # Sometimes back on the network before the next cut, and sometimes not.
        if chance.random() < 0.6:
            wait_until(lambda: all(end.path == "network" or not end.is_running() for end in ends),
                       20, "both ends to be back on the network")
        time.sleep(chance.uniform(0.05, 1))
        if not all(end.is_running() for end in ends):
            break
        on_network = all(end.path == "network" for end in ends)
        cuts.append((*flap(lab, chance, ends), on_network))
    report.check(len(cuts) == CUTS, f"only {len(cuts)} cuts before all messages were sent")
    report.step("the last messages")
    verdicts = [end.wait(MESSAGES / RATE + 90) for end in ends]
    judge(report, verdicts, ends, cuts)


def judge(report, verdicts, ends, cuts):
    for name, found in zip(("n1", "n2"), verdicts):
        report.measured(f"{name}: messages received, of", f"{found.get('received')}, {MESSAGES}")
        for key in ("skipped", "doubled", "damaged"):
            report.check(found.get(key) == 0, f"{name}: {found.get(key)} messages {key}")
        report.check(found["complete"] and found.get("received") == MESSAGES,
                     f"{name}: not all came: {found}")
        counted = found["statistics"]
        report.measured(f"{name}: path changes, resent, dropped as doubles",
                        f"{counted['path_changes']}, {counted['messages_resent']}, "
                        f"{counted['duplicates_dropped']}")
        report.measured(f"{name}: latency p50, p99, max [us]",
                        f"{found['latency_us_p50']:.0f}, {found['latency_us_p99']:.0f}, "
                        f"{found['latency_us_max']:.0f}")
        report.check(counted["malformed"] == 0, f"{name}: {counted['malformed']} malformed")
        report.check(counted["path_changes"] > 1, f"{name}: the path never changed")
    limit = 3 * HEARTBEAT_MS
    held = sorted(max(end.held_up_ms(begin, until + limit / 1000) for end in ends)
                  for _, begin, until, on_network in cuts if on_network)
    report.measured("cuts, of which on the network", f"{len(cuts)}, {len(held)}")
    report.check(len(held) > 0, "no cut came while both were on the network")
    if held:
        p99 = held[int(0.99 * (len(held) - 1))]
        report.measured("held up by a cut, median, p99, most [ms]",
                        f"{statistics.median(held):.0f}, {p99:.0f}, {held[-1]:.0f}")
        report.check(p99 <= limit, f"a cut held messages up for {p99:.0f} ms, more than {limit} ms")


run("channel", channel, nodes=2)
