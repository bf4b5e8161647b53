#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""From a running cluster with one link to one with a ring and a quorum disk, by "diskhb setup --apply"
through pcs (with pcsd) or through crmsh: then the network is cut, and the cluster runs on the ring.
What the documentation says that pcs or crmsh cannot do is tried, and cannot be done; pcs without
the shim in the long run alone.

test_pacemaker_setup.py pcs|crm
"""
import os
import sys
import time

import shells
from lab import SOURCE, Lab, build_dir
from pacemaker import Pacemaker
from sandbox import LabError, wait_until
from scenario import SOAK, run, settle, wait_link

SHELL = sys.argv[1] if len(sys.argv) > 1 else "pcs"
NODES = 2 if SHELL == "pcs" else 3


class PlainLab(Lab):
    """A cluster that has never heard of diskhb, and an empty volume."""

    def __init__(self, name, **options):
        super().__init__(name, ring=False, volume_bytes=64 << 20,
                         timers={"token": 0, "token_retransmits_before_loss_const": 0, "join": 0},
                         **options)

    def write_configs(self):
        super().write_configs()
        for node in self.nodes:
            os.unlink(os.path.join(node.dir, "etc/diskhb/diskhb.toml"))

    def source(self):
        """The checkout."""
        return SOURCE

    def build(self):
        """Where the programs were built."""
        return build_dir()


class Administrator:
    def __init__(self, lab, report):
        self.lab = lab
        self.report = report
        self.first = lab.nodes[0]

    def fails(self, node, words, says, code=None):
        """A command that must not succeed, and says so in such words."""
        began = time.monotonic()
        done = node.run(words, check=False, timeout_s=300)
        took_s = time.monotonic() - began
        text = done.stdout + done.stderr
        self.report.check(done.returncode != 0 if code is None else done.returncode == code,
                          f"'{' '.join(words)}' ends with {done.returncode}")
        self.report.check(says in text, f"'{' '.join(words)}' says: {text}")
        self.report.measured(f"{' '.join(words[:4])} ...",
                             f"{text.strip().splitlines()[-1][:90]} (after {took_s:.1f} s)")

    def setup(self, node):
        words = ["diskhb", "setup", f"--{SHELL}", "--volume", self.lab.volume.path(node), "--quorum",
                 "--seconds", "1", "--apply"]
        done = node.run(words, check=False, timeout_s=600)
        if done.returncode != 0:
            raise LabError(f"{node.name}: {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def impossible_with_pcs(administrator):
    """Of the documentation, "What pcs and crmsh cannot do"."""
    first = administrator.first
    options = ["votes=1", "model", "disk"]
    administrator.fails(first, ["pcs", "quorum", "device", "add", *options], "use --force to override")
    administrator.fails(first, ["pcs", "quorum", "device", "add", *options, "--force"],
                        "corosync-qdevice")
    first.run(["pcs", "quorum", "device", "remove"], check=False, timeout_s=300)


def impossible_with_pcs_later(administrator):
    """The same, of a cluster that has the device."""
    # pcsd runs pcs a dozen times to say whether Corosync runs: that may last on two processors.
    administrator.fails(administrator.first, ["pcs", "cluster", "link", "update", "0", "options",
                                              "ping_interval=400", "--request-timeout=240"],
                        "corosync is running")


def impossible_without_shim(administrator):
    """And of pcs without the service that it wants."""
    first = administrator.first
    shim = "/etc/systemd/system/corosync-qdevice.service"
    first.run(["mv", shim, "/run/"])
    administrator.fails(first, ["pcs", "cluster", "start"], "corosync-qdevice")
    administrator.report.check(shells.started(first) == ["corosync"],
                               f"without the shim pcs starts {shells.started(first)}")
    first.run(["mv", "/run/corosync-qdevice.service", shim])
    first.run(["pcs", "cluster", "start"], timeout_s=300)
    administrator.report.check(shells.started(first)[1:] == ["corosync", "pacemaker"],
                               f"with the shim pcs starts {shells.started(first)[1:]}")


def impossible_with_crmsh(administrator):
    for verb in ("link", "add-link", "qdevice"):
        administrator.fails(administrator.first, ["crm", "corosync", verb], "No such command")


def add_shim(lab):
    """As its package does."""
    for node in lab.nodes:
        node.run(["install", "-m", "644", f"{SOURCE}/ha-configs/corosync-qdevice.service",
                  "/etc/systemd/system/"])
        node.run(["install", "-m", "755", f"{SOURCE}/ha-configs/corosync-qdevice-tool", "/usr/sbin/"])


def body(lab, report):
    report.step("a cluster with one link and Pacemaker")
    pacemaker = Pacemaker(lab)
    pacemaker.start()
    shells.prepare(lab)
    pacemaker.configure("property stonith-enabled=true stonith-timeout=10s",
                        "primitive fence stonith:fence_lab params pcmk_host_check=static-list"
                        f' pcmk_host_list="{" ".join(node.name for node in lab.nodes)}"')
    administrator = Administrator(lab, report)
    if SHELL == "pcs":
        shells.start_pcsd(lab)
        impossible_with_pcs(administrator)
        add_shim(lab)
    else:
        impossible_with_crmsh(administrator)

    for node in lab.nodes:
        report.step(f"diskhb setup --{SHELL} --apply on {node.name}")
        text = administrator.setup(node)
        for line in text.splitlines():
            if line.startswith("# "):
                report.measured(f"  {node.name}", line[2:100])
        report.check(node.members() == [each.id for each in lab.nodes], "a node has left")
    for node in lab.nodes:
        node.pids["diskhbd"] = int(node.log_text("/run/diskhbd.pid"))
    lab.ring = True
    wait_link(lab, 1, True, 60)
    wait_until(lambda: all(node.device().votes for node in lab.nodes), 60, "the vote of the device")
    names = [node.name for node in lab.nodes]
    wait_until(lambda: pacemaker.written_attributes("diskhb-verdict") == dict.fromkeys(names, "ok")
               and pacemaker.written_attributes("diskhb-quorum-vote") == dict.fromkeys(names, "yes"),
               60, "the attributes of both agents on all nodes")
    for node in lab.nodes:
        done = node.run(["diskhb", "setup", "--check"], check=False)
        report.check(done.returncode == 0, f"setup --check on {node.name}: {done.stdout}{done.stderr}")
    if SHELL == "pcs":
        # Before the cut: in it, pcsd waits for its peers on the network.
        report.step("what pcs cannot do with a running cluster, and without the shim")
        impossible_with_pcs_later(administrator)
        if SOAK:
            impossible_without_shim(administrator)
    settle(lab)

    if SHELL == "pcs":
        for words in ("create id=diskhb-alert path=/usr/sbin/diskhb-alert",
                      f"recipient add diskhb-alert value={pacemaker.alert_file}"):
            lab.nodes[0].run(["pcs", "alert", *words.split()], timeout_s=300)
    report.step("the network is cut")
    starts = pacemaker.starts("diskhb-ring")
    lab.cut("all")
    wait_link(lab, 0, False, 15)
    wait_until(lambda: pacemaker.written_attributes("diskhb-on-ring") == dict.fromkeys(names, "1"), 30,
               "the cluster to know that it runs on the ring")
    time.sleep(10)
    for node in lab.nodes:
        report.check(node.members() == [each.id for each in lab.nodes], f"{node.name}: a node has left")
        report.check(node.is_quorate(), f"{node.name} has lost quorum")
    report.check(pacemaker.all_online(), "a node is not online")
    report.check(not pacemaker.fenced(), f"fenced {pacemaker.fenced()}")
    report.check(pacemaker.starts("diskhb-ring") == starts, "the agent was started anew")
    if SHELL == "pcs":
        report.check(not pacemaker.alerts(), "an alert without a selection was called for an attribute")
        lab.nodes[0].run(["cibadmin", "--modify", "--scope", "alerts", "--xml-text",
                          '<alert id="diskhb-alert"><select><select_attributes/></select></alert>'])
        wait_until(lambda: all("select_attributes" in node.run(["cibadmin", "-Q", "-l"]).stdout
                               for node in lab.nodes), 30, "the selection on all nodes", 1)
    lab.heal("all")
    wait_link(lab, 0, True, 30)
    if SHELL == "pcs":
        wait_until(lambda: {("off-ring", node.name) for node in lab.nodes} <= set(pacemaker.alerts()),
                   60, "an alert of each node", 0.5)


if __name__ == "__main__":
    run(f"pacemaker_setup_{SHELL}", body, kind=PlainLab, nodes=NODES)
