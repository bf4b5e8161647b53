#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The part of diskhb-quorumd that talks to Corosync (plugin/quorum/vote_thread.hpp), driven by hand
against a real one: vote_probe.cpp takes the place of the lease.

Two nodes, a device with one vote: alone, a node is quorate if and only if its device votes.
"""
import json
import signal
import subprocess
import threading
import time

from sandbox import wait_until
from scenario import run

TIMEOUT_MS = 2000
SYNC_TIMEOUT_MS = 6000
ANSWER_MS = 3000
# From the end of a vote until all of the stack knows, on a busy machine.
WITHDRAWAL_MS = 300
STOP_PATIENCE_S = 1.0
TIMERS = {"token": 1500}


def now_ms():
    """The clock of the probe's events."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class Probe:
    """vote_probe on a node."""

    def __init__(self, node, *options, timeout_ms=TIMEOUT_MS):
        argv = [node.lab.binary("tests/lab/vote_probe"), "--votes", 1, "--timeout", timeout_ms,
                "--sync-timeout", SYNC_TIMEOUT_MS, "--answer", ANSWER_MS, *options]
        self.events = []
        self.child = node.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                bufsize=1)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self.events.append(json.loads(line))

    def say(self, order):
        """Gives an order; returns where to look for what follows it."""
        begin = len(self.events)
        self.child.stdin.write(order + "\n")
        return begin

    def wait(self, kind, begin=0, timeout_s=10, **fields):
        """The first event of that kind with these fields since `begin`."""
        return wait_until(lambda: self.find(kind, begin, **fields), timeout_s,
                          f"the probe to say {kind} {fields}, it said {self.events[begin:]}", 0.01)

    def find(self, kind, begin=0, **fields):
        """The same, or None."""
        for event in self.events[begin:]:
            if event["event"] == kind and all(event[key] == value
                                              for key, value in fields.items()):
                return event
        return None

    def counters(self):
        """The counters of the vote thread."""
        return self.wait("counters", self.say("counters"), 2)

    def accept(self, order):
        """Gives an order and waits until Corosync has accepted it."""
        begin = self.say(order)
        generation = self.wait("ordered", begin)["generation"]
        self.wait("accepted", begin, generation=generation)
        return begin

    def stop(self):
        """Ends the vote thread; returns whether it ended and how long that took, in s."""
        begin = time.monotonic()
        ended = self.wait("stopped", self.say("stop"))["ended"]
        self.child.wait(10)
        return ended, time.monotonic() - begin


def flags(node):
    """What corosync-quorumtool shows of the device for this node: "A,V,NMW" for example, or "NR",
    also where it shows nothing, because no node has registered one."""
    shown = node.run(["corosync-quorumtool", "-s"], check=False).stdout
    for line in shown.splitlines():
        if line.rstrip().endswith("(local)"):
            word = line.split()[2]
            return word if "," in word else "NR"
    return ""


def wait_flags(node, wanted):
    wait_until(lambda: flags(node).startswith(wanted), 10,
               f"the device to be {wanted}, it is {flags(node)}", 0.05)


def registration(lab, report):
    node, other = lab.nodes
    node.end_process("diskhb-quorumd")
    wait_flags(node, "NR")
    report.step("the stand-in has unregistered; the probe registers")
    probe = Probe(node)
    first = probe.wait("ring")
    report.check(not first["waiting"], "the first ring is no reason to wait")
    report.check(first["members"] == [1, 2], f"the members are {first['members']}")
    probe.accept("no")
    wait_flags(node, "A,NV")
    probe.accept("yes 60000")
    wait_flags(node, "A,V")

    refused = Probe(node, "--name", "other")
    failure = refused.wait("failure", final=True)
    report.check("another name than 'other'" in failure["what"], failure["what"])
    report.step("a device of another name: " + failure["what"])
    differs = Probe(node, timeout_ms=4000)
    failure = differs.wait("failure", final=True)
    report.check("quorum.device.timeout is 2000 in force, but 4000 is expected" in failure["what"],
                 failure["what"])
    report.step("other settings in force: " + failure["what"])
    report.check(flags(node).startswith("A,V"), f"the vote has gone with those: {flags(node)}")
    other.end_process("diskhb-quorumd")
    return probe


def membership_changes(lab, report, probe):
    node, other = lab.nodes
    begin = len(probe.events)
    report.step("the other node dies")
    other.end_process("corosync", signal.SIGKILL)
    ring = probe.wait("ring", begin, members=[1])
    report.check(ring["waiting"], "Corosync waits for the device, and the probe does not know")
    after = probe.say("undecided")
    time.sleep(1)
    report.check(probe.find("quorum", after) is None, "the sync phase has not waited")
    probe.say("yes 1500")
    quorum = probe.wait("quorum", after)
    report.check(quorum["quorate"], "alone, with the vote, not quorate")

    report.step("the vote is not renewed")
    ordered = probe.find("ordered", after, vote="yes")
    lost = probe.wait("quorum", after, quorate=False)
    late_ms = lost["t_ms"] - ordered["t_ms"] - 1500
    report.measured("quorum lost after the vote's end [ms]", late_ms)
    report.check(0 <= late_ms <= WITHDRAWAL_MS, f"the vote ended {late_ms} ms after its end")
    report.check(probe.counters()["withdrawals"] == 1, "the withdrawal was not counted")
    report.check(flags(node).startswith("A,NV"), f"the device is {flags(node)}")

    probe.accept("yes 60000")
    begin = len(probe.events)
    report.step("the other node comes back, and no order does")
    other.start_corosync()
    ring = probe.wait("ring", begin, 30, members=[1, 2])
    quorum = probe.wait("quorum", begin, ring=ring["ring"])
    took_ms = quorum["t_ms"] - ring["t_ms"]
    report.measured("answered without an order after [ms]", took_ms)
    report.check(ring["waiting"] and ANSWER_MS - 20 <= took_ms < SYNC_TIMEOUT_MS - 1000,
                 f"the sync phase lasted {took_ms} ms")
    report.check(flags(node).startswith("A,NV"), f"the device is {flags(node)}")


