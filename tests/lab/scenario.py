# SPDX-License-Identifier: BSD-3-Clause
"""What the scenario tests have in common: run one, check, report, and tell a stalled machine.

A scenario is a function of (lab, report). It fails when a check fails or a wait runs out. When it
fails on a machine that stood still meanwhile, that is said and it is run once more; the limits are
never loosened.
"""
import os
import shutil
import sys
import threading
import time

import config
from lab import Lab
from sandbox import LabError, wait_until

SOAK = os.environ.get("DISKHB_SOAK") == "1"
LOGS = "/var/tmp/diskhb-lab-logs"
# knet multiplies a link's timeout by a back-off that starts at 10 when the link goes down and
# falls by one a second (libknet/threads_heartbeat.c): only then is the next cut like the first.
BACKOFF_S = 11
STALL_MS = 500
STEAL_SHARE = 0.05


def detection_ms(lab, link=0):
    """The longest that knet takes to see that a link carries nothing any more."""
    return lab.timers[f"link{link}_ping_timeout"] + config.KNET_TICK_MS


def token_ms(lab):
    """Totem's token timeout with its addition for each node after the second (totemconfig.c)."""
    return lab.timers["token"] + 650 * max(0, len(lab.nodes) - 2)


class StallWatch(threading.Thread):
    """Notes when this process, and so probably others, was not run for a long time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.longest_ms = 0.0
        self._ended = threading.Event()
        self._ticks = self._cpu_ticks()

    @staticmethod
    def _cpu_ticks():
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(word) for word in file.readline().split()[1:]]
        return ticks[7], sum(ticks[:8])

    def run(self):
        before = time.monotonic()
        while not self._ended.wait(0.05):
            now = time.monotonic()
            self.longest_ms = max(self.longest_ms, (now - before - 0.05) * 1000)
            before = now

    def findings(self, lab):
        """One line for each sign of a stall."""
        self._ended.set()
        found = []
        steal, total = (after - before for after, before in zip(self._cpu_ticks(), self._ticks))
        if total and steal / total > STEAL_SHARE:
            found.append(f"the hypervisor took {steal / total:.0%} of the processor time")
        if self.longest_ms > STALL_MS:
            found.append(f"this test was not scheduled for {self.longest_ms:.0f} ms")
        for node in lab.nodes:
            found += [f"{node.name}: {line.strip()}" for line in node.log_text().splitlines()
                      if "not scheduled for" in line
                      ] if node.holder and not node.was_frozen else []
        return found


class Report:
    """What was measured and what was wrong."""

    def __init__(self, name, is_meant_to_fail=False):
        self.name = name
        self.is_meant_to_fail = is_meant_to_fail
        self.problems = []
        self.began = time.monotonic()

    def measured(self, what, value):
        """Shows a figure."""
        print(f"  {what + ' ':.<58} {value}", flush=True)

    def check(self, is_right, what):
        """Notes a problem unless is_right."""
        if not is_right:
            self.problems.append(what)
            print(f"  {'found, as it must be' if self.is_meant_to_fail else 'WRONG'}: {what}",
                  flush=True)

    def step(self, text):
        """Says what comes now."""
        print(f"[{time.monotonic() - self.began:6.1f} s] {text}", flush=True)

    def check_exact(self, verdict, what="CPG stream"):
        """Every message came everywhere, once, in order, intact."""
        self.measured(f"{what}: messages sent, deliveries expected",
                      f"{verdict['sent']}, {verdict['expected']}")
        for key in ("lost", "duplicated", "reordered", "corrupt"):
            self.measured(f"{what}: {key}", verdict[key])
            self.check(verdict[key] == 0, f"{what}: {verdict[key]} messages {key}")
        self.check(verdict["complete"], f"{what}: not every node has ended well")
        self.check(verdict["sent"] > 0, f"{what}: nothing was sent")
        self.measured(f"{what}: latency p50, p99, max [us]",
                      f"{verdict['latency_us_p50']}, {verdict['latency_us_p99']}, "
                      f"{verdict['latency_us_max']}")

    def check_unshaken(self, verdict, what="CPG stream"):
        """No membership change and no loss of quorum on any node."""
        for key in ("membership_changes", "quorum_losses"):
            self.measured(f"{what}: {key.replace('_', ' ')}", verdict[key])
            self.check(verdict[key] == 0, f"{what}: {verdict[key]} {key.replace('_', ' ')}")

    def check_gap(self, verdict, limit_ms, what="CPG stream"):
        """Delivery paused no longer than the limit."""
        self.measured(f"{what}: longest gap [ms], limit", f"{verdict['longest_gap_ms']:.0f}, "
                      f"{limit_ms:.0f}")
        self.check(verdict["longest_gap_ms"] <= limit_ms,
                   f"{what}: nothing was delivered for {verdict['longest_gap_ms']:.0f} ms, "
                   f"more than {limit_ms:.0f} ms")


def settle(lab, stream=None):
    """Waits until knet's back-off is over, so that a cut is detected in its normal time."""
    lab.wait_whole(60)
    if stream:
        stream.run_for(BACKOFF_S)
    else:
        time.sleep(BACKOFF_S)


