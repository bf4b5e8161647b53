#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two sites whose copies Pacemaker runs (ocf:diskhb:copy): the network is cut, a copy is killed or
taken away, the way to the other array hangs, a copy is placed rather than a clone; in the long run,
quorum is lost. Each with the outcome that doc/pacemaker.md states.
"""
import glob
import os
import signal
import time

from pacemaker import Pacemaker
from sandbox import is_running, wait_until
from scenario import SOAK, run, settle, wait_link
from sites import Sites

INTERVAL_S = 2
DAMPEN_S = 1
BEHIND_MAX_S = 4
# With plain writes an ended process waits for the one that is on its way; io_uring leaves it behind.
RING_OPTIONS = 'io = "posix"\nread_deadline_ms = 2000\n'
SLACK_S = 10
LIMIT_S = BEHIND_MAX_S + INTERVAL_S + DAMPEN_S + SLACK_S
DEGRADED, FAILED = 190, 1
COPY = (f"ocf:diskhb:copy params dampen={DAMPEN_S}s behind_max={BEHIND_MAX_S} user=root"
        f" meta requires=nothing op monitor interval={INTERVAL_S}s timeout=20s")


class CopiedSites(Sites):
    """Two sites whose copies are left to Pacemaker."""

    has_copies = False

    def start_copyd(self, node):
        """It is Pacemaker's."""

    def is_whole(self):
        if self.has_copies:
            return super().is_whole()
        ids = [node.id for node in self.nodes]
        return all(node.members() == ids and node.is_quorate() and self.is_connected(node, 0)
                   for node in self.nodes)

    def copyd(self, node):
        """The process id of a node's diskhb-copyd; None if it does not run."""
        for path in glob.glob(node.holder.path("/run/resource-agents/diskhb-copy-*.pid")):
            with open(path, encoding="ascii") as file:
                pid = int(file.read())
            if is_running(pid):
                return pid
        return None


class Cluster:
    def __init__(self, lab, report):
        self.lab = lab
        self.report = report
        self.names = {node.name for node in lab.nodes}
        self.pacemaker = Pacemaker(lab)

    def configure(self):
        self.pacemaker.configure(
            "property no-quorum-policy=stop stonith-enabled=true stonith-timeout=10s",
            'primitive fence stonith:fence_lab params pcmk_host_list="n1 n2 n3 n4"'
            " pcmk_host_check=static-list",
            f"primitive diskhb-copy {COPY}",
            "clone diskhb-copy-clone diskhb-copy",
            f"primitive diskhb-ring ocf:diskhb:ring params dampen={DAMPEN_S}s"
            f" op monitor interval={INTERVAL_S}s timeout=20s",
            "clone diskhb-ring-clone diskhb-ring",
            "alert diskhb-alert /usr/sbin/diskhb-alert select attributes { diskhb-copy-ready diskhb-late }"
            f" to {self.pacemaker.alert_file}",
            "primitive plain ocf:pacemaker:Dummy op monitor interval=5s")

    def wait_ready(self, nodes, value, limit_s=LIMIT_S):
        """Waits until the attribute of the nodes is so."""
        began = time.monotonic()
        wait_until(lambda: all(self.pacemaker.written_attributes("diskhb-copy-ready").get(name)
                               == value for name in nodes), limit_s,
                   f"diskhb-copy-ready={value} on {sorted(nodes)}", 0.3)
        self.report.measured(f"diskhb-copy-ready={value} on {len(nodes)} nodes after [s], limit",
                             f"{time.monotonic() - began:.1f}, {limit_s}")

    def wait_alerts(self, *wanted):
        wait_until(lambda: set(wanted) <= set(self.pacemaker.alerts()), 30,
                   f"the alerts {wanted}, not {self.pacemaker.alerts()}", 0.5)

    def take_away(self, node):
        """Lets no copy run on a node."""
        self.pacemaker.configure(f"location not-here diskhb-copy-clone -inf: {node.name}")
        wait_until(lambda: node.name not in self.pacemaker.where("diskhb-copy"), 40,
                   f"the stop on {node.name}", 0.5)

    def give_back(self):
        """And again."""
        self.lab.nodes[0].run(["crm", "--force", "configure", "delete", "not-here"], timeout_s=60)

    def wait_late(self, node, count):
        """So many others read what a node writes too late."""
        wait_until(lambda: self.pacemaker.written_attributes("diskhb-late").get(node.name) == count,
                   LIMIT_S, f"diskhb-late={count} on {node.name}", 0.3)

    def wait_failure(self, node, code, operation="monitor", limit_s=30):
        """That is shown of the copy of a node; returns the reason."""
        def shown():
            return [reason for (key, where), (found, reason) in self.pacemaker.failures().items()
                    if key.startswith(f"diskhb-copy_{operation}") and where == node
                    and found == code]
        return wait_until(shown, limit_s, f"{operation} on {node} to be shown with {code}", 0.5)[0]

    def pids(self):
        return {node.name: self.lab.copyd(node) for node in self.lab.nodes}

    def check_calm(self, what):
        for node in self.lab.nodes:
            self.report.check(node.members() == [1, 2, 3, 4], f"{what}: a node left, says {node.name}")
        self.report.check(not self.pacemaker.fenced(), f"{what}: fenced {self.pacemaker.fenced()}")