def polls_go_on(report, probe):
    begin = probe.accept("yes 60000")
    before = probe.counters()["yes"]
    time.sleep(TIMEOUT_MS * 2.5 / 1000)
    after = probe.counters()["yes"]
    report.check(after - before in (4, 5, 6), f"{after - before} polls in 2.5 timeouts")
    report.check(probe.find("votes", begin + 2, alive=False) is None, "the device was lost")


def settings_change(lab, report):
    node = lab.nodes[0]
    probe = Probe(node)
    probe.wait("ring")
    probe.accept("yes 60000")
    path = "/etc/corosync/corosync.conf"
    change = "s/^\\( *timeout:\\).*/\\1 {}/"
    node.run(["sed", "-i", change.format(TIMEOUT_MS + 1000), path])
    node.run(["corosync-cfgtool", "-R"])
    failure = probe.wait("failure", final=True)
    report.step("other settings came into force: " + failure["what"])
    report.check("changed while the device was in use" in failure["what"], failure["what"])
    wait_flags(node, "NR")
    node.run(["sed", "-i", change.format(TIMEOUT_MS), path])
    node.run(["corosync-cfgtool", "-R"])


def corosync_hangs(lab, report, probe):
    node = lab.nodes[0]
    report.step("Corosync stands still")
    node.was_frozen = True
    node.send_signal("corosync", signal.SIGSTOP)
    probe.say("no")
    wait_until(lambda: probe.counters()["in_call_ms"] > 500, 5, "a call to hang", 0.05)
    begin = time.monotonic()
    probe.counters()
    took_ms = (time.monotonic() - begin) * 1000
    report.measured("the other threads answer after [ms]", f"{took_ms:.1f}")
    report.check(took_ms < 200, "the other threads wait for Corosync")
    node.send_signal("corosync", signal.SIGCONT)
    wait_until(lambda: probe.counters()["in_call_ms"] == 0, 5, "the call to return", 0.05)
    wait_flags(node, "A,NV")
    report.measured("longest call [ms]", probe.counters()["call_us_max"] // 1000)


def stop(lab, report, probe):
    node = lab.nodes[0]
    ended, took_s = probe.stop()
    report.check(ended, "the vote thread was left behind")
    report.measured("stopped after [ms]", f"{took_s * 1000:.0f}")
    wait_flags(node, "NR")
    report.step("the device is unregistered")

    probe = Probe(node)
    probe.wait("ring")
    probe.accept("yes 60000")
    node.send_signal("corosync", signal.SIGSTOP)
    ended, took_s = probe.stop()
    node.send_signal("corosync", signal.SIGCONT)
    report.measured("stopped beside a Corosync that stands still after [ms]",
                    f"{took_s * 1000:.0f}")
    report.check(not ended and took_s < STOP_PATIENCE_S + 1, "the end has waited for Corosync")


def corosync_ends(lab, report):
    node = lab.nodes[0]
    probe = Probe(node)
    probe.wait("ring")
    node.end_process("corosync")
    failure = probe.wait("failure", final=True)
    report.step("Corosync ends: " + failure["what"])

    begin_ms = now_ms()
    probe = Probe(node, "--patience", "2500", "--no-quorum-service")
    failure = probe.wait("failure", final=True)
    report.step("no Corosync: " + failure["what"])
    report.check(2500 <= failure["t_ms"] - begin_ms < 5000, "not as patient as it was asked to be")
    report.check(probe.find("failure", final=False) is not None, "the wait was not told")

    probe = Probe(node, "--patience", "30000", "--no-quorum-service")
    probe.wait("failure", final=False)
    node.start_corosync()
    probe.wait("ring", timeout_s=30)
    probe.accept("yes 60000")
    report.step("Corosync came after the probe")
    ended, _ = probe.stop()
    report.check(ended, "the vote thread was left behind")


def vote_thread(lab, report):
    probe = registration(lab, report)
    membership_changes(lab, report, probe)
    polls_go_on(report, probe)
    corosync_hangs(lab, report, probe)
    stop(lab, report, probe)
    settings_change(lab, report)
    corosync_ends(lab, report)


run("vote_thread", vote_thread, nodes=2, ring=False, timers=TIMERS,
    quorum={"mode": "tie-breaker", "program": "tests/lab/always_yes", "votes": 1,
            "timings": {"timeout": TIMEOUT_MS, "sync_timeout": SYNC_TIMEOUT_MS}})