def wait_link(lab, link, connected, timeout_s, nodes=None):
    """Waits until a link is up (or down) on every node, or between the nodes given and all."""
    def reached():
        for node in lab.nodes:
            for peer in lab.nodes:
                concerned = nodes is None or node in nodes or peer in nodes
                if node is not peer and concerned and (
                        lab.is_connected(node, link, peer) != connected):
                    return False
        return True
    wait_until(reached, timeout_s, f"link {link} to be {'up' if connected else 'down'}", 0.2)


def cut_for(lab, stream, what, seconds):
    """Cuts the network, sees link 0 go down where it must, heals, and sees it come back."""
    concerned = None if what == "all" else [lab.node(what.partition(":")[0])]
    begin = time.monotonic()
    lab.cut(what)
    wait_link(lab, 0, False, 10, concerned)
    stream.run_for(max(0.0, seconds - (time.monotonic() - begin)))
    lab.heal(what)
    wait_link(lab, 0, True, 30, concerned)


def _attempt(name, body, lab_options):
    report = Report(name)
    stalls = []
    watch = StallWatch()
    watch.start()
    try:
        options = dict(lab_options)
        lab = options.pop("kind", Lab)(name, **options)
        lab.on_failed_start = lambda: _keep_logs(lab, name)
        with lab:
            try:
                body(lab, report)
            except LabError as error:
                report.check(False, str(error))
            finally:
                stalls = watch.findings(lab)
                if report.problems or sys.exc_info()[0]:
                    _keep_logs(lab, name)
    except LabError as error:
        report.check(False, str(error))
    return report, stalls


def _keep_logs(lab, name):
    where = os.path.join(LOGS, name)
    shutil.rmtree(where, ignore_errors=True)
    lab.keep_logs(where)
    print(f"  the nodes' logs are kept in {where}; Corosync's of {lab.nodes[0].name} ends with:")
    print("    " + lab.nodes[0].log_tail(lines=25).replace("\n", "\n    "))
    for daemon in ("diskhbd", "diskhb-copyd", "diskhb-quorumd"):
        if lab.nodes[0].log_text(f"/var/log/{daemon}.log"):
            print(f"  {daemon}'s ends with:")
            print("    " + lab.nodes[0].log_tail(f"/var/log/{daemon}.log", 10)
                  .replace("\n", "\n    "))


def run(name, body, **lab_options):
    """Runs a scenario in a lab of its own (a Lab, or of another `kind`) and exits with 0 or 1."""
    if os.geteuid() != 0:
        print("the lab needs root: skipped")
        sys.exit(77)
    for attempt in (1, 2):
        nodes = lab_options.get("nodes", 4 if "kind" in lab_options else 3)
        print(f"{name}: {nodes} nodes, "
              f"{'soak' if SOAK else 'short'} run", flush=True)
        report, stalls = _attempt(name, body, lab_options)
        for line in stalls:
            print(f"  the machine stalled: {line}")
        if not report.problems:
            print(f"{name}: passed in {time.monotonic() - report.began:.0f} s")
            sys.exit(0)
        print(f"{name}: FAILED: " + "; ".join(report.problems), flush=True)
        if not stalls:
            break
        if attempt == 1:
            print("The machine stood still meanwhile, which breaks any cluster: once more.")
    sys.exit(1)
