#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two sites whose copies are made by somebody else: the network is cut under a CPG stream, and the
cluster must not notice.

test_sites_copy.py command: by a script with dd, which then fails, hangs, and is killed.
test_sites_copy.py storage: by arrays that copy in random order and at random granularity. Then an old
snapshot is put back, and a receive volume becomes a copy of its own site's send volume.
"""
import os
import shutil
import sys
import time

from lab import SOURCE
from sandbox import wait_until
from scenario import SOAK, run, settle, wait_link
from sites import Sites
from stream import Stream

WAY = sys.argv[1] if len(sys.argv) > 1 else "command"
SECONDS = 60 if SOAK else 12
# What is read is as old as the copy: a packet must live longer than that.
OPTIONS = "ttl_ms = 3000\n"
SCRIPT = """#!/bin/sh
case $(cat {mode}) in
    fail) echo "no path to the array" >&2; exit 3 ;;
    hang) exec sleep 1000 ;;
    die) kill -KILL $$ ;;
esac
exec {source}/ha-configs/diskhb-copy-dd "$1"
"""


class CopiedSites(Sites):
    """Sites with a copy command, or with arrays that replicate by themselves."""

    def mode_path(self, node):
        """The file that tells the script of a node what to do."""
        return os.path.join(node.dir, "copy-mode")

    def set_mode(self, mode, nodes=None):
        """Lets the copy commands copy, fail or hang."""
        for node in nodes or self.nodes:
            with open(self.mode_path(node), "w", encoding="ascii") as file:
                file.write(mode)

    def copy_lines(self, node):
        if WAY == "storage":
            return 'copy = "storage"\n'
        script = os.path.join(node.dir, "copy")
        with open(script, "w", encoding="ascii") as file:
            file.write(SCRIPT.format(mode=self.mode_path(node), source=SOURCE))
        os.chmod(script, 0o755)
        self.set_mode("copy", [node])
        return (f'copy = "command"\ncopy_command = ["{script}", "{self.target(node)}"]\n'
                "copy_interval_ms = 100\ncopy_timeout_ms = 2000\n")

    def write_configs(self):
        super().write_configs()
        if WAY == "storage":
            self.start_copiers()

    def start_copiers(self):
        """The arrays replicate; what differs from the copy now comes first."""
        self.copiers = [self.hub_popen([os.path.join(os.path.dirname(__file__), "random_copier"),
                                        array.send, self.arrays[1 - array.site].copy,
                                        str(array.site)]) for array in self.arrays]

    def end_copiers(self):
        """They do not any more."""
        for copier in self.copiers:
            copier.kill()
            copier.wait()


def copies(lab, report):
    stream = Stream(lab, rate=50, size=256).start()
    settle(lab, stream)
    report.step(f"cut the network of all nodes for {SECONDS} s")
    lab.cut("all")
    wait_link(lab, 0, False, 15)
    stream.run_for(SECONDS)
    lab.report_lag(report)
    lab.heal("all")
    wait_link(lab, 0, True, 30)
    for node in lab.nodes:
        counters = node.ring_counters()
        report.measured(f"{node.name}: torn, stale, lapped blocks read",
                        f"{counters['rejected_torn']}, {counters['rejected_stale']}, "
                        f"{counters['rejected_lapped']}")
    if WAY == "command":
        script(lab, report)
    else:
        snapshots(lab, report)
    lab.wait_whole(60)
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)


def script(lab, report):
    node = lab.nodes[0]

    def copy():
        return lab.ring_status(node)["copy"]

    before = copy()
    report.measured("runs for writes, failed", f"{before['runs']} for {before['flushes']}, "
                    f"{before['failures']}")
    report.check(before["runs"] < before["flushes"], "writes were not covered by fewer runs")
    report.check(before["failures"] == 0, f"runs failed: {before['error']}")

    for mode, error in (("fail", "exit status 3: no path to the array"),
                        ("die", "ended by signal 9"), ("hang", "killed after 2000 ms")):
        report.step(f"the script does this: {mode}")
        lab.set_mode(mode, [node])
        wait_until(lambda text=error: copy()["error"] == text, 30, f"'{error}' in the status")
        report.check(error in node.log_text("/var/log/diskhbd.log"),
                     f"the log does not say '{error}'")
        report.check(lab.is_connected(node, 0), f"{mode}: the network's link is down")
    report.check(copy()["timeouts"] >= 1, "the hanging script does not count as timed out")
    lab.set_mode("copy", [node])
    wait_until(lambda: copy()["error"] == "", 30, "copying to work again")
    done = node.run([lab.binary("diskhb/tools/diskhb"), "copy", "now", "--wait"])
    report.measured("diskhb copy now --wait", done.stdout.strip())
    done = node.run([lab.binary("diskhb/tools/diskhb"), "copy", "now", "--from",
                     lab.nodes[-1].id, "--wait"])
    report.measured(f"diskhb copy now --from {lab.nodes[-1].id} --wait", done.stdout.strip())


def snapshots(lab, report):
    here = lab.arrays[0]
    old = here.copy + ".snapshot"

    def put(content, what):
        """The receive volume of site 0 becomes something else, until the arrays copy again."""
        report.step(what)
        lab.end_copiers()
        with open(content, "rb") as source, open(here.copy, "r+b") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        for node in lab.nodes_of(0):
            wait_until(lambda one=node: far_states(one) == {"silent"}, 10,
                       f"{node.name} not to take it for the living nodes")
        delivered = [delivered_since(node) for node in lab.nodes_of(0)]
        report.measured("the other site's nodes are silent; frames read of them since", delivered)
        report.check(not any(delivered), "something was delivered from it")
        lab.start_copiers()
        lab.wait_far_link(True, 60)

    def far_peers(node):
        far = [each.id for each in lab.nodes_of(1)]
        return [peer for peer in lab.ring_status(node)["peers"] if peer["node"] in far]

    def far_states(node):
        return {peer["state"] for peer in far_peers(node)}

    def delivered_since(node):
        before = [peer["frames_read"] for peer in far_peers(node)]
        time.sleep(1)
        return sum(peer["frames_read"] for peer in far_peers(node)) - sum(before)

    stale = {node: node.ring_counters()["rejected_stale"] for node in lab.nodes_of(0)}
    shutil.copyfile(here.copy, old)
    time.sleep(3)
    put(old, "an old snapshot of the receive volume is put back")
    for node, before in stale.items():
        after = node.ring_counters()["rejected_stale"]
        report.measured(f"{node.name}: blocks known for old ones", after - before)
        report.check(after > before, f"{node.name} has not counted the old blocks")
    put(here.send, "the roles are swapped: it shows what this site writes itself")


run(f"sites_{WAY}", copies, kind=CopiedSites, copy=WAY, ring_options=OPTIONS)