def placed(cluster):
    """A copy that is no clone: on n1, and the clone on the others."""
    lab, report, pacemaker = cluster.lab, cluster.report, cluster.pacemaker
    n1 = lab.nodes[0]
    report.step("a copy of its own is placed on n1")
    before = cluster.pids()
    cluster.take_away(n1)
    pacemaker.configure(f"primitive copy-of-n1 {COPY}",
                        "location at-n1 copy-of-n1 resource-discovery=exclusive inf: n1")
    wait_until(lambda: pacemaker.where("copy-of-n1") == ["n1"], 40, "it to run on n1", 0.5)
    cluster.wait_ready(cluster.names, "1", 60)
    lab.wait_far_link(True, 60)
    report.check({**cluster.pids(), "n1": 0} == {**before, "n1": 0}, "other copies were touched")
    first = lab.copyd(n1)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: lab.copyd(n1) not in (None, first), 30, "another copy on n1", 0.1)
    cluster.wait_ready(cluster.names, "1", 60)
    lab.wait_far_link(True, 60)
    report.check(pacemaker.where("copy-of-n1") == ["n1"], "it is not where it was placed")
    cluster.check_calm("placed")


def quorum_lost(cluster):
    """Of both sites; what needs no quorum goes on."""
    lab, report, pacemaker = cluster.lab, cluster.report, cluster.pacemaker
    report.step("both ways are cut: no site has quorum")
    before = cluster.pids()
    lab.cut("all")
    lab.cut_far()
    wait_until(lambda: not any(node.is_quorate() for node in lab.nodes), 60, "the loss of quorum", 0.5)
    wait_until(lambda: not pacemaker.where("plain"), 40, "Pacemaker to stop what needs quorum", 0.5)
    report.check(cluster.pids() == before, "the loss of quorum has ended a copy")
    report.step("the copies alone bring the cluster back")
    lab.heal_far()
    wait_until(lambda: all(node.is_quorate() for node in lab.nodes), 120, "quorum over the ring", 0.5)
    wait_until(lambda: len(pacemaker.where("plain")) == 1, 60, "Pacemaker to go on", 0.5)
    report.check(cluster.pids() == before, "a copy was started anew")


def body(lab, report):
    cluster = Cluster(lab, report)
    pacemaker = cluster.pacemaker
    n1 = lab.nodes[0]
    report.step("Pacemaker starts the copies")
    pacemaker.start()
    cluster.configure()
    cluster.wait_ready(cluster.names, "1", 60)
    lab.wait_far_link(True, 60)
    lab.has_copies = True
    report.check(set(pacemaker.written_attributes("diskhb-copy-state").values()) == {"copying"},
                 "not every copy is copying")
    settle(lab)

    report.step("the network is cut: the copies carry the cluster")
    before = cluster.pids()
    lab.cut("all")
    wait_link(lab, 0, False, 15)
    time.sleep(2 * INTERVAL_S)
    cluster.check_calm("cut")
    report.check(cluster.pids() == before, f"copies were started anew: {before} {cluster.pids()}")
    lab.heal("all")
    wait_link(lab, 0, True, 30)
    settle(lab)

    report.step("the copy of n1 is killed")
    starts = pacemaker.starts("diskhb-copy")
    os.kill(before["n1"], signal.SIGKILL)
    wait_until(lambda: lab.copyd(n1) not in (None, before["n1"]), 30, "another copy on n1", 0.1)
    cluster.wait_ready(cluster.names, "1", 30)
    lab.wait_far_link(True, 60)
    report.check(pacemaker.starts("diskhb-copy") == starts + 1, "more was started than that copy")
    report.check({**cluster.pids(), "n1": 0} == {**before, "n1": 0}, "other copies were touched")
    cluster.check_calm("copy killed")

    report.step("n1 has no copy: the other site reads it too late")
    cluster.take_away(n1)
    cluster.wait_late(n1, "2")
    cluster.give_back()
    cluster.wait_late(n1, "0")
    cluster.wait_alerts(("deadline-breached", "n1"), ("deadline-kept", "n1"))
    report.check({node for event, node in pacemaker.alerts() if event == "deadline-breached"} == {"n1"},
                 f"alerts accuse others than n1: {pacemaker.alerts()}")
    lab.wait_far_link(True, 60)
    cluster.check_calm("no copy on n1")

    report.step("the way to the other arrays hangs")
    before = cluster.pids()
    lab.cut_far()
    cluster.wait_ready(cluster.names, "0")
    report.measured("the monitor says", cluster.wait_failure("n1", DEGRADED))
    cluster.wait_alerts(*(("copy-lost", name) for name in cluster.names))
    report.check(cluster.pids() == before, "a copy was started anew")

    report.step("the copy of n1 is stopped meanwhile")
    cluster.take_away(n1)
    cluster.check_calm("stopped while it hangs")
    cluster.give_back()
    reason = cluster.wait_failure("n1", FAILED, "start", 40)
    report.measured("the start says", reason)
    report.check("still waits for its device" in reason, f"the reason is: {reason}")
    lab.heal_far()
    cluster.wait_ready(cluster.names - {"n1"}, "1", 60)
    wait_until(lambda: not os.path.exists(f"/proc/{before['n1']}"), 60, "the end of what hung")
    n1.run(["crm_resource", "--cleanup", "--resource", "diskhb-copy"])
    cluster.wait_ready(cluster.names, "1", 60)
    lab.wait_far_link(True, 90)
    cluster.check_calm("healed")

    placed(cluster)
    if SOAK:
        quorum_lost(cluster)


if __name__ == "__main__":
    run("pacemaker_copy", body, kind=CopiedSites, far_options=RING_OPTIONS)
