# SPDX-License-Identifier: BSD-3-Clause
"""The quorum disk of a lab: its volumes, what the configuration files say of it, its timings."""
from sandbox import LabError
from volume import Volume

# Short, so that a scenario is: as plugin/quorum/timing.hpp names them, in ms. The two of
# corosync.conf come first. {} instead of these: what the programs take by themselves.
TIMINGS = {
    "timeout": 2000,
    "sync_timeout": 6000,
    "interval": 200,
    "drop": 1000,
    "settle": 500,
}
DEFAULTS = {"timeout": 10000, "sync_timeout": 30000, "interval": 500, "drop": 3000, "settle": 1000,
            "margin": 500}
IN_COROSYNC = ("timeout", "sync_timeout")
PROGRAM = "plugin/quorum/diskhb-quorumd"
MODES = ("last-man-standing", "tie-breaker")
SIZE_BYTES = 16 << 20


class QuorumDisk:
    """Made by Lab from Lab(quorum={...}); the keys and their defaults are those of __init__."""

    def __init__(self, lab, mode="last-man-standing", tie_breaker="lowest", volumes=1,
                 kind="tmpfs", timings=None, program=PROGRAM, votes=None, extra=""):
        if mode not in MODES:
            raise LabError(f"the mode '{mode}' is not known; there are: {', '.join(MODES)}")
        self.options = {"mode": mode, "tie_breaker": tie_breaker, "volumes": volumes, "kind": kind,
                        "timings": timings, "program": program, "votes": votes, "extra": extra}
        self.lab = lab
        self.mode = mode
        self.tie_breaker = tie_breaker
        self.program = program
        self.extra = extra
        self.given = TIMINGS if timings is None else timings
        nodes = len(lab.nodes)
        self.votes = votes or (nodes - 1 if mode == "last-man-standing" else 1)
        # "ring": the volume that the ring is on.
        self.is_on_ring = kind == "ring"
        self.volumes = [] if self.is_on_ring else [
            Volume(lab, kind, SIZE_BYTES, f"quorum{number}") for number in range(1, volumes + 1)]

    def timing(self, name):
        """One of the timings in force, in ms."""
        return {**DEFAULTS, **self.given}[name]

    def create(self):
        """Makes the volumes and puts diskhb's structures on them."""
        for volume in self.volumes:
            volume.create()
            self.lab.format_volume(volume, ["--ring-size", "256K"])

    def attach(self, node):
        """Gives a node its own paths to remote volumes."""
        for volume in self.volumes:
            volume.attach(node)

    def fault(self, fault, nodes=None, volumes=None):
        """A fault (eio, hang, heal) of all quorum volumes or some, for all nodes or some."""
        for volume in volumes or self.volumes:
            for node in nodes or self.lab.nodes:
                volume.fault(node, fault)

    def arguments(self, _node):
        """Of the program that each node runs."""
        return ["--config", "/etc/diskhb/diskhb.toml"] if self.program == PROGRAM else []

    def corosync_lines(self):
        """The device in the quorum section of corosync.conf."""
        lines = ["    device {", "        model: disk", f"        votes: {self.votes}"]
        lines += [f"        {key}: {self.given[key]}" for key in IN_COROSYNC if key in self.given]
        return lines + ["    }"]

    def toml(self, node):
        """The [quorum] table of diskhb.toml. The ring's volume is the default, and not named."""
        lines = ["", "[quorum]", f'mode = "{self.mode}"']
        if isinstance(self.tie_breaker, str):
            lines += [f'tie_breaker = "{self.tie_breaker}"']
        else:
            lines += [f"tie_breaker = {list(self.tie_breaker)}"]
        if not self.is_on_ring:
            paths = ", ".join(f'"{volume.path(node)}"' for volume in self.volumes)
            lines += [f"volumes = [{paths}]"]
        lines += [f"{key}_ms = {value}" for key, value in self.given.items()
                  if key not in IN_COROSYNC]
        return "\n".join(lines) + "\n" + self.extra
