#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Pacemaker, with real agents, while a cluster loses its network, a volume, and diskhbd.

Three nodes. "web" likes n3, and more a node that has the network; "store" likes n2, and more a node that
has the storage. Each fault moves the one that it concerns, and nothing else: no node leaves,
nobody is fenced, nothing that runs elsewhere is started anew. Healed, the attributes are as before. At
the end a node loses both, and is fenced as it would be without diskhb. The short run leaves out
that all lose the network, and that the agent fails.
"""
import os
import signal
import time

from pacemaker import Pacemaker
from sandbox import wait_until
from scenario import detection_ms, run, settle

INTERVAL_S = 2
DAMPEN_S = 2
# The monitor itself, attrd's and the scheduler's rounds, on a machine that is busy.
SLACK_S = 8
WELL = {"verdict": "ok", "storage": "1", "network": "1", "on-ring": "0", "spare": "1", "peers": "2"}
ALL = ("n1", "n2", "n3")
DEGRADED, NOT_PERMITTED, NOT_INSTALLED = 190, 4, 5


class Cluster:
    def __init__(self, lab, report):
        self.lab = lab
        self.report = report
        self.pacemaker = Pacemaker(lab)
        self.limit_s = detection_ms(lab) / 1000 + INTERVAL_S + DAMPEN_S + SLACK_S

    def configure(self):
        self.pacemaker.configure(
            "property no-quorum-policy=stop stonith-enabled=true stonith-timeout=10s",
            "rsc_defaults resource-stickiness=0",
            'primitive fence stonith:fence_lab params pcmk_host_list="n1 n2 n3"'
            " pcmk_host_check=static-list",
            f"primitive diskhb-ring ocf:diskhb:ring params dampen={DAMPEN_S}s health=true"
            f" op monitor interval={INTERVAL_S}s timeout=20s",
            "clone diskhb-ring-clone diskhb-ring",
            "primitive web ocf:pacemaker:Dummy op monitor interval=5s",
            "primitive store ocf:pacemaker:Dummy op monitor interval=5s",
            "location web-likes web 100: n3",
            "location web-network web rule 100000: diskhb-network eq 1",
            "location store-likes store 100: n2",
            "location store-storage store rule 100000: diskhb-storage eq 1",
            # Without a selection an alert is called for nodes, fencing and resources alone.
            "alert diskhb-alert /usr/sbin/diskhb-alert select attributes { diskhb-verdict"
            " diskhb-network diskhb-on-ring diskhb-spare diskhb-late }"
            f" to {self.pacemaker.alert_file}")
        self.wait_for("all well", {name: dict(WELL) for name in ALL}, 60)
        self.wait_where("web", "n3", 30)
        self.wait_where("store", "n2", 30)

    def wait_for(self, what, wanted, limit_s=None):
        """Waits for attributes in the CIB; measures how long it took."""
        began = time.monotonic()
        names = {name for values in wanted.values() for name in values}

        def reached():
            shown = {name: self.pacemaker.written_attributes(f"diskhb-{name}") for name in names}
            return all(shown[name].get(node) == value for node, values in wanted.items()
                       for name, value in values.items())
        wait_until(reached, limit_s or self.limit_s, f"{what}: {wanted}", 0.3)
        self.report.measured(f"{what}: attributes after [s], limit",
                             f"{time.monotonic() - began:.1f}, {limit_s or self.limit_s:.1f}")

    def wait_where(self, resource, node, limit_s=15):
        wait_until(lambda: self.pacemaker.where(resource) == [node], limit_s,
                   f"{resource} to run on {node}", 0.3)

    def wait_failure(self, node, code, limit_s=30):
        """The agent's monitor of a node is shown with that code; returns the reason."""
        def shown():
            return [reason for (operation, where), (found, reason) in
                    self.pacemaker.failures().items()
                    if operation.startswith("diskhb-ring_") and where == node and found == code]
        return wait_until(shown, limit_s, f"the agent on {node} to be shown with code {code}", 0.5)[0]

    def check_calm(self, what, starts):
        """No node left, nobody was fenced, and no more was started than said."""
        for node in self.lab.nodes:
            self.report.check(node.members() == [1, 2, 3], f"{what}: a node left, says {node.name}")
            self.report.check(node.is_quorate(), f"{what}: {node.name} lost quorum")
        self.report.check(not self.pacemaker.fenced(), f"{what}: fenced {self.pacemaker.fenced()}")
        now = {name: self.pacemaker.starts(name) for name in starts}
        self.report.check(now == starts, f"{what}: started {now}, not {starts}")

    def wait_alerts(self, since, *wanted):
        """These events were told of these nodes, after the first `since` alerts."""
        wait_until(lambda: set(wanted) <= set(self.pacemaker.alerts()[since:]), 15,
                   f"the alerts {wanted}, not {self.pacemaker.alerts()[since:]}", 0.5)

    def starts(self, **more):
        """How often each was started so far, and so much more is expected."""
        return {name: self.pacemaker.starts(name) + more.get(name, 0)
                for name in ("web", "store", "diskhb-ring")}


