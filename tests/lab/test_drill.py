#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""diskhb drill and diskhb status --cluster on three nodes: passes on a healthy cluster, refuses and
says why on others, and gives the network back whatever happens to it.

A CPG stream of the lab's own runs beside all of it: no drill may cost the cluster anything. The drill of
one node that passes is in the long run alone; a drill of all is more.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

from sandbox import wait_until
from scenario import BACKOFF_S, SOAK, run, wait_link
from stream import Stream

REFUSED, FAILED = 10, 1
TABLE = "diskhb_drill"
SECONDS = 30 if SOAK else 6


def diskhb(lab, node, *argv, timeout_s=150, check=False):
    return node.run([lab.binary("diskhb/tools/diskhb"), *argv], check=check, timeout_s=timeout_s)


def start_watch(lab, node):
    node.start_process("diskhb-watch", [lab.binary("diskhb/tools/diskhb"), "watch", "--serve"])


class Hesitation:
    """Requests to a node's volume wait for most of a second, again and again."""

    def __init__(self, lab, node):
        self.lab, self.node = lab, node
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._ended.is_set():
            self.lab.volume_fault("hang", [self.node])
            self._ended.wait(0.9)
            self.lab.volume_fault("heal", [self.node])
            self._ended.wait(0.05)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(10)
        self.lab.volume_fault("heal", [self.node])


def is_cut(node):
    """Whether any address stands in the drill's table."""
    shown = node.run(["nft", "list", "ruleset"]).stdout
    return TABLE in shown and "elements" in shown


def has_table(node):
    return TABLE in node.run(["nft", "list", "ruleset"]).stdout


