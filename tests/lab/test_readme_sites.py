#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the README's section about two sites tells an administrator to type, typed: on a running
cluster of two sites, with two empty volumes on each array. Then its promise: the network is cut.
"""
import re

import config
from scenario import cut_for, run, settle, wait_link
from sites import Sites
from stream import Stream
from test_readme import Administrator, readme_block, readme_commands, readme_text

# The rest runs on every node.
ON_ONE_NODE = ("corosync-cfgtool",)
ON_ONE_OF_EACH_SITE = ("diskhb ",)


class SitesAdministrator(Administrator):
    """On two sites the same names lead to other volumes."""

    def words(self, node):
        array = self.lab.arrays[self.lab.site(node)]
        far = self.lab.nodes_of(1 - self.lab.site(node))[0]
        return {"/dev/mapper/diskhb-send": array.send, "/dev/mapper/diskhb-copy": array.copy,
                "/dev/mapper/diskhb-remote": self.lab.target(node),
                "YOUR-CLUSTER": config.CLUSTER, "NODE": str(far.id)}

    def fill_in(self, text, node):
        """The text with this site's names in it; at site B the two lists of nodes are swapped."""
        text = super().fill_in(text, node)
        swapped = {"[1, 2]": "[3, 4]", "[3, 4]": "[1, 2]"}
        return text if self.lab.site(node) == 0 else re.sub(
            r"\[1, 2\]|\[3, 4\]", lambda found: swapped[found[0]], text)


def follow_readme(lab, report):
    typed = SitesAdministrator(lab, report)
    for line in readme_commands(readme_text()):
        if line.startswith("cmake --install"):
            typed.install(line)
    commands = readme_commands(readme_text(two_sites=True))
    report.measured("commands in the section", len(commands))
    stream = Stream(lab, rate=100, size=512).start()
    conf = config.corosync_conf([node.id for node in lab.nodes], True, lab.timers)
    toml = readme_block("[[ring]]", readme_text(two_sites=True))

    sites = [lab.nodes_of(site)[0] for site in (0, 1)]
    for line in commands:
        if line == "diskhbd --check":
            typed.write_files(conf, toml)
        if line == "diskhb status":
            lab.ring = True
            wait_link(lab, 1, True, 60)
        typed.type(line, lab.nodes[:1] if line.startswith(ON_ONE_NODE)
                   else sites if line.startswith(ON_ONE_OF_EACH_SITE) else lab.nodes)

    report.step("and the promise is kept: the network is cut")
    settle(lab, stream)
    cut_for(lab, stream, "all", 5)
    verdict = stream.stop()
    report.check_unshaken(verdict)
    report.check_exact(verdict)


run("readme_sites", follow_readme, kind=Sites, ring=False)
