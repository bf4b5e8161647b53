# SPDX-License-Identifier: BSD-3-Clause
"""One node of a lab: its namespaces, its daemons, and what can be asked of its Corosync."""
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass

import config
from sandbox import Holder, LabError, is_running, spawn, wait_until

# What a node has of its own. /etc is an overlay, so that nothing of the machine's is changed. No
# node has SBD, even if it is installed here.
SETUP = """
hostname {name}
for folder in /run /dev/shm /var/log /var/lib/corosync; do
    mkdir -p $folder
    mount -t tmpfs -o mode=755 tmpfs $folder
done
chmod 1777 /dev/shm
mkdir -p /run/lock /run/etc/upper /run/etc/work /var/log/corosync
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc &&
    rm -f /etc/systemd/system/corosync.service.requires/sbd.service || :
mkdir -p /etc/corosync /etc/diskhb
mount --bind {dir}/etc/corosync /etc/corosync
mount --bind {dir}/etc/diskhb /etc/diskhb
mount -t sysfs sysfs /sys
ip link set lo up
"""
COROSYNC_LOG = "/var/log/corosync/corosync.log"
# What dies and freezes with a node. The rest of its processes only watch, or are the storage.
DAEMONS = ("corosync", "diskhbd", "diskhb-copyd", "diskhb-quorumd")


@dataclass
class Device:
    """The quorum device of a node as corosync-quorumtool shows it; False: not, or not shown."""
    alive: bool = False
    votes: bool = False
    shown: str = ""


