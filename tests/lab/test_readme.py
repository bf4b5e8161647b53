#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the README tells an administrator to type, typed: on a running cluster without a ring and
without a quorum disk. Its section about two sites is test_readme_sites.py's.

Commands and file contents are taken from README.md itself; a command there that this test does not
know fails it. There is no systemd in the lab: for `systemctl enable --now UNIT` the unit's
ExecStart is run.
"""
import os
import re
import shlex

import config
from lab import SOURCE
from sandbox import wait_until
from scenario import cut_for, detection_ms, run, settle, wait_link
from stream import Stream

# Commands that other tests run: tests/run, lab.demo, admin.packages, admin.setup and lab.pacemaker.
ELSEWHERE = ("tests/demo", "tests/run", "cmake --preset", "cmake --build", "apt-get install", "pcs ")


TWO_SITES = "Two sites that share no disk"


def readme_text(two_sites=False):
    """README.md without its section about two sites, or that section alone."""
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        sections = re.split(r"^(?=## )", file.read(), flags=re.MULTILINE)
    return "".join(section for section in sections
                   if section.startswith(f"## {TWO_SITES}\n") == two_sites)


def readme_commands(text):
    """The command lines of the code blocks, in order, without comments."""
    lines = re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
    begins = re.compile(r"^(diskhbd?|corosync-|systemctl|cmake|tests/|apt|pcs|crm|ip)\b")
    return [re.sub(r"\s+#.*", "", line) for line in lines if begins.match(line)]


def readme_block(first_line, text):
    """The lines of the code block that begins so, without their indentation."""
    found = re.search(rf"^( +){re.escape(first_line)}\n(?: +\S.*\n)+", text, re.MULTILINE)
    return re.sub(rf"^{found[1]}", "", found[0], flags=re.MULTILINE)


class Administrator:
    """Types the README's commands on the nodes of a lab."""

    def __init__(self, lab, report):
        self.lab = lab
        self.report = report
        self.prefix = os.path.join(lab.dir, "shared", "usr")

    def words(self, _node):
        """What stands on a node for the names that the README makes up."""
        device = self.lab.volume.path(self.lab.nodes[0])
        return {"/dev/disk/by-id/YOUR-LUN": device, "YOUR-CLUSTER": config.CLUSTER,
                "NODE": "n2", "VOLUME": device}

    def fill_in(self, text, node):
        """The text with the reader's own names in it."""
        for word, value in self.words(node).items():
            text = re.sub(rf"(?<!\w){word}\b", value, text)
        return text

    def type(self, line, nodes):
        """Runs a line of the README on some nodes."""
        for node in nodes:
            argv = shlex.split(self.fill_in(line, node))
            if line == "diskhb top":
                argv += ["-c", "1"]  # nobody is there to press q
            self.report.step(f"{node.name}# " + " ".join(argv))
            if line.startswith("systemctl"):
                self.start_unit(node, line.split()[-1])
                continue
            path = f"PATH={self.prefix}/sbin:{os.environ['PATH']}"
            done = node.run(["env", path, *argv], check=False, timeout_s=150)
            self.report.check(done.returncode == 0, f"'{line}' failed on {node.name}: "
                              f"{done.stderr or done.stdout[-400:]}")

    def install(self, line):
        """An installation of what was built that leaves the machine as it is."""
        build = os.environ.get("DISKHB_BUILD") or os.path.join(SOURCE, "build/release")
        line = line.replace("build/release", build)
        self.report.step("# " + line)
        self.lab.hub_run(["env", f"DESTDIR={os.path.dirname(self.prefix)}", *shlex.split(line)])

    def start_unit(self, node, unit):
        """Starts a daemon as the example unit does, and waits until it works."""
        with open(os.path.join(SOURCE, f"ha-configs/{unit}.service"), encoding="utf-8") as file:
            command = re.search(r"^ExecStart=(.*)$", file.read(), re.MULTILINE).group(1)
        argv = command.replace("/usr/sbin", f"{self.prefix}/sbin").split()
        argv = [word for word in argv if not word.startswith("$")]
        node.start_process(unit, argv)
        if unit == "diskhbd":
            wait_until(lambda: config.ring_address(node.id) in
                       node.run(["ip", "-o", "address", "show", "dev", "dhb0"], check=False).stdout,
                       15, f"the interface of {node.name}")

    def write_files(self, corosync_conf, diskhb_toml):
        """Both files on all nodes."""
        for node in self.lab.nodes:
            node.write_config(corosync_conf, self.fill_in(diskhb_toml, node))

    def add_quorum(self, corosync_conf, diskhb_toml):
        """The quorum section of the README instead of the lab's, and its [quorum]."""
        section = readme_block("quorum {", readme_text())
        conf, replaced = re.subn(r"^quorum \{\n.*?^\}\n", section, corosync_conf,
                                 flags=re.MULTILINE | re.DOTALL)
        self.report.check(replaced == 1, "the lab's corosync.conf has no quorum section")
        self.write_files(conf, diskhb_toml + readme_block("[quorum]", readme_text()))


def last_man_stands(lab, report):
    """The promise of the quorum disk: of three nodes two die one after the other."""
    report.step("and the quorum disk's: the last node stands")
    for node in (lab.nodes[0], lab.nodes[1]):
        node.kill()
        survivor = lab.nodes[2]
        left = [each.id for each in lab.nodes[lab.nodes.index(node) + 1:]]
        wait_until(lambda ids=left: survivor.members() == ids and survivor.is_quorate(), 60,
                   f"{survivor.name} quorate without {node.name}", 0.2)


def follow_readme(lab, report):
    typed = Administrator(lab, report)
    commands = [line for line in readme_commands(readme_text()) if not line.startswith(ELSEWHERE)]
    report.measured("commands in the README", len(commands))
    stream = Stream(lab, rate=200, size=1024).start()
    settle(lab, stream)

    install = [line for line in commands if line.startswith("cmake --install")]
    for line in install:
        typed.install(line)
    conf = config.corosync_conf([each.id for each in lab.nodes], True, lab.timers)
    toml = readme_block("[[ring]]", readme_text())
    typed.write_files(conf, toml)

    on_one = ("diskhb format", "corosync-", "diskhb setup", "diskhb top", "diskhb status",
              "diskhb ping", "diskhb measure", "diskhb quorum status", "diskhb drill")
    for line in commands:
        if line in install:
            continue
        if line.startswith("diskhb status"):  # "See that it works": when it does
            wait_link(lab, 1, True, 30)
        if line.startswith("diskhb quorum check"):
            typed.add_quorum(conf, toml)
        if line.startswith("diskhb quorum status"):
            for node in lab.nodes:
                wait_until(lambda each=node: each.device().votes, 60,
                           f"the device's vote of {node.name}", 0.2)
        if line == "diskhb drill":  # as its manual page says
            settle(lab, stream)
        typed.type(line, lab.nodes[:1] if line.startswith(on_one) else lab.nodes)

    report.step("and the promise is kept: the network is cut")
    settle(lab, stream)
    cut_for(lab, stream, "all", 5)
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    report.check_gap(verdict, detection_ms(lab) + 1000)
    last_man_stands(lab, report)


if __name__ == "__main__":
    run("readme", follow_readme, ring=False, volume="loop", volume_bytes=300 << 20)
