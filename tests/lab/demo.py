#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What tests/demo shows: a cluster under load whose network is cut and healed; with --two-sites, one
between two sites that share no disk, and then the link between their arrays, too."""
import argparse
import json
import os
import queue
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import config
from lab import Lab
from sandbox import LabError
from scenario import BACKOFF_S, detection_ms, wait_link
from sites import Sites
from stream import Stream

RATE = 500
SIZE = 1024
AFTER_S = 6


class Screen:
    """Lines for people; colour only on a terminal."""

    def __init__(self):
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def paint(self, text, code):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def good(self, text):
        return self.paint(text, "32")

    def bad(self, text):
        return self.paint(text, "31;1")

    def say(self, text=""):
        print(text, flush=True)

    def title(self, text):
        self.say()
        self.say(self.paint(text, "1"))


class Show:
    """The live view: one line a second."""

    def __init__(self, screen, lab):
        self.screen = screen
        self.lab = lab
        self.began = time.monotonic()
        self.lines = queue.Queue()
        self.latest = {}
        self.rates = {}

    def on_line(self, line):
        """Called by the stream's readers for each line of a node."""
        if line["event"] != "second":
            return
        total = sum(one["received"] for one in line["senders"].values())
        node, at = line["node"], line["t"]
        if node in self.latest:
            before_at, before = self.latest[node][:2]
            self.rates[node] = (total - before) / (at - before_at)
        self.latest[node] = (at, total, line)
        if node == self.lab.nodes[0].id:
            self.lines.put(line)

    def header(self):
        self.screen.say(f"  {'time':>5}  {'network':<8} {'ring':<8} {'members':<8} {'quorum':<7}"
                        f" {'delivered':>12}  {'latency p50':>12} {'p99':>10}  {'pause':>8}")

    def run_for(self, seconds):
        """Shows a line a second for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                line = self.lines.get(timeout=max(0.05, deadline - time.monotonic()))
                # Asking all nodes may take longer than a second: then some are left out.
                while not self.lines.empty():
                    line = self.lines.get_nowait()
            except queue.Empty:
                continue
            self.show(line)

    def show(self, line):
        links = {0: [], 1: []}
        members, quorate = [], True
        for node in self.lab.nodes:
            members.append(len(node.members()))
            quorate = quorate and self.latest.get(node.id, (0, 0, line))[2]["quorate"]
            for peer in node.links().values():
                for link, states in links.items():
                    states.append(peer.get(link, {}).get("connected", False))
        whole = min(members) == len(self.lab.nodes)
        member_text = f"{min(members)} of {len(self.lab.nodes)}"
        gap_ms = line["gap_ms"]
        rate = f"{sum(self.rates.values()):.0f}/s" if self.rates else "-"
        columns = [
            f"{line['t'] - self.began:4.0f} s",
            self.state(links[0], 8),
            self.state(links[1], 8),
            (self.screen.good if whole else self.screen.bad)(f"{member_text:<8}"),
            self.screen.good(f"{'yes':<7}") if quorate else self.screen.bad(f"{'NO':<7}"),
        ]
        self.screen.say("  " + columns[0].rjust(5) + "  " + " ".join(columns[1:])
                        + f" {rate:>12}"
                        + f"  {line['latency_us_p50'] / 1000:>9.2f} ms"
                        + f" {line['latency_us_p99'] / 1000:>7.2f} ms"
                        + (f"  {gap_ms:>5.0f} ms" if gap_ms >= 200 else f"  {'-':>8}"))

    def state(self, states, width):
        if all(states):
            return self.screen.good(f"{'up':<{width}}")
        text = "DOWN" if not any(states) else f"{sum(states)}/{len(states)} up"
        return self.screen.bad(f"{text:<{width}}")


def corosync_version():
    """Of the Corosync that is installed."""
    shown = subprocess.run(["corosync", "-v"], text=True, capture_output=True, check=False).stdout
    found = re.search(r"version '([^']+)'", shown)
    return found[1] if found else "unknown"


def describe(lab, screen):
    """What runs where; returns what the volumes are."""
    if isinstance(lab, Sites):
        volume = (f"2 files of {lab.volume.size_bytes >> 20} MiB a site on {file_system(lab.dir)}, "
                  "copied over TCP")
        for site in (0, 1):
            names = " and ".join(node.name for node in lab.nodes_of(site))
            screen.say(f"  site {'AB'[site]}, {names}: they write to {lab.arrays[site].send}")
            screen.say(f"    and read the other site from {lab.arrays[site].copy}, to which its "
                       "diskhb-copyd copy")
    else:
        volume = f"file of {lab.volume.size_bytes >> 20} MiB on {file_system(lab.dir)}"
        screen.say(f"  the shared volume: {lab.volume.device} ({volume})")
    screen.say(f"  link 0, network: {config.network_address(1)} ... over a switch")
    screen.say(f"  link 1, ring:    {config.ring_address(1)} ... through the volume"
               f"{'s' if isinstance(lab, Sites) else ''}")
    return volume


def cut_copies(lab, show):
    """The link between the arrays goes and comes back; nothing but the ring depends on it."""
    show.screen.title("The link between the arrays is cut now: the network carries on")
    show.header()
    lab.cut_far()
    begin = time.monotonic()
    while not lab.is_far_link(False) and time.monotonic() < begin + 30:
        show.run_for(1)
    show.run_for(2)
    show.screen.title("It is healed: diskhb-copyd and the ring find it again by themselves")
    show.header()
    lab.heal_far()
    while not lab.is_far_link(True) and time.monotonic() < begin + 120:
        show.run_for(1)
    show.run_for(2)


def demonstrate(options, screen):
    screen.title(f"Starting {options.nodes} nodes, each with Corosync {corosync_version()} and "
                 "diskhbd, in namespaces of this machine")
    kind = Sites if options.two_sites else Lab
    with kind(f"demo-{os.getpid()}", nodes=options.nodes) as lab:
        volume = describe(lab, screen)
        far = lab.nodes[-1]
        idle = lab.nodes[0].ring_ping(far.id, 5)
        screen.say(f"  a round trip over the idle ring, n1 to {far.name}: {idle['p50_us']:.0f} us")

        show = Show(screen, lab)
        stream = Stream(lab, rate=RATE, size=SIZE, on_line=show.on_line).start()
        screen.title(f"Every node sends {RATE} CPG messages of {SIZE} bytes a second to all")
        show.header()
        # knet needs this long after its start to react in its normal time.
        show.run_for(BACKOFF_S)

        screen.title(f"The whole network is cut now, for {options.seconds} s")
        show.header()
        lab.cut("all")
        show.run_for(options.seconds / 2)
        # In another thread, or the live view would wait for it.
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(lab.nodes[0].ring_ping, far.id, max(1, options.seconds // 2 - 2))
            show.run_for(options.seconds - options.seconds / 2)
            busy = answer.result()
        screen.title("The network is healed")
        show.header()
        lab.heal()
        show.run_for(AFTER_S)
        wait_link(lab, 0, True, 30)
        if options.two_sites:
            cut_copies(lab, show)
        is_whole = lab.is_whole()
        verdict = stream.stop()
        # The copies' way takes longer, and what the cut has taken goes it more than once.
        limit_ms = detection_ms(lab) + (2000 if options.two_sites else 1000)

    return {
        "nodes": options.nodes,
        "cuts": 1,
        "cut_seconds": options.seconds,
        "sites": 2 if options.two_sites else 1,
        "whole_at_the_end": is_whole,
        "membership_changes": verdict["membership_changes"],
        "quorum_losses": verdict["quorum_losses"],
        "cpg_sent": verdict["sent"],
        "cpg_expected": verdict["expected"],
        "cpg_delivered": verdict["delivered"],
        "cpg_lost": verdict["lost"],
        "cpg_duplicated": verdict["duplicated"],
        "cpg_reordered": verdict["reordered"],
        "cpg_corrupt": verdict["corrupt"],
        "longest_gap_ms": verdict["longest_gap_ms"],
        "longest_gap_limit_ms": limit_ms,
        "latency_us_p50": verdict["latency_us_p50"],
        "ring_rtt_us_p50": round(busy["p50_us"], 1),
        "ring_rtt_idle_us_p50": round(idle["p50_us"], 1),
        "corosync_version": corosync_version(),
        "volume": volume,
    }


def file_system(path):
    """The type of the file system that holds a path."""
    return subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", path], text=True, capture_output=True,
                          check=False).stdout.strip() or "disk"


def summary(result, screen):
    """Prints the table; returns whether all was well."""
    screen.title("What was measured")
    zero = ["membership_changes", "quorum_losses", "cpg_lost", "cpg_duplicated", "cpg_reordered",
            "cpg_corrupt"]
    rows = [
        ("nodes, sites, network cuts", f"{result['nodes']}, {result['sites']}, {result['cuts']} of "
                                       f"{result['cut_seconds']} s"),
        ("membership changes", result["membership_changes"]),
        ("losses of quorum", result["quorum_losses"]),
        ("CPG messages sent", result["cpg_sent"]),
        ("deliveries, of those due", f"{result['cpg_delivered']} of {result['cpg_expected']}"),
        ("lost, doubled, out of order, damaged",
         f"{result['cpg_lost']}, {result['cpg_duplicated']}, {result['cpg_reordered']}, "
         f"{result['cpg_corrupt']}"),
        ("longest pause in deliveries", f"{result['longest_gap_ms']:.0f} ms (until knet sees the "
                                        f"cut; limit {result['longest_gap_limit_ms']} ms)"),
        ("CPG latency, median", f"{result['latency_us_p50']} us"),
        ("ring round trip, median",
         f"{result['ring_rtt_us_p50']:.0f} us while it carries the cluster, "
         f"{result['ring_rtt_idle_us_p50']:.0f} us idle"),
        ("volume", result["volume"]),
    ]
    for what, value in rows:
        screen.say(f"  {what:<38} {value}")
    good = (result["whole_at_the_end"] and all(result[key] == 0 for key in zero)
            and result["cpg_sent"] > 0
            and result["longest_gap_ms"] <= result["longest_gap_limit_ms"])
    screen.say()
    screen.say(screen.good("The cluster stayed whole: no change of membership, nothing lost.")
               if good else screen.bad("The cluster did NOT stay whole."))
    return good


def main():
    parser = argparse.ArgumentParser(prog="tests/demo", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write what was measured to FILE")
    parser.add_argument("--two-sites", action="store_true",
                        help="half of the nodes at a site with an array of its own")
    parser.add_argument("--nodes", type=int, choices=range(2, 9), metavar="2..8",
                        help="3 if not given, 4 with --two-sites")
    parser.add_argument("--seconds", type=int, default=20, help="how long the network is cut")
    options = parser.parse_args()
    options.nodes = options.nodes or (4 if options.two_sites else 3)
    screen = Screen()
    try:
        result = demonstrate(options, screen)
    except LabError as error:
        sys.exit(f"tests/demo: {error}")
    except KeyboardInterrupt:
        sys.exit("tests/demo: interrupted; all of it was removed")
    good = summary(result, screen)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)
            file.write("\n")
    sys.exit(0 if good else 1)


main()