def begin(lab, node, *argv):
    """Starts a drill, and returns its process once the network is away."""
    child = node.popen([lab.binary("diskhb/tools/diskhb"), "drill", *argv],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    threading.Thread(target=lambda: lines.extend(child.stdout), daemon=True).start()
    wait_until(lambda: is_cut(node) or child.poll() is not None, 40, "the network to be away", 0.05)
    if child.poll() is not None:
        raise AssertionError("the drill has ended: " + "".join(lines))
    return child, lines


def settle(stream):
    stream.run_for(BACKOFF_S)


def passes(lab, report, *argv):
    # What it streams before the cut is longer than knet's back-off.
    done = diskhb(lab, lab.nodes[0], "drill", "--json", "--seconds", SECONDS, *argv)
    report.check(done.returncode == 0, f"drill {argv} exits with {done.returncode}: "
                 f"{done.stdout[-600:]} {done.stderr}")
    if done.returncode != 0:
        return
    result = json.loads(done.stdout)
    report.measured("passed; noticed after [ms]", result["detected_ms"])
    report.measured("longest gap [ms], deliveries, lost",
                    f"{result['longest_gap_us'] / 1000:.0f}, {result['delivered']}, "
                    f"{result['lost']}")
    for node in result["nodes"]:
        parts = node["latency"]
        report.measured(f"{node['name']}: latency p99 before, on the ring, after [ms]",
                        ", ".join(f"{parts[part]['us_p99'] / 1000:.1f}"
                                  for part in ("before", "on_ring", "after")))
        report.check(parts["on_ring"]["messages"] > 0, "nothing was measured on the ring")
    report.check(result["lost"] == 0 and result["expected"] == result["delivered"] > 0,
                 "messages were lost")
    during = result["states"]["during"]
    report.check(during["runs_on"] == "ring" and during["quorate"], f"while it was cut: {during}")
    report.check(result["states"]["after"]["runs_on"] == "network", "it did not go back")


def refuses(lab, report, node, reason, *argv):
    """A drill that must not begin, for that reason."""
    done = diskhb(lab, node, "drill", "--json", *argv)
    report.check(done.returncode == REFUSED, f"not refused ({done.returncode}): {done.stderr}")
    if done.returncode == REFUSED:
        wrong = [each["text"] for each in json.loads(done.stdout)["checks"] if not each["ok"]]
        report.measured("refused", "; ".join(wrong)[:160])
        report.check(any(reason in text for text in wrong), f"not for '{reason}': {wrong}")
    report.check(not any(has_table(each) for each in lab.nodes), "it has touched the network")


def healthy(lab, report):
    report.step("status --cluster")
    cluster = json.loads(diskhb(lab, lab.nodes[1], "status", "--cluster", "--json").stdout)["cluster"]
    for node in cluster["nodes"]:
        report.check(node["answers"] and node["quorate"] and node["runs_on"] == "network"
                     and len(node["heard"]) == 2, f"status --cluster: {node}")
    report.check(len(cluster["nodes"]) == 3, "not all nodes are shown")
    done = diskhb(lab, lab.nodes[0], "drill", "--check")
    report.check(done.returncode == 0, f"--check says {done.stdout}")
    if SOAK:
        report.step("a drill of this node")
        passes(lab, report)
    report.step("a drill of all nodes")
    passes(lab, report, "--all")


def unsafe(lab, report, stream):
    first, second, third = lab.nodes
    report.step("no agent on n2")
    second.end_process("diskhb-watch")
    refuses(lab, report, first, "no answer from n2")
    start_watch(lab, second)

    report.step("diskhbd of n3 is down")
    third.end_process("diskhbd", signal.SIGKILL)
    refuses(lab, report, first, "n3: diskhbd does not answer")
    wait_link(lab, 1, False, 20, [third])
    refuses(lab, report, first, "no connection over the ring")
    third.start_diskhbd()
    wait_link(lab, 1, True, 30)

    report.step("the ring's volume fails on n2")
    lab.volume_fault("eio", [second])
    wait_link(lab, 1, False, 40, [second])
    refuses(lab, report, first, "no connection over the ring")
    lab.volume_fault("heal", [second])
    wait_link(lab, 1, True, 40)

    report.step("the volume of n2 answers late")
    with Hesitation(lab, second):
        for _ in range(5):  # a round trip may fall between two of them
            done = diskhb(lab, first, "drill", "--check")
            if "is too slow" in done.stdout:
                break
        report.measured("refused", re.sub(r"\s+", " ", done.stdout)[-200:].strip())
        report.check(done.returncode == REFUSED and "is too slow" in done.stdout,
                     f"not for 'too slow': {done.stdout}")
    stream.run_for(2)
    wait_link(lab, 1, True, 40)

    report.step("the network is away already")
    lab.cut("n3")
    wait_link(lab, 0, False, 20, [third])
    refuses(lab, report, first, "there is nothing to rehearse")
    lab.heal()
    wait_link(lab, 0, True, 30)
    stream.run_for(1)


def without_nft(lab, report, stream):
    first = lab.nodes[0]
    nft = shutil.which("nft")
    report.step("n1 has no nft")
    first.run(["mount", "--bind", "/dev/null", nft])
    done = diskhb(lab, first, "drill", "--check")
    first.run(["umount", nft])
    report.check(done.returncode == REFUSED and "nftables) is not installed" in done.stdout,
                 f"not refused without nft: {done.stdout}")
    if not SOAK:
        return
    settle(stream)
    report.step("nft of n1 does its work, and does not end")
    folder = os.path.join(lab.dir, "shared")
    shutil.copy(nft, first.holder.path(f"{folder}/real-nft"))
    with open(first.holder.path(f"{folder}/slow-nft"), "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\n{folder}/real-nft "$@"\nsleep 20\n')
    os.chmod(first.holder.path(f"{folder}/slow-nft"), 0o755)
    first.run(["mount", "--bind", f"{folder}/slow-nft", nft])
    done = diskhb(lab, first, "drill", "--settle", "2", "--seconds", "30")
    first.run(["umount", nft])
    report.check(done.returncode == FAILED and "given up:" in done.stdout
                 and "nft does not end" in done.stdout, f"with a slow nft: {done.stdout}")
    report.check(not has_table(first), "a slow nft has left the network cut")
    wait_link(lab, 0, True, 30)


def killed(lab, report, stream):
    first = lab.nodes[0]
    settle(stream)
    report.step("a drill is killed in the middle")
    child, _ = begin(lab, first, "--seconds", "20", "--settle", "2", "--all")
    wait_until(lambda: all(is_cut(node) for node in lab.nodes), 10, "all nodes to be cut", 0.05)
    stream.run_for(3)
    done = diskhb(lab, lab.nodes[1], "drill", "--check")
    report.check(done.returncode == REFUSED and "takes part in a drill already" in done.stdout,
                 f"a second drill meanwhile: {done.stdout}")
    child.kill()
    began = time.monotonic()
    wait_until(lambda: not any(has_table(node) for node in lab.nodes), 10,
               "the network to be back", 0.05)
    report.measured("killed -9: the network of all is back after [s]",
                    f"{time.monotonic() - began:.1f}")
    wait_link(lab, 0, True, 20)

    settle(stream)
    report.step("and so is its guard")
    child, _ = begin(lab, first, "--seconds", "5", "--settle", "2")
    began = time.monotonic()
    guards = [int(pid) for pid in first.run(["pgrep", "-f", "drill --guard"],
                                            check=False).stdout.split()]
    mine = [pid for pid in guards if os.readlink(f"/proc/{pid}/ns/net")
            == os.readlink(f"/proc/{first.holder.pid}/ns/net")]
    for pid in mine + [child.pid]:
        os.kill(pid, signal.SIGKILL)
    report.check(len(mine) == 1, f"there are {len(mine)} guards")
    wait_until(lambda: not is_cut(first), 20, "the kernel to give the network back", 0.05)
    report.measured("killed with its guard: the kernel gives it back after [s], limit",
                    f"{time.monotonic() - began:.1f}, 10")
    report.check(time.monotonic() - began < 11, "the kernel was late")
    wait_link(lab, 0, True, 20)
    report.check(diskhb(lab, first, "drill", "--check").returncode in (0, REFUSED), "--check")


def breaks_in_the_middle(lab, report, stream):
    settle(stream)
    report.step("the ring breaks in the middle of a drill")
    child, lines = begin(lab, lab.nodes[0], "--seconds", "30", "--settle", "2", "--all")
    stream.run_for(3)
    lab.nodes[1].send_signal("diskhbd", signal.SIGSTOP)
    began = time.monotonic()
    wait_until(lambda: not any(is_cut(node) for node in lab.nodes), 10,
               "the network to be given back", 0.05)
    report.measured("the ring broke: the network is back after [s]",
                    f"{time.monotonic() - began:.1f}")
    lab.nodes[1].send_signal("diskhbd", signal.SIGCONT)
    report.check(child.wait(60) == FAILED, f"the drill says {child.returncode}")
    text = "".join(lines)
    report.check("given up:" in text, f"no reason is told: {text[-400:]}")
    wait_link(lab, 0, True, 30)
    wait_link(lab, 1, True, 60)


def drill(lab, report):
    for node in lab.nodes:
        start_watch(lab, node)
    stream = Stream(lab, rate=200, size=512).start()
    healthy(lab, report)
    unsafe(lab, report, stream)
    without_nft(lab, report, stream)
    killed(lab, report, stream)
    breaks_in_the_middle(lab, report, stream)
    verdict = stream.stop()
    report.check_unshaken(verdict, "beside all drills")
    report.check_exact(verdict, "beside all drills")
    for node in lab.nodes:
        report.check(not has_table(node), f"{node.name}: the table is still there")


if __name__ == "__main__":
    run("drill", drill, volume="nbd")
