#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Numbered messages over a channel (diskhb/channel.hpp) while the network flaps at random.

Two nodes with real diskhbd send to each other until all cuts are done; the network is cut in all
ways, for random times. Every message must come once, in order and intact, and 99 % of the cuts may
hold messages up for three heartbeats at most. DISKHB_SOAK=1: 1,000,000 messages each way at least,
and 50 cuts. CHANNEL_SEED repeats a run.
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
MESSAGES = 1_000_000 if SOAK else 100_000
RATE = 5000
PAUSE_S = 4 if SOAK else 1  # between two cuts, at most: over the whole stream
GAP_MS = 20
WAYS = ["all", "all", "n1", "n2:in", "n1:in", "n1:out"]


class End:
    """channel_stream on one node, and what it said."""

    def __init__(self, lab, node, peer):
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
             "--send", str(MESSAGES), "--rate", str(RATE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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

    def finish(self):
        """Sends what is wanted at least, if that is not sent yet, and then no more."""
        print("finish", file=self._child.stdin, flush=True)

    def wait(self, timeout_s):
        """Waits until it has sent and got all; returns its verdict. It still serves the other."""
        wait_until(lambda: self.end is not None or self._child.poll() is not None, timeout_s,
                   "channel_stream to have all")
        if self.end is None:
            raise LabError(f"channel_stream ended without a verdict: {self.lines[-3:]}")
        return self.end

    def leave(self):
        """Ends it."""
        self._child.stdin.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            raise LabError("channel_stream does not end") from None
        self._reader.join(5)

    def held_up_ms(self, begin, end):
        """The longest pause in what came that touches a span of time."""
        return max((gap["ms"] for gap in self.gaps if gap["from"] < end and gap["to"] > begin),
                   default=GAP_MS)


def flap(lab, chance):
    """One cut of random kind and length; (how, when it began, when it was taken back)."""
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
    ends = [End(lab, first, second), End(lab, second, first)]

    def on_network():
        return all(end.path == "network" for end in ends)

    wait_until(on_network, 20, "both ends on the network")
    report.step(f"{RATE} messages/s each way, {MESSAGES} at least; {CUTS} cuts")
    cuts = []
    for _ in range(CUTS):
        # Mostly back on the network before the next cut, and sometimes not.
        if chance.random() < 0.8:
            wait_until(on_network, 20, "both ends to be back on the network")
        time.sleep(chance.uniform(0.05, PAUSE_S))
        was_on_network = on_network()
        cuts.append((*flap(lab, chance), was_on_network))
    report.step("the last messages")
    for end in ends:
        end.finish()
    verdicts = [end.wait(MESSAGES / RATE + 90) for end in ends]
    for end in ends:
        end.leave()
    judge(report, verdicts, ends, cuts)


def judge(report, verdicts, ends, cuts):
    for name, found, other in zip(("n1", "n2"), verdicts, reversed(verdicts)):
        sent, received = other["sent"], found.get("received")
        report.measured(f"{name}: messages sent to it, received", f"{sent}, {received}")
        report.check(received == sent and sent >= MESSAGES and found["complete"],
                     f"{name}: not all came: {found}")
        for key in ("skipped", "doubled", "damaged"):
            report.check(found.get(key) == 0, f"{name}: {found.get(key)} messages {key}")
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
    held = sorted((max(end.held_up_ms(begin, until + limit / 1000) for end in ends), what)
                  for what, begin, until, on_network in cuts if on_network)
    report.measured("cuts, of which on the network", f"{len(cuts)}, {len(held)}")
    report.check(len(held) >= CUTS / 3, f"only {len(held)} cuts came while both were on the network")
    if held:
        p99, what = held[int(0.99 * (len(held) - 1))]
        report.measured("held up by a cut, median, p99, most [ms]",
                        f"{statistics.median(ms for ms, _ in held):.0f}, {p99:.0f}, "
                        f"{held[-1][0]:.0f}")
        report.check(p99 <= limit, f"a cut ({what}) held messages up for {p99:.0f} ms, more than "
                                   f"{limit} ms")


run("channel", channel, nodes=2)
