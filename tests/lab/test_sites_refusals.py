#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What diskhbd, diskhb-copyd and diskhb must refuse of send and receive volumes: one clear line
each, and the exit code that the manual says. Two nodes, one a site; their Corosync goes on over the
network whatever n1's daemons are told. And whom a copier must wait for.
"""
import json
import os
import shutil
import signal
from dataclasses import dataclass

from sandbox import wait_until
from scenario import run
from sites import Sites

EXIT_USAGE, EXIT_CONFIG, EXIT_VOLUME, EXIT_FORMAT, EXIT_CLUSTER = 2, 3, 4, 5, 6
DISKHBD, COPYD = "plugin/ring/diskhbd", "plugin/replication/diskhb-copyd"
SIZE_BYTES = 32 << 20


@dataclass
class Wrong:
    """Something in diskhb.toml of n1. `running`: what the running daemon says, if it starts."""
    what: str
    code: int
    says: str
    old: str
    new: str
    program: str = DISKHBD
    running: str = ""


class Refusals:
    def __init__(self, lab, report):
        self.lab = lab
        self.report = report
        self.node = lab.nodes[0]
        self.send = lab.arrays[0].send
        self.copy = lab.arrays[0].copy
        self.target = lab.target(self.node)
        self.good = lab.toml(self.node)

    def path(self, name):
        """A file beside the volumes of site 0."""
        return os.path.join(self.lab.arrays[0].folder, name)

    def make(self, name, *options, cluster="lab", size_bytes=SIZE_BYTES):
        """Another volume there; without options an empty file."""
        with open(self.path(name), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        if options:
            self.lab.hub_run([self.lab.binary("diskhb/tools/diskhb"), "format", self.path(name),
                              "--cluster", cluster, *options])
        return self.path(name)

    def expect(self, what, done, code, says):
        """One line on stderr with that text, and that exit code."""
        lines = done.stderr.splitlines()
        print(f"  {what}: {(lines or ['-'])[-1]}", flush=True)
        self.report.check(done.returncode == code,
                          f"{what}: exit code {done.returncode}, not {code}")
        self.report.check(len(lines) == 1 and says in lines[0],
                          f"{what}: not one line with '{says}': {lines}")

    def tool(self, *words):
        """Runs diskhb on n1."""
        return self.node.run([self.lab.binary("diskhb/tools/diskhb"), *words], check=False)

    def write(self, wrong):
        """n1's diskhb.toml with that mistake in it."""
        assert wrong.old in self.good, wrong.old
        path = os.path.join(self.node.dir, "etc/diskhb/wrong.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.good.replace(wrong.old, wrong.new))
        return "/etc/diskhb/wrong.toml"

    def refuse(self, wrong):
        """--check refuses it; so does the daemon, at once or as it runs."""
        path = self.write(wrong)
        argv = [self.lab.binary(wrong.program), "--config", path]
        self.expect(wrong.what, self.node.run([*argv, "--check"], check=False), wrong.code,
                    wrong.says)
        if wrong.running:
            self.run_daemon(wrong, argv)
        elif wrong.code == EXIT_CONFIG:
            self.expect(wrong.what + " (the daemon)",
                        self.node.run(argv, check=False, timeout_s=20), wrong.code, wrong.says)

    def run_daemon(self, wrong, argv):
        """The daemon starts, refuses the volume, says so once, and harms nothing."""
        name = os.path.basename(wrong.program)
        log = f"/var/log/{name}.log"
        known = len(self.node.log_text(log))
        self.node.start_process(name, argv)
        wait_until(lambda: wrong.running in self.node.log_text(log)[known:], 15,
                   f"'{wrong.running}' in the log of {name}")
        self.report.check(self.lab.is_connected(self.node, 0), f"{wrong.what}: link 0 is down")
        self.node.end_process(name)
        lines = [line for line in self.node.log_text(log)[known:].splitlines()
                 if wrong.running in line]
        self.report.check(len(lines) == 1, f"{wrong.what}: logged {len(lines)} times")
        print(f"    {lines[0]}", flush=True)


def of_one_place(refusals):
    """Send and receive volume are the same."""
    link, twin = refusals.path("link"), refusals.path("twin")
    os.symlink(refusals.send, link)
    shutil.copyfile(refusals.send, twin)
    receive = f'volume = "{refusals.copy}"\n'
    same = "send and receive volume are the same place"
    return [
        Wrong("the send volume as receive volume", EXIT_CONFIG, same, receive,
              f'volume = "{refusals.send}"\n'),
        Wrong("the send volume under another name", EXIT_CONFIG, same, receive,
              f'volume = "{link}"\n'),
        Wrong("a copy of the send volume", EXIT_CONFIG, "under another name, or a copy of it",
              receive, f'volume = "{twin}"\n', running="This is our own send volume"),
        Wrong("the send volume as target", EXIT_CONFIG, "is the send volume itself",
              f'copy_target = "{refusals.target}"', f'copy_target = "{link}"', COPYD),
        Wrong("the receive volume as target", EXIT_CONFIG,
              "is a volume that this node receives from", f'copy_target = "{refusals.target}"',
              f'copy_target = "{refusals.copy}"', COPYD),
    ]


def of_other_volumes(refusals):
    """Receive volumes and targets that are not what they must be."""
    receive = f'volume = "{refusals.copy}"\n'
    target = f'copy_target = "{refusals.target}"'
    alike = ("--slots", refusals.lab.slots, "--ring-size", "2M")
    foreign = refusals.make("foreign", *alike, cluster="tide")
    rings = refusals.make("rings", "--slots", refusals.lab.slots, "--ring-size", "1M")
    slots = refusals.make("slots", "--slots", "4", "--ring-size", "2M")
    empty = refusals.make("empty")
    another = refusals.make("another", *alike)
    short = refusals.path("short")
    shutil.copyfile(refusals.copy, short)
    os.truncate(short, SIZE_BYTES // 2)
    return [
        Wrong("a receive volume of another cluster", EXIT_CLUSTER,
              "is the volume of cluster 'tide'", receive, f'volume = "{foreign}"\n', running="belongs to a cluster of another name"),
        Wrong("other rings", EXIT_CONFIG, "rings of 1024 KiB", receive, f'volume = "{rings}"\n',
              running="are not of the same number and size"),
        Wrong("other slots", EXIT_CONFIG, "has 4 slots", receive, f'volume = "{slots}"\n',
              running="are not of the same number and size"),
        Wrong("a receive volume that was cut short", EXIT_VOLUME, "smaller than the diskhb volume",
              receive, f'volume = "{short}"\n'),
        Wrong("a receive volume without superblock", EXIT_FORMAT, "not a diskhb volume", receive,
              f'volume = "{empty}"\n'),
        Wrong("a target that is another volume", EXIT_CONFIG, "is another volume", target,
              f'copy_target = "{another}"', COPYD, running="is another volume"),
        Wrong("a target that is no volume", EXIT_CONFIG, "make it one with: diskhb format", target,
              f'copy_target = "{empty}"', COPYD, running="make it one with: diskhb format"),
    ]


def of_the_nodes(refusals):
    """Who is read where."""
    nodes = "nodes = [2]\n"
    return [
        Wrong("a peer without receive volume", EXIT_CONFIG, "node 2 has no receive volume",
              f'[[ring.receive]]\n{nodes}volume = "{refusals.copy}"\n', ""),
        Wrong("a node that is not there", EXIT_CONFIG, "node 7 is not in corosync.conf", nodes,
              "nodes = [2, 7]\n"),
        Wrong("this node itself", EXIT_CONFIG, "node 1 is this node", nodes, "nodes = [1, 2]\n"),
        Wrong("nobody who copies", EXIT_CONFIG, "'copy' is missing",
              f'copy = "builtin"\ncopy_target = "{refusals.target}"\n', ""),
        Wrong("a way to copy that there is not", EXIT_CONFIG,
              'must be "storage", "command" or "builtin"', 'copy = "builtin"', 'copy = "magic"'),
    ]


def tools(refusals):
    """The verbs."""
    small = refusals.make("small", size_bytes=SIZE_BYTES // 4)
    refusals.expect("a copy that does not fit", refusals.tool(
        "format", small, "--copy-of", refusals.send), EXIT_VOLUME, "small")
    refusals.expect("a volume as a copy of itself", refusals.tool(
        "format", refusals.send, "--copy-of", refusals.send), EXIT_USAGE, "is the volume itself")
    refusals.expect("copy now of a ring that is not there", refusals.tool(
        "copy", "now", "--ring", "dhb9"), EXIT_USAGE, "no ring dhb9")
    refusals.expect("copy now from a node that is not there", refusals.tool(
        "copy", "now", "--from", "7"), EXIT_USAGE, "node 7 is not read from a copy")


def left_behind(lab, report):
    """Writes of a copier that was killed: the next one waits until the array has answered them."""
    report.step("a copier is killed while the other array hangs")
    node = lab.nodes[0]
    log = "/var/log/diskhb-copyd.log"

    def behind_ms():
        done = node.run([lab.binary("diskhb/tools/diskhb"), "copy", "status", "--json"])
        return json.loads(done.stdout)["rings"][0]["behind_ms"]

    lab.cut_far()
    wait_until(lambda: behind_ms() > 500, 30, "a write to be under way")
    node.end_process("diskhb-copyd", signal.SIGKILL)
    known = len(node.log_text(log))
    lab.start_copyd(node)
    wait_until(lambda: "still owes an answer" in node.log_text(log)[known:], 30,
               "the next copier to wait")
    lab.heal_far()
    lab.wait_whole(60)


def refuse_all(lab, report):
    refusals = Refusals(lab, report)
    node = lab.nodes[0]
    report.step("what the tool refuses")
    tools(refusals)
    for name in ("diskhbd", "diskhb-copyd"):
        node.end_process(name)
    report.step("what the daemons refuse")
    for wrong in (*of_one_place(refusals), *of_other_volumes(refusals), *of_the_nodes(refusals)):
        refusals.refuse(wrong)
    report.step("with its right configuration the node is back")
    node.start_diskhbd()
    lab.start_copyd(node)
    lab.wait_whole(60)
    left_behind(lab, report)


run("sites_refusals", refuse_all, kind=Sites, nodes=2)
