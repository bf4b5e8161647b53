#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Corosync's own packets never go by a route: its prefix is the network's, so that nothing longer keeps
knet's packets there; its gateway forwards nothing at first; and then what it asks, beyond the gateway,
is gone, while the network itself is well.
"""
import json

import config
from outside import ADDRESS, Outside
from sandbox import wait_until
from scenario import run
from stream import Stream

ROUTE = f"""
[[route]]
name = "narrow"
prefixes = ["10.77.0.0/24", "192.0.2.0/24"]
gateway = "{config.network_address(2)}"
probe = "{ADDRESS}"
carriers = [2]
probe_interval_ms = 200
"""


def way(lab, node):
    """Which way the route of a node goes."""
    text = node.run([lab.binary("diskhb/tools/diskhb"), "status", "--json"]).stdout
    return json.loads(text)["routes"][0]["way"]


def towards(node, address):
    """The kernel's words on the way to an address."""
    return node.run(["ip", "route", "get", address]).stdout


def ours(node):
    """The routes that diskhbd has set."""
    return node.run(["ip", "route", "show", "proto", "217"]).stdout


def routes_cluster(lab, report):
    Outside(lab, lab.node("n2"))
    users = [lab.nodes[0], lab.nodes[2]]
    for node in users:
        wait_until(lambda each=node: way(lab, each) == "gateway", 15, f"the route of {node.name}")
    lab.wait_whole(30)
    stream = Stream(lab, rate=200, size=512).start()
    stream.run_for(2)
    downs = lab.downs(0)
    report.step("what the route asks is gone, and the network is not")
    lab.nodes[1].run(["ip", "link", "set", "eth1", "down"])
    for node in users:
        wait_until(lambda each=node: way(lab, each) == "ring", 15,
                   f"the route of {node.name} to go over the ring")
        report.check("dhb0r" in towards(node, "10.77.0.77"), f"{node.name}: the prefix goes "
                     f"{towards(node, '10.77.0.77')!r}")
        for peer in lab.nodes:
            if peer is not node:
                shown = towards(node, config.network_address(peer.id))
                report.check("dev eth0" in shown, f"{node.name} to {peer.name}: {shown!r}")
    stream.run_for(6)
    report.measured("how often links of the network went down", lab.downs(0) - downs)
    report.check(lab.downs(0) == downs, "knet's packets were led into the ring with the rest")
    report.step("it is there again")
    lab.nodes[1].run(["ip", "link", "set", "eth1", "up"])
    for node in users:
        wait_until(lambda each=node: way(lab, each) == "gateway", 20,
                   f"the route of {node.name} to return")
        report.check("dhb0r" not in ours(node), f"{node.name}: something is left: {ours(node)!r}")
    report.step("another route is longer for a while")
    first = users[0]
    own = f"{config.network_address(3)} dev eth0"
    report.check(own in ours(first), f"n1 has no way of its own to n3: {ours(first)!r}")
    first.run(["ip", "route", "add", "10.77.0.2/31", "dev", "eth0"])
    wait_until(lambda: own not in ours(first), 5, "n1 to take back its way to n3")
    first.run(["ip", "route", "del", "10.77.0.2/31", "dev", "eth0"])
    wait_until(lambda: own in ours(first), 5, "n1 to have its way to n3 again")
    stream.run_for(2)
    users[0].end_process("diskhbd")
    report.check(ours(first) == "", f"after a stop: {ours(first)!r}")
    report.check("dev eth0" in towards(users[0], config.network_address(3)), "no way to n3 is left")
    users[0].start_diskhbd()
    stream.run_for(2)
    report.check(lab.downs(0) == downs, "a stop and a start of diskhbd cost a link of the network")
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)


run("routes_cluster", routes_cluster, nodes=3, ring_options=ROUTE)