class Node:
    """Made by Lab. `id` is the nodeid, `name` n1, n2, ... (also its host name)."""

    def __init__(self, lab, node_id):
        self.lab = lab
        self.id = node_id
        self.name = f"n{node_id}"
        self.dir = os.path.join(lab.dir, self.name)
        self.holder = None
        self.pids = {}
        self.was_frozen = False
        self._children = {}

    # -- namespaces and processes

    def create(self):
        """Makes the namespaces and the network port."""
        for folder in ("corosync", "diskhb"):
            os.makedirs(os.path.join(self.dir, "etc", folder))
        self.holder = Holder.start(self.lab.dir, self.lab.detached,
                                   SETUP.format(name=self.name, dir=self.dir), "nmui",
                                   inside=self.lab.hub)
        self.lab.hub_run(["ip", "link", "add", f"port{self.id}", "type", "veth",
                          "peer", "name", "eth0", "netns", self.holder.pid])
        self.lab.hub_run(["ip", "link", "set", f"port{self.id}", "master", "switch", "up"])
        self.run(["ip", "address", "add", f"{config.network_address(self.id)}/24", "dev", "eth0"])
        self.run(["ip", "link", "set", "eth0", "up"])

    def write_config(self, corosync_conf, diskhb_toml):
        """Writes both configuration files; the daemons read them at their next start."""
        with open(os.path.join(self.dir, "etc/corosync/corosync.conf"), "w",
                  encoding="utf-8") as file:
            file.write(corosync_conf)
        with open(os.path.join(self.dir, "etc/diskhb/diskhb.toml"), "w", encoding="utf-8") as file:
            file.write(diskhb_toml)

    def write_key(self, key):
        """Writes knet's key, which is used if the cluster is encrypted (corosync-keygen(8))."""
        with open(os.path.join(self.dir, "etc/corosync/authkey"), "wb") as file:
            os.fchmod(file.fileno(), 0o400)
            file.write(key)

    def run(self, argv, check=True, timeout_s=30, **options):
        """Runs a command in the node; returns the CompletedProcess with text output."""
        argv = [str(word) for word in argv]
        done = subprocess.run(self.holder.enter() + argv, text=True, timeout=timeout_s,
                              env={**os.environ, **self.lab.environment()},
                              capture_output=True, stdin=subprocess.DEVNULL, check=False,
                              **options)
        if check and done.returncode != 0:
            raise LabError(f"{self.name}: '{' '.join(argv)}' failed ({done.returncode}): "
                           f"{done.stderr.strip() or done.stdout.strip()}")
        return done

    def popen(self, argv, **options):
        """Starts a command in the node and returns its Popen."""
        return spawn(self.holder.enter() + list(argv), self.lab.dir, self.lab.detached,
                     **options)

    def start_process(self, name, argv):
        """Starts a daemon; its output goes to /var/log/NAME.log of the node."""
        with open(self.holder.path(f"/var/log/{name}.log"), "ab") as log:
            child = self.popen(argv, stdout=log, stderr=log)
        self._children[name] = child
        self.pids[name] = child.pid
        self.lab.save()

    def is_up(self, name):
        """Whether a daemon that was started still runs."""
        return name in self.pids and is_running(self.pids[name])

    def send_signal(self, name, number):
        """Sends a signal to a daemon of the node."""
        if not self.is_up(name):
            raise LabError(f"{name} does not run on {self.name}; its log ends with:\n"
                           + self.log_tail(f"/var/log/{name}.log"))
        os.kill(self.pids[name], number)

    def end_process(self, name, number=signal.SIGTERM, timeout_s=20):
        """Ends a daemon and waits for it to be gone."""
        self.send_signal(name, number)
        wait_until(lambda: not self.is_up(name), timeout_s, f"the end of {name} on {self.name}",
                   0.02)
        child = self._children.pop(name, None)
        if child:
            child.wait()
        del self.pids[name]
        self.lab.save()

    def kill(self):
        """The whole node dies: all its daemons at once, by SIGKILL."""
        pids = self._daemon_pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for name in [name for name in DAEMONS if name in self.pids]:
            wait_until(lambda: not self.is_up(name), 10, f"the end of {name} on {self.name}",
                       0.01)
            child = self._children.pop(name, None)
            if child:
                child.wait()
            del self.pids[name]
        self.lab.save()

    def freeze(self):
        """The whole node stands still: all its daemons, Corosync first."""
        self.was_frozen = True
        for pid in self._daemon_pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        """And goes on; returns when (time.monotonic()) Corosync did."""
        at = time.monotonic()
        for pid in self._daemon_pids():
            os.kill(pid, signal.SIGCONT)
        return at

    def _daemon_pids(self):
        return [self.pids[name] for name in DAEMONS if self.is_up(name)]

    def boot(self):
        """Starts what kill() ended."""
        if self.lab.ring:
            self.start_diskhbd()
        self.start_corosync()
        if self.lab.quorum:
            self.start_quorumd()

    # -- the daemons

    def start_diskhbd(self):
        """Starts diskhbd and waits until its interface has its address."""
        self.start_process("diskhbd", [self.lab.binary("plugin/ring/diskhbd"),
                                       "--config", "/etc/diskhb/diskhb.toml"])
        wait_until(self._ring_interface_up, 15, f"the interface dhb0 of {self.name}")

    def _ring_interface_up(self):
        if not self.is_up("diskhbd"):
            raise LabError(f"diskhbd has ended on {self.name}:\n"
                           + self.log_tail("/var/log/diskhbd.log"))
        shown = self.run(["ip", "-o", "address", "show", "dev", "dhb0", "up"], check=False).stdout
        return config.ring_address(self.id) in shown

    def start_corosync(self):
        """Starts Corosync; the membership takes a few seconds to form."""
        self.start_process("corosync", ["corosync", "-f"])

    def start_quorumd(self):
        """Starts diskhb-quorumd (or its stand-in) as soon as Corosync answers."""
        wait_until(lambda: self.run(["corosync-quorumtool", "-s"], check=False).returncode != 1
                   or not self.is_up("corosync"), 20, f"corosync on {self.name}", 0.05)
        program = self.lab.binary(self.lab.quorum.program)
        self.start_process("diskhb-quorumd", [program, *self.lab.quorum.arguments(self)])

    def cmap(self, prefix, table="icmap"):
        """The cmap keys that begin with prefix, as a dict of int or str; empty if not running."""
        done = self.run(["corosync-cmapctl", "-m", table, prefix], check=False)
        values = {}
        for line in done.stdout.splitlines():
            found = re.match(r"(\S+) \((\w+)\) = (.*)", line)
            if found:
                key, kind, value = found.groups()
                values[key] = int(value) if re.match(r"[ui]\d+$", kind) else value
        return values

    def links(self):
        """{peer: {link: {"connected": bool, "downs": int}}} as knet sees it."""
        links = {}
        for key, value in self.cmap("stats.knet.", "stats").items():
            found = re.match(r"stats\.knet\.node(\d+)\.link(\d+)\.(connected|down_count)$", key)
            if found and int(found[1]) != self.id:
                link = links.setdefault(int(found[1]), {}).setdefault(int(found[2]), {})
                if found[3] == "connected":
                    link["connected"] = value == 1
                else:
                    link["downs"] = value
        return links

    def members(self):
        """The ids of the nodes in this node's membership; empty if Corosync does not run."""
        return sorted(int(key.split(".")[2]) for key, value in self.cmap("runtime.members.").items()
                      if key.endswith(".status") and value == "joined")

    def is_quorate(self):
        """Whether votequorum says so."""
        return re.search(r"Quorate:\s+Yes",
                         self.run(["corosync-quorumtool", "-s"], check=False).stdout) is not None

    def device(self):
        """The quorum device as this node's votequorum has it for itself."""
        shown = self.run(["corosync-quorumtool", "-s"], check=False).stdout
        for line in shown.splitlines():
            found = re.match(r"\s+(\d+)\s+\d+\s+([\w,]+)\s.*\(local\)", line)
            if found:
                flags = found[2].split(",")
                return Device("A" in flags, "V" in flags, shown)
        return Device(shown=shown)

    def quorumd_status(self):
        """The reply of diskhb-quorumd, as in plugin/quorum/quorum_status.hpp."""
        done = self.run([self.lab.binary("diskhb/tools/diskhb"), "quorum", "status", "--json"],
                        check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise LabError(f"{self.name}: diskhb quorum status says {done.stdout!r} "
                           f"{done.stderr!r}") from None

    def ring_ping(self, peer_id, count):
        """Round trips to a peer over the ring, in us: sent, received, p50_us, max_us."""
        done = self.run([self.lab.binary("diskhb/tools/diskhb"), "ping", peer_id, "-c", count,
                         "--json"], check=False, timeout_s=10 + 2 * count)
        try:
            answer = json.loads(done.stdout)
            return {"sent": answer["sent"], "received": answer["received"],
                    "p50_us": answer["rtt_us_p50"], "max_us": answer["rtt_us_max"]}
        except (ValueError, KeyError, TypeError):
            raise LabError(f"{self.name}: diskhb ping says {done.stdout!r} {done.stderr!r}") \
                from None

    def ring_counters(self):
        """What diskhbd counts, by the names of diskhb/include/diskhb/statistics.hpp."""
        return json.loads(self.run([self.lab.binary("diskhb/tools/diskhb"), "status",
                                    "--json"]).stdout)["rings"][0]["counters"]

    def log_text(self, path=COROSYNC_LOG):
        """A whole log of the node; empty if there is none."""
        try:
            with open(self.holder.path(path), encoding="utf-8", errors="replace") as file:
                return file.read()
        except (AttributeError, OSError):
            return ""

    def log_tail(self, path=COROSYNC_LOG, lines=30):
        """The end of a log of the node."""
        return "\n".join(self.log_text(path).splitlines()[-lines:])
