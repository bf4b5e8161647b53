#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""diskhb watch on every node, while the network is cut again and again and while it is not.

Each cut must be recognised within 500 ms of knet's own verdict, which is the line "link: 0 is down"
in Corosync's log, and nothing may be told while nothing happens, under load. The same clock of the machine
stamps both.
"""
import datetime
import json
import os
import re
import subprocess
import threading
import time

from sandbox import wait_until
from scenario import BACKOFF_S, SOAK, run, token_ms
from stream import Stream

CUTS = 100 if SOAK else 4
LOAD_S = 600 if SOAK else 20
LIMIT_MS = 500
DOWN = re.compile(r"^(\w{3} \d\d \d\d:\d\d:\d\d\.\d{3}).*\[KNET\s*\] link: host: (\d+) link: 0 is down",
                  re.MULTILINE)
HOOK = """#!/bin/sh
echo "$DISKHB_EVENT $DISKHB_EVENT_NODES $DISKHB_RUNS_ON $DISKHB_QUORATE" >>/run/hook.log
"""


class Watcher:
    """diskhb watch --json on a node; its lines as they come."""

    def __init__(self, lab, node, options=()):
        self.node = node
        self.lines = []
        self._child = node.popen([lab.binary("diskhb/tools/diskhb"), "watch", "--json", *options],
                                 stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(lambda: self.lines, 20, f"diskhb watch on {node.name} to start")

    def _read(self):
        for text in self._child.stdout:
            self.lines.append(json.loads(text))

    def since(self, count, event=None):
        """The lines after the first `count`, or those of an event."""
        return [line for line in self.lines[count:] if event in (None, line["event"])]

    def stop(self):
        """Ends it; returns its exit code."""
        self._child.terminate()
        return self._child.wait(10)


def downs_in_log(node):
    """When knet declared link 0 down, in ms since the epoch, with the peer."""
    year = datetime.datetime.now().year
    found = []
    for stamp, peer in DOWN.findall(node.log_text()):
        at = datetime.datetime.strptime(f"{year} {stamp}", "%Y %b %d %H:%M:%S.%f")
        found.append((at.timestamp() * 1000, int(peer)))
    return found


def cut_once(lab, watchers):
    """Cuts, waits until all have told, heals; the delays of all nodes in ms."""
    told = {watcher: len(watcher.lines) for watcher in watchers}
    logged = {watcher: len(downs_in_log(watcher.node)) for watcher in watchers}
    lab.cut("all")
    try:
        for watcher in watchers:
            wait_until(lambda each=watcher: sum(len(line["nodes"]) for line in
                                                each.since(told[each], "network-lost")) == 2,
                       20, f"{watcher.node.name} to tell of the cut", 0.05)
    finally:
        lab.heal()
    delays = []
    for watcher in watchers:
        downs = {peer: at for at, peer in downs_in_log(watcher.node)[logged[watcher]:]}
        for line in watcher.since(told[watcher], "network-lost"):
            delays += [line["time_ms"] - downs[peer] for peer in line["nodes"]]
    for watcher in watchers:
        wait_until(lambda each=watcher: each.lines[-1]["runs_on"] == "network", 30,
                   f"{watcher.node.name} to tell of the healing", 0.05)
        kinds = {line["event"] for line in watcher.since(told[watcher])}
        if kinds != {"network-lost", "on-ring", "network-back"}:
            delays.append(float("inf"))
    return delays


def watch(lab, report):
    hook = os.path.join(lab.dir, "shared", "hook")
    with open(lab.hub.path(hook), "w", encoding="utf-8") as file:
        file.write(HOOK)
    os.chmod(lab.hub.path(hook), 0o755)
    watchers = [Watcher(lab, node, ["--exec", hook] if node.id == 1 else []) for node in lab.nodes]
    for watcher in watchers:
        first = watcher.lines[0]
        report.check(first["event"] == "started" and first["runs_on"] == "network"
                     and first["quorate"], f"{watcher.node.name} begins with {first}")

    report.step(f"{LOAD_S} s of load, with nothing to tell")
    stream = Stream(lab, flood=True, size=1024).start()
    before = {watcher: len(watcher.lines) for watcher in watchers}
    stream.run_for(LOAD_S)
    told = [line for watcher in watchers for line in watcher.since(before[watcher])]
    report.measured("told while nothing happened", len(told))
    report.check(not told, f"told while nothing happened: {told[:3]}")
    report.check_unshaken(stream.stop())

    report.step(f"{CUTS} cuts")
    stream = Stream(lab, rate=200, size=256).start()
    delays = []
    for number in range(CUTS):
        stream.run_for(BACKOFF_S)
        delays += cut_once(lab, watchers)
        if number % 10 == 9:
            report.step(f"{number + 1} cuts, at most {max(delays):.0f} ms")
    report.check_unshaken(stream.stop())
    delays.sort()
    report.measured("links seen to go down, in cuts", f"{len(delays)}, {CUTS}")
    report.measured("recognised after knet's verdict [ms]: median, max",
                    f"{delays[len(delays) // 2]:.0f}, {delays[-1]:.0f}")
    report.check(len(delays) == CUTS * 6, f"{len(delays)} links went down, not {CUTS * 6}")
    report.check(delays[-1] < LIMIT_MS, f"one was recognised after {delays[-1]:.0f} ms")

    wait_until(lambda: lab.nodes[0].log_text("/run/hook.log").count("network-back") >= CUTS, 15,
               "the program to be run for each event")
    lines = lab.nodes[0].log_text("/run/hook.log").splitlines()
    report.check(lines[0] == "started 1 2 3 network 1", f"the program was told {lines[0]!r}")
    report.check(any(re.match(r"network-lost [23 ]+ (ring|both) 1", line) for line in lines),
                 "the program was not told of a lost network")
    other_views(lab, report, watchers)


def other_views(lab, report, watchers):
    """Corosync that stands still, and one that ends."""
    report.step("Corosync of n3 stands still, goes on, and ends")
    third = watchers[2]
    began = time.monotonic()
    os.kill(third.node.pids["corosync"], 19)
    wait_until(lambda: third.lines[-1]["event"] == "corosync-silent", token_ms(lab) / 1000 + 2,
               "corosync-silent", 0.05)
    silent_s = time.monotonic() - began
    report.measured("told to be silent after [s], token", f"{silent_s:.1f}, {token_ms(lab) / 1000:.1f}")
    report.check(silent_s > token_ms(lab) / 1000 - 0.5, "told to be silent before anybody gave it up")
    time.sleep(0.2)
    os.kill(third.node.pids["corosync"], 18)
    wait_until(lambda: any(line["event"] == "corosync-back" for line in third.lines), 10,
               "corosync-back", 0.05)
    lab.wait_whole(60)
    for watcher in watchers:
        wait_until(lambda each=watcher: each.lines[-1]["members"] == [1, 2, 3]
                   and each.lines[-1]["runs_on"] == "network", 20,
                   f"{watcher.node.name} to tell that all is well again", 0.05)
    third.node.end_process("corosync")
    wait_until(lambda: third.lines[-1]["event"] == "corosync-gone", 5, "corosync-gone", 0.05)
    first = watchers[0]
    wait_until(lambda: first.lines[-1]["members"] == [1, 2], 10, "n1 to tell that n3 has left", 0.05)
    report.check(first.lines[-1]["event"] == "members" and first.lines[-1]["runs_on"] == "network",
                 f"n1 tells of a leave: {first.lines[-1]}")
    told = len(third.lines)
    third.node.start_corosync()
    wait_until(lambda: third.since(told, "corosync-back"), 30, "corosync-back on n3", 0.1)
    wait_until(lambda: third.lines[-1]["quorate"], 30, "n3 to be quorate again", 0.1)
    for watcher in watchers:
        report.check(watcher.stop() == 0, f"diskhb watch on {watcher.node.name} ends badly")


if __name__ == "__main__":
    run("watch", watch)
