# SPDX-License-Identifier: BSD-3-Clause
"""Real Corosync clusters on one machine, in namespaces (see README.md).

    with Lab("my_test", nodes=3, volume="nbd") as lab:
        lab.cut("all")
        lab.nodes[0].run(["corosync-quorumtool", "-s"])

A Lab cleans up after itself however it ends. Should its process be killed, the kernel ends the
lab's processes with it, and the next lab that starts removes the folder.
"""
import json
import os
import shutil
import signal
import subprocess
import sys

import config
from node import Node
from quorum import QuorumDisk
from sandbox import Holder, LabError, end_marked, is_running, spawn, start_time, wait_until
from volume import Volume

BASE = "/var/tmp/diskhb-lab"
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HUB = """
mkdir -p {dir}/shared
mount -t tmpfs -o mode=755 tmpfs {dir}/shared
ip link set lo up
ip link add switch type bridge
ip link set switch up
"""


def build_dir():
    """Where the programs were built: DISKHB_BUILD, or the release preset's folder."""
    return os.environ.get("DISKHB_BUILD") or os.path.join(SOURCE, "build/release")


class Lab:
    """A switch, a shared volume and some nodes with Corosync and diskhbd.

    quorum={}, or with keys of QuorumDisk, adds a quorum disk and diskhb-quorumd on each node.
    """

    def __init__(self, name="lab", nodes=3, volume="file", ring=True, timers=None, slots=8,
                 volume_bytes=256 << 20, ring_options="", encrypted=False, directory=None,
                 detached=False, quorum=None):
        self.dir = os.path.abspath(directory or os.path.join(BASE, name))
        self.ring = ring
        self.timers = {**config.TIMERS, **(timers or {})}
        self.slots = slots
        self.ring_options = ring_options
        self.encrypted = encrypted
        self.detached = detached
        self.on_failed_start = lambda: None  # called before what did start is taken down
        self.hub = None
        self.cuts = []
        self.nodes = [Node(self, node_id) for node_id in range(1, nodes + 1)]
        self.volume = Volume(self, volume, volume_bytes)
        self.quorum = None if quorum is None else QuorumDisk(self, **quorum)
        if self.quorum and self.quorum.is_on_ring and not ring:
            raise LabError("a quorum disk on the ring's volume needs a ring")
        self._old_handler = None

    # -- life

    def __enter__(self):
        self._old_handler = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            return self.start()
        except BaseException:
            try:
                self.on_failed_start()
            finally:
                self._stop_undisturbed()
            raise

    def __exit__(self, *_):
        self._stop_undisturbed()

    def _stop_undisturbed(self):
        handlers = [signal.signal(number, signal.SIG_IGN)
                    for number in (signal.SIGINT, signal.SIGTERM)]
        try:
            self.stop()
        finally:
            signal.signal(signal.SIGINT, handlers[0])
            signal.signal(signal.SIGTERM, self._old_handler or signal.SIG_DFL)

    def start(self):
        """Brings everything up and waits until the cluster is whole."""
        self._claim()
        self.hub = Holder.start(self.dir, self.detached, HUB.format(dir=self.dir), "nm")
        self.save()
        for node in self.nodes:
            node.create()
        self._create_volumes()
        self.write_configs()
        if self.ring:
            for node in self.nodes:
                node.start_diskhbd()
        for node in self.nodes:
            node.start_corosync()
        if self.quorum:
            for node in self.nodes:
                node.start_quorumd()
        self.wait_whole(60)
        self.save()
        return self

    def _create_volumes(self):
        # Without any daemon of ours the volume is there for a test to use as it likes.
        if self.ring or not self.quorum:
            self.volume.create()
            for node in self.nodes:
                self.volume.attach(node)
        if self.ring:
            self.format_volume()
        if self.quorum:
            self.quorum.create()
            for node in self.nodes:
                self.quorum.attach(node)

    def write_configs(self):
        """Writes the configuration files of all nodes."""
        device = self.quorum.corosync_lines() if self.quorum else ()
        conf = config.corosync_conf([node.id for node in self.nodes], self.ring, self.timers,
                                    self.encrypted, device)
        key = os.urandom(256)
        for node in self.nodes:
            node.write_key(key)
            has_ring = self.ring or not self.quorum
            node.write_config(conf, config.diskhb_toml(
                self.volume.path(node) if has_ring else None, self.ring_options,
                self.quorum.toml(node) if self.quorum else ""))

    def stop(self):
        """Ends all processes of the lab and removes its folder."""
        if self.hub is None and not os.path.exists(self._state_path()):
            return
        end_marked(self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.hub = None

    def format_volume(self, volume=None, options=()):
        """Puts diskhb's structures on the ring's volume or the one given."""
        self.hub_run([self.binary("diskhb/tools/diskhb"), "format", (volume or self.volume).device,
                      "--cluster", config.CLUSTER, "--slots", self.slots, "--force", *options])

    def wait_whole(self, timeout_s):
        """Waits until every node sees all nodes, quorum, its device, and every link connected."""
        wait_until(self.is_whole, timeout_s, "all nodes joined, quorate, all links up"
                   + (", the device voting" if self.quorum else ""), 0.2)

    def is_whole(self):
        """Whether every node sees all nodes, quorum, its device, and every link connected."""
        ids = [node.id for node in self.nodes]
        links = {0, 1} if self.ring else {0}
        for node in self.nodes:
            if not node.is_up("corosync"):
                raise LabError(f"corosync has ended on {node.name}:\n" + node.log_tail())
            if node.members() != ids or not node.is_quorate():
                return False
            if not all(self.is_connected(node, link) for link in links):
                return False
            if self.quorum and not node.device().votes:
                return False
        return True

    def is_connected(self, node, link, to=None):
        """Whether a node's link to all other nodes (or to the one given) is up."""
        peers = [to.id] if to else [peer.id for peer in self.nodes if peer is not node]
        links = node.links()
        return all(links.get(peer, {}).get(link, {}).get("connected", False) for peer in peers)

    def downs(self, link):
        """How often a link went down, over all nodes and peers."""
        return sum(peer.get(link, {}).get("downs", 0)
                   for node in self.nodes if node.is_up("corosync")
                   for peer in node.links().values())

    # -- faults

    def cut(self, what):
        """Cuts the whole network (all), a node's port (n1), one direction (n1:in, n1:out), or
        between groups of nodes ("n1,n2|n3,n4"), at one instant for all of them."""
        if what == "all":
            self.hub_run(["ip", "link", "set", "switch", "down"])
        elif "|" in what:
            self._cut_between(what)
        else:
            node, direction = self._parse(what)
            port = f"port{node.id}"
            if not direction:
                self.hub_run(["ip", "link", "set", port, "down"])
            else:
                # What a node sends enters the switch at its port, what it receives leaves there.
                # Dropping it in the switch leaves the node as unaware as a faulty cable does.
                hook = "ingress" if direction == "out" else "egress"
                self.hub_run(["nft", f"add table netdev {port}{direction}; "
                              f"add chain netdev {port}{direction} cut {{ type filter hook {hook} "
                              f"device {port} priority 0; policy drop; }}"])
        if what not in self.cuts:
            self.cuts.append(what)
        self.save()

    def heal(self, what="all"):
        """Takes a cut back; "all" takes all cuts back."""
        for cut in [cut for cut in self.cuts if what in ("all", cut)]:
            if cut == "all":
                self.hub_run(["ip", "link", "set", "switch", "up"])
            elif "|" in cut:
                self.hub_run(["nft", "delete table bridge split"])
            else:
                node, direction = self._parse(cut)
                if direction:
                    self.hub_run(["nft", f"delete table netdev port{node.id}{direction}"])
                else:
                    self.hub_run(["ip", "link", "set", f"port{node.id}", "up"])
            self.cuts.remove(cut)
        self.save()

    def _cut_between(self, what):
        groups = [[f"port{self.node(name).id}" for name in group.split(",")]
                  for group in what.split("|")]
        if any("|" in cut for cut in self.cuts):
            raise LabError(f"the network is cut into groups already: {' '.join(self.cuts)}")
        rules = [f"add rule bridge split forward iifname {{ {', '.join(ones)} }} "
                 f"oifname {{ {', '.join(others)} }} drop"
                 for ones in groups for others in groups if ones is not others]
        self.hub_run(["nft", "; ".join([
            "add table bridge split",
            "add chain bridge split forward { type filter hook forward priority 0; }", *rules])])

    def volume_fault(self, fault, nodes=None):
        """Applies a fault of the volume (eio, hang, heal) to all nodes or to those given."""
        for node in nodes or self.nodes:
            self.volume.fault(node, fault)

    def _parse(self, what):
        name, _, direction = what.partition(":")
        if direction not in ("", "in", "out"):
            raise LabError(f"'{what}' is not all, NODE, NODE:in, NODE:out or NODE,NODE|NODE,NODE")
        return self.node(name), direction

    def node(self, name):
        """The node of that name, n1 for example."""
        for node in self.nodes:
            if name in (node.name, str(node.id)):
                return node
        raise LabError(f"there is no node '{name}'; there are "
                       + ", ".join(node.name for node in self.nodes))

    # -- helpers

    def environment(self):
        """What marks a process as one of this lab's."""
        return {"DISKHB_LAB": self.dir, "LC_ALL": "C.UTF-8"}

    def binary(self, path):
        """A program of the build."""
        full = os.path.join(build_dir(), path)
        if not os.access(full, os.X_OK):
            raise LabError(f"{full} is not there: build it first, or set DISKHB_BUILD")
        return full

    def hub_run(self, argv):
        """Runs a command where the switch is."""
        done = subprocess.run(self.hub.enter() + [str(word) for word in argv], text=True,
                              env={**os.environ, **self.environment()}, capture_output=True,
                              timeout=60, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise LabError(f"'{' '.join(map(str, argv))}' failed: {done.stderr.strip()}")
        return done.stdout

    def hub_process(self, argv):
        """Starts a process where the switch is."""
        self.hub_popen(argv)

    def hub_popen(self, argv):
        """The same, and returns its Popen."""
        with open(os.path.join(self.dir, "hub.log"), "ab") as log:
            return spawn(self.hub.enter() + list(argv), self.dir, self.detached, stdout=log,
                         stderr=log)

    def keep_logs(self, where):
        """Copies every node's logs to a folder."""
        for node in self.nodes:
            if node.holder and is_running(node.holder.pid):
                shutil.copytree(node.holder.path("/var/log"), os.path.join(where, node.name),
                                dirs_exist_ok=True)

    # -- the state file

    def _state_path(self):
        return os.path.join(self.dir, "state.json")

    def _claim(self):
        if os.geteuid() != 0:
            raise LabError("a lab needs root: it makes namespaces")
        if not shutil.which("corosync"):
            raise LabError("corosync is not installed; tests/install-packages installs all")
        for folder in ("/run", "/dev/shm", "/var/log", "/var/lib/corosync"):
            if (self.dir + "/").startswith(folder + "/"):
                raise LabError(f"the lab's folder {self.dir} cannot be in {folder}: "
                               "each node has its own")
        remove_abandoned(os.path.dirname(self.dir))
        try:
            os.makedirs(self.dir)
        except FileExistsError:
            raise LabError(f"{self.dir} exists: the lab is up already (tests/lab/down ends it)") \
                from None
        self.save()

    def save(self):
        """Writes the state file, from which another process can take over."""
        state = {
            "mark": self.dir,
            "owner": os.getpid(),
            "owner_start": start_time(os.getpid()),
            "detached": self.detached,
            "hub": self.hub.pid if self.hub else 0,
            "hub_start": start_time(self.hub.pid) if self.hub else 0,
            "ring": self.ring,
            "timers": self.timers,
            "slots": self.slots,
            "ring_options": self.ring_options,
            "cuts": self.cuts,
            "quorum": self.quorum.options if self.quorum else None,
            "quorum_devices": [volume.device for volume in self.quorum.volumes]
                              if self.quorum else [],
            "volume": {"kind": self.volume.kind, "size_bytes": self.volume.size_bytes,
                       "device": self.volume.device},
            "nodes": [{"holder": node.holder.pid if node.holder else 0, "pids": node.pids}
                      for node in self.nodes],
        }
        with open(self._state_path() + ".new", "w", encoding="utf-8") as file:
            json.dump(state, file, indent=1)
        os.replace(self._state_path() + ".new", self._state_path())

    @classmethod
    def load(cls, directory):
        """The running lab in a folder."""
        try:
            with open(os.path.join(directory, "state.json"), encoding="utf-8") as file:
                state = json.load(file)
        except OSError:
            raise LabError(f"no lab is up in {directory}; tests/lab/up starts one") from None
        lab = cls(directory=state["mark"], nodes=len(state["nodes"]), ring=state["ring"],
                  volume=state["volume"]["kind"], timers=state["timers"], slots=state["slots"],
                  volume_bytes=state["volume"]["size_bytes"],
                  ring_options=state["ring_options"], detached=state["detached"],
                  quorum=state["quorum"])
        lab.volume.device = state["volume"]["device"]
        for volume, device in zip(lab.quorum.volumes if lab.quorum else [],
                                  state["quorum_devices"]):
            volume.device = device
        lab.cuts = state["cuts"]
        lab.hub = Holder(state["hub"], "nm")
        for node, saved in zip(lab.nodes, state["nodes"]):
            node.holder = Holder(saved["holder"], "nmui")
            node.pids = saved["pids"]
        return lab


def remove_abandoned(base):
    """Removes what labs left behind whose process (or, by hand, whose switch) is gone."""
    for name in os.listdir(base) if os.path.isdir(base) else []:
        try:
            with open(os.path.join(base, name, "state.json"), encoding="utf-8") as file:
                state = json.load(file)
        except (OSError, ValueError):
            continue
        key = "hub" if state["detached"] and state["hub"] else "owner"
        if start_time(state[key]) != state[f"{key}_start"]:
            end_marked(state["mark"])
            shutil.rmtree(state["mark"], ignore_errors=True)