def check_permission(node, report):
    """An agent without rights has the right code and one reason."""
    done = node.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env",
                     "OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=nobody", "HA_RSCTMP=/tmp",
                     "/usr/lib/ocf/resource.d/diskhb/ring", "start"], check=False)
    reasons = [line for line in done.stderr.splitlines() if "ocf-exit-reason" in line]
    report.measured("without rights the agent says", " ".join(reasons))
    report.check(done.returncode == NOT_PERMITTED and len(reasons) == 1 and "run as root" in reasons[0],
                 f"without rights: {done.returncode} {done.stderr}")


def network_of_one(cluster):
    """What likes the network leaves n3."""
    lab, report, pacemaker = cluster.lab, cluster.report, cluster.pacemaker
    report.step("n3 loses its network")
    expected = cluster.starts(web=1)
    told = len(pacemaker.alerts())
    lab.cut("n3")
    cluster.wait_for("n3 cut", {"n3": {"verdict": "network-lost", "network": "0", "on-ring": "1",
                                       "peers": "2", "storage": "1"},
                                "n1": {"verdict": "ok", "network": "1", "on-ring": "1"},
                                "n2": {"verdict": "ok", "network": "1", "on-ring": "1"}})
    wait_until(lambda: pacemaker.where("web") not in ([], ["n3"]), 15, "web to leave n3", 0.3)
    report.measured("n3 cut: its monitor says", cluster.wait_failure("n3", DEGRADED))
    report.check(pacemaker.where("store") == ["n2"], "store has moved")
    cluster.check_calm("n3 cut", expected)
    cluster.wait_alerts(told, ("network-lost", "n3"), ("on-ring", "n1"), ("on-ring", "n2"),
                        ("on-ring", "n3"))
    report.check(("network-lost", "n1") not in pacemaker.alerts(), "an alert accuses n1")
    told = len(pacemaker.alerts())
    expected = cluster.starts(web=1)
    lab.heal("n3")
    cluster.wait_for("n3 healed", {name: dict(WELL) for name in ALL}, cluster.limit_s + 10)
    cluster.wait_where("web", "n3")
    cluster.check_calm("n3 healed", expected)
    cluster.wait_alerts(told, ("network-back", "n3"), ("off-ring", "n1"), ("off-ring", "n3"))
    settle(lab)


def network_of_all(cluster):
    """Nothing moves for good."""
    lab, report, pacemaker = cluster.lab, cluster.report, cluster.pacemaker
    report.step("all lose the network")
    expected = cluster.starts()
    lab.cut("all")
    cluster.wait_for("all cut", {name: {"verdict": "network-lost", "on-ring": "1", "peers": "2"}
                                 for name in ALL})
    # It may go round while the nodes notice one after the other, and ends where it likes to be.
    cluster.wait_where("web", "n3")
    cluster.check_calm("all cut", {**expected, "web": pacemaker.starts("web")})
    lab.heal("all")
    cluster.wait_for("all healed", {name: dict(WELL) for name in ALL}, cluster.limit_s + 10)
    cluster.wait_where("web", "n3")
    settle(lab)


def volume_of_one(cluster):
    """What likes the storage leaves n2."""
    lab, report, pacemaker = cluster.lab, cluster.report, cluster.pacemaker
    n2 = lab.nodes[1]
    report.step("n2 loses its volume")
    expected = cluster.starts(store=1)
    told = len(pacemaker.alerts())
    lab.volume_fault("eio", [n2])
    cluster.wait_for("volume of n2 gone", {
        "n2": {"verdict": "storage-lost", "storage": "0", "spare": "0", "peers": "0"},
        "n1": {"verdict": "ok", "storage": "1", "spare": "0", "peers": "1"}})
    wait_until(lambda: pacemaker.where("store") not in ([], ["n2"]), 15, "store to leave n2", 0.3)
    report.check(pacemaker.where("web") == ["n3"], "web has moved")
    cluster.check_calm("volume of n2 gone", expected)
    cluster.wait_alerts(told, ("spare-lost", "n1"), ("spare-lost", "n2"), ("spare-lost", "n3"))
    told = len(pacemaker.alerts())
    expected = cluster.starts(store=1)
    lab.volume_fault("heal", [n2])
    cluster.wait_for("volume of n2 back", {name: dict(WELL) for name in ALL}, cluster.limit_s + 10)
    cluster.wait_where("store", "n2")
    cluster.check_calm("volume of n2 back", expected)
    cluster.wait_alerts(told, ("spare-back", "n1"), ("spare-back", "n2"), ("spare-back", "n3"))


