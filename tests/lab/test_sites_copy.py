#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two sites whose copies are made by somebody else: the network is cut under a CPG stream, and the
cluster must not notice.

test_sites_copy.py command: by a script with dd, which then fails, hangs, and is killed.
test_sites_copy.py storage: by arrays that copy in random order and at random granularity.
"""
import os
import sys

from lab import SOURCE
from sandbox import wait_until
from scenario import SOAK, run, settle, wait_link
from sites import Sites
from stream import Stream

WAY = sys.argv[1] if len(sys.argv) > 1 else "command"
SECONDS = 60 if SOAK else 20
# What is read is as old as the copy: a packet must live longer than that.
OPTIONS = "ttl_ms = 3000\n"
SCRIPT = """#!/bin/sh
case $(cat {mode}) in
    fail) echo "no path to the array" >&2; exit 3 ;;
    hang) exec sleep 1000 ;;
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
            for seed, array in enumerate(self.arrays):
                self.hub_process([os.path.join(os.path.dirname(__file__), "random_copier"),
                                  array.send, self.arrays[1 - array.site].copy, str(seed)])


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
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    for node in lab.nodes:
        counters = node.ring_counters()
        report.measured(f"{node.name}: torn, stale, lapped blocks read",
                        f"{counters['rejected_torn']}, {counters['rejected_stale']}, "
                        f"{counters['rejected_lapped']}")
    if WAY == "command":
        script(lab, report)


def script(lab, report):
    node = lab.nodes[0]

    def copy():
        return lab.ring_status(node)["copy"]

    before = copy()
    report.measured("runs for writes, failed", f"{before['runs']} for {before['flushes']}, "
                    f"{before['failures']}")
    report.check(before["runs"] < before["flushes"], "writes were not covered by fewer runs")
    report.check(before["failures"] == 0, f"runs failed: {before['error']}")

    report.step("the script fails")
    lab.set_mode("fail", [node])
    wait_until(lambda: copy()["error"] == "exit status 3: no path to the array", 10,
               "the failure in the status")
    report.check("no path to the array" in node.log_text("/var/log/diskhbd.log"),
                 "the log does not say why copying fails")
    report.step("the script hangs")
    lab.set_mode("hang", [node])
    wait_until(lambda: copy()["timeouts"] >= 1, 30, "a hanging script to be killed")
    wait_until(lambda: "killed after 2000 ms" in copy()["error"], 5, "that in the status")
    report.check(lab.is_connected(node, 0), "the network's link is down")
    lab.set_mode("copy", [node])
    wait_until(lambda: copy()["error"] == "", 30, "copying to work again")
    done = node.run([lab.binary("diskhb/tools/diskhb"), "copy", "now", "--wait"])
    report.measured("diskhb copy now --wait", done.stdout.strip())
    lab.wait_whole(60)


run(f"sites_{WAY}", copies, kind=CopiedSites, copy=WAY, ring_options=OPTIONS)
