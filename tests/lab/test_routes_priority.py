#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Traffic through a route must not harm the cluster on the same ring: with no network left, iperf3
fills the ring through a route, by TCP in both directions and by UDP far beyond what the ring takes,
while Corosync's membership must stay and the ring's ping must stay short.

60 s of each with DISKHB_SOAK=1.
"""
import json
import os
import subprocess
import time

from outside import ADDRESS, Outside, route_toml
from sandbox import wait_until
from scenario import SOAK, run, settle, wait_link
from stream import Stream

SECONDS = 60 if SOAK else 10
# name, options of the client
FLOODS = [("TCP, sent, 4 connections", ["-P", "4"]),
          ("TCP, received, 4 connections", ["-P", "4", "-R"]),
          ("UDP, sent, 2 Gbit/s offered", ["-u", "-b", "2G", "-l", "1400"])]


def routed(lab, node):
    """What the interface of the routes counts."""
    text = node.run([lab.binary("diskhb/tools/diskhb"), "status", "--json"]).stdout
    return json.loads(text)["rings"][0]["routed"]


def flood(lab, report, web, options):
    """iperf3 from n1 to the host outside, and the ring's ping meanwhile."""
    server = web.popen(["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    before = routed(lab, lab.nodes[0])
    # Its report is longer than a pipe holds.
    path = os.path.join(lab.dir, "iperf3.json")
    with open(path, "wb") as file:
        client = lab.nodes[0].popen(["iperf3", "-c", ADDRESS, "-t", SECONDS, "-J", *options],
                                    stdout=file)
    pings = []
    while client.poll() is None:
        # Each way: to who carries, and between two that have nothing to do with the flood.
        pings.append(lab.nodes[0].ring_ping(2, 5))
        pings.append(lab.nodes[2].ring_ping(2, 5))
    with open(path, encoding="utf-8") as file:
        result = json.load(file)
    server.wait(20)
    after = routed(lab, lab.nodes[0])
    end = result.get("end", {})
    received = end.get("sum_received") or end.get("sum") or {}
    report.measured("  Mbit/s", f"{received.get('bits_per_second', 0) / 1e6:.0f}")
    report.check("error" not in result, f"iperf3: {result.get('error')}")
    report.check(received.get("bytes", 0) > 1e6, "next to nothing went through the route")
    report.measured("  packets over the route, refused by its share",
                    f"{after['packets_sent'] - before['packets_sent']}, "
                    f"{after['dropped_by_engine'] - before['dropped_by_engine']}")
    sent, answered = (sum(ping[key] for ping in pings) for key in ("sent", "received"))
    longest_us = max(ping["max_us"] for ping in pings)
    limit_us = lab.timers["link1_ping_timeout"] * 1000 / 4
    report.measured("  ring pings, answered", f"{sent}, {answered}")
    report.measured("  ring ping max [us], limit", f"{longest_us:.0f}, {limit_us:.0f}")
    report.check(answered == sent, f"{sent - answered} pings over the ring were not answered")
    report.check(longest_us < limit_us, "the ring's ping waits behind what is routed")


def priority(lab, report):
    web = Outside(lab, lab.node("n2"))
    stream = Stream(lab, rate=200, size=1024, drain_seconds=60).start()
    settle(lab, stream)
    lab.cut("all")
    wait_link(lab, 0, False, 15)
    wait_until(lambda: "dhb0r" in lab.nodes[0].run(["ip", "route", "get", ADDRESS]).stdout, 15,
               "the route to go over the ring")
    downs = lab.downs(1)
    for name, options in FLOODS:
        report.step(f"{name}, for {SECONDS} s")
        flood(lab, report, web, options)
    flaps = lab.downs(1) - downs
    report.measured("how often the ring's links went down", flaps)
    report.check(flaps == 0, f"the ring's links went down {flaps} times")
    members = [node.members() for node in lab.nodes]
    report.check(all(each == [1, 2, 3] for each in members), f"the membership is {members}")
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    lab.heal()
    wait_link(lab, 0, True, 30)


run("routes_priority", priority, nodes=3, ring_options=route_toml())