def daemon_killed(cluster):
    """As if the volume were gone."""
    report, n1 = cluster.report, cluster.lab.nodes[0]
    report.step("diskhbd of n1 is killed")
    expected = cluster.starts()
    n1.end_process("diskhbd", signal.SIGKILL)
    cluster.wait_for("diskhbd killed", {
        "n1": {"verdict": "storage-lost", "storage": "0", "network": "1", "peers": "0"},
        "n3": {"verdict": "ok", "spare": "0", "peers": "1"}})
    reason = cluster.wait_failure("n1", DEGRADED)
    report.check("no diskhbd answers" in reason, f"the reason is: {reason}")
    n1.start_diskhbd()
    cluster.wait_for("diskhbd back", {name: dict(WELL) for name in ALL}, cluster.limit_s + 10)
    cluster.check_calm("diskhbd killed", expected)


def agent_fails(cluster):
    """It stops watching, and nothing else."""
    lab, report, pacemaker = cluster.lab, cluster.report, cluster.pacemaker
    n1 = lab.nodes[0]
    report.step("the agent fails on n1, and is stopped")
    daemon = n1.pids["diskhbd"]
    os.unlink(n1.holder.path("/usr/sbin/diskhb"))
    reason = cluster.wait_failure("n1", NOT_INSTALLED)
    report.check("install the package diskhb" in reason, f"the reason is: {reason}")
    wait_until(lambda: "n1" not in pacemaker.written_attributes("diskhb-verdict"), 30,
               "the attributes of n1 to go", 0.5)
    report.check(n1.pids["diskhbd"] == daemon and n1.is_up("diskhbd"), "diskhbd was touched")
    wait_until(lambda: lab.is_connected(n1, 1), 20, "the ring to carry on", 0.3)
    n1.run(["ln", "-s", lab.binary("diskhb/tools/diskhb"), "/usr/sbin/diskhb"])
    n1.run(["crm_resource", "--cleanup", "--resource", "diskhb-ring"])
    cluster.wait_for("the agent is back", {name: dict(WELL) for name in ALL}, 40)
    report.check(not pacemaker.fenced(), f"fenced {pacemaker.fenced()}")


def isolated(cluster):
    """The end of n2."""
    lab, report, pacemaker = cluster.lab, cluster.report, cluster.pacemaker
    n2 = lab.nodes[1]
    report.step("n2 loses network and volume: it is isolated, and fenced as without diskhb")
    lab.volume_fault("eio", [n2])
    lab.cut("n2")
    wait_until(lambda: n2.run(["diskhb", "verdict"], check=False).stdout.startswith("isolated: "), 30,
               "the verdict of n2", 0.5)
    report.check(n2.run(["diskhb", "verdict"], check=False).returncode == 1, "isolated is no success")
    wait_until(pacemaker.fenced, 60, "the fencing of n2", 0.5)
    report.check(all(line.endswith(" n2") for line in pacemaker.fenced()), f"fenced {pacemaker.fenced()}")
    for name in ("web", "store"):
        wait_until(lambda name=name: pacemaker.where(name) not in ([], ["n2"]), 30, f"{name} elsewhere", 0.5)


# isolated is the last: it ends n2.
EVENTS = (network_of_one, network_of_all, volume_of_one, daemon_killed, agent_fails, isolated)


def body(lab, report):
    report.step("Pacemaker starts")
    cluster = Cluster(lab, report)
    pacemaker = cluster.pacemaker
    pacemaker.start()
    cluster.configure()
    check_permission(lab.nodes[0], report)
    report.check(pacemaker.attributes("#health-diskhb") == dict.fromkeys(ALL, "green"),
                 "the health attributes are not green")
    settle(lab)
    for event in EVENTS:
        event(cluster)


if __name__ == "__main__":
    run("pacemaker", body, nodes=3, volume="nbd")
