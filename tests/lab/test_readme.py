#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the README tells an administrator to type, typed: on a running cluster without a ring.

Commands and file contents are taken from README.md itself; a command there that this test does not
know fails it. There is no systemd in the lab: for `systemctl enable --now diskhbd` the unit's
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

# Commands that tests/run and the test lab.demo run themselves.
ELSEWHERE = ("tests/demo", "tests/run", "cmake --preset", "cmake --build")


def readme_commands():
    """The command lines of README.md's code blocks, in order, without comments."""
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        lines = re.findall(r"^ {4,}(\S.*)$", file.read(), re.MULTILINE)
    begins = re.compile(r"^(diskhb|corosync-|systemctl|cmake|tests/|apt|pcs|crm|ip)\b")
    return [re.sub(r"\s+#.*", "", line) for line in lines if begins.match(line)]


def readme_toml():
    """The diskhb.toml of README.md."""
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        found = re.search(r"^ +\[\[ring\]\]\n(?: +\S.*\n)+", file.read(), re.MULTILINE)
    return re.sub(r"^ +", "", found.group(0), flags=re.MULTILINE)


class Administrator:
    """Types the README's commands on the nodes of a lab."""

    def __init__(self, lab, report):
        self.lab = lab
        self.report = report
        self.prefix = os.path.join(lab.dir, "shared", "usr")
        device = lab.volume.path(lab.nodes[0])
        self.words = {"/dev/disk/by-id/YOUR-LUN": device, "YOUR-CLUSTER": config.CLUSTER,
                      "NODE": "n2", "VOLUME": device}

    def fill_in(self, text):
        """The text with the reader's own names in it."""
        for word, value in self.words.items():
            text = re.sub(rf"(?<!\w){word}\b", value, text)
        return text

    def type(self, line, nodes):
        """Runs a line of the README on some nodes."""
        argv = shlex.split(self.fill_in(line))
        self.report.step("# " + " ".join(argv))
        for node in nodes:
            if line.startswith("systemctl"):
                self.start_unit(node)
                continue
            path = f"PATH={self.prefix}/sbin:{os.environ['PATH']}"
            done = node.run(["env", path, *argv], timeout_s=60)
            self.report.check(done.returncode == 0, f"'{line}' failed on {node.name}")

    def start_unit(self, node):
        """Starts diskhbd as the example unit does."""
        with open(os.path.join(SOURCE, "ha-configs/diskhbd.service"), encoding="utf-8") as file:
            command = re.search(r"^ExecStart=(.*)$", file.read(), re.MULTILINE).group(1)
        argv = command.replace("/usr/sbin", f"{self.prefix}/sbin").split()
        node.start_process("diskhbd", argv)
        wait_until(lambda: config.ring_address(node.id)
                   in node.run(["ip", "-o", "address", "show", "dev", "dhb0"], check=False).stdout,
                   15, f"the interface of {node.name}")


def follow_readme(lab, report):
    typed = Administrator(lab, report)
    commands = [line for line in readme_commands() if not line.startswith(ELSEWHERE)]
    report.measured("commands in the README", len(commands))
    stream = Stream(lab, rate=200, size=1024).start()
    settle(lab, stream)

    install = [f"{word}" for word in commands if word.startswith("cmake --install")]
    for line in install:
        build = os.environ.get("DISKHB_BUILD") or os.path.join(SOURCE, "build/release")
        typed.type(line.replace("build/release", build).replace("/usr", typed.prefix), lab.nodes[:1])
    for node in lab.nodes:
        ids = [each.id for each in lab.nodes]
        node.write_config(config.corosync_conf(ids, True, lab.timers),
                          typed.fill_in(readme_toml()))

    on_one = ("diskhb format", "corosync-", "diskhb status", "diskhb ping", "diskhb measure")
    for line in commands:
        if line in install:
            continue
        if line.startswith("diskhb status"):  # "See that it works": when it does
            wait_link(lab, 1, True, 30)
        typed.type(line, lab.nodes[:1] if line.startswith(on_one) else lab.nodes)

    report.step("and the promise is kept: the network is cut")
    settle(lab, stream)
    cut_for(lab, stream, "all", 5)
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)
    report.check_gap(verdict, detection_ms(lab) + 1000)


if __name__ == "__main__":
    run("readme", follow_readme, ring=False, volume="loop", volume_bytes=300 << 20)
