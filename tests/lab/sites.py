# SPDX-License-Identifier: BSD-3-Clause
"""Two sites that share no disk: each has an array of its own, and its nodes copy what they write there
to the array of the other site (README.md, "Two sites").

    with Sites("my_test", delay_ms=5) as lab:
        lab.cut_far()

An array is an nbdkit that serves by TCP on a network of its own, `far`. Each node reaches the other
site's array by an nbdkit that connects again when it was cut off, and nbdfuse.
"""
import json
import os
from concurrent.futures import ThreadPoolExecutor

import config
from lab import Lab
from sandbox import wait_until

FAR = "10.78.0."
PORT = 10809
TARGET_FOLDER = "mount-target"


class Array:
    """What one site's storage has: its send volume, and the copy of the other site's."""

    def __init__(self, lab, site):
        self.lab = lab
        self.site = site
        self.folder = os.path.join(lab.dir, f"array{site}")
        self.send = os.path.join(self.folder, "send")
        self.copy = os.path.join(self.folder, "copy")
        self.address = f"{FAR}{101 + site}"
        self.delay_file = os.path.join(self.folder, "delay-ms")
        self.process = None

    def create(self, size_bytes):
        """Makes the images and gives the array its address."""
        os.makedirs(self.folder)
        for image in (self.send, self.copy):
            with open(image, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, size_bytes)
        self.lab.hub_run(["ip", "address", "add", f"{self.address}/24", "dev", "far"])

    def serve(self, delay_ms):
        """Lets the other site write to the copy; each request takes delay_ms there and back."""
        delay = ["--filter=delay", f"delay-read={2 * delay_ms}ms",
                 f"delay-write={2 * delay_ms}ms"] if delay_ms else []
        is_filtered = self.lab.has_delay_filter
        address, port = ("127.0.0.1", PORT + 1 + self.site) if is_filtered else (self.address, PORT)
        self.process = self.lab.hub_popen(
            ["nbdkit", "--foreground", "-i", address, "-p", port, *delay[:1], "file", self.copy,
             *delay[1:]])
        self._wait_listening(address, port)
        if is_filtered:
            self.set_delay(0)
            self.lab.hub_process([os.path.join(os.path.dirname(__file__), "delay_filter"),
                                  self.address, str(PORT), str(port), self.delay_file])
            self._wait_listening(self.address, PORT)

    def _wait_listening(self, address, port):
        wait_until(lambda: self.lab.hub_listens(address, port), 10,
                   f"the array of site {self.site}")

    def set_delay(self, delay_ms):
        """Switches the delay filter, if there is one: that long each way, from now on."""
        with open(self.delay_file + ".new", "w", encoding="ascii") as file:
            file.write(str(delay_ms))
        os.replace(self.delay_file + ".new", self.delay_file)

    def end(self):
        """The array goes down; nothing that it has stored is lost."""
        self.process.kill()
        self.process.wait()


class Sites(Lab):
    """A Lab whose first half of nodes is at site 0 and the other at site 1."""

    def __init__(self, name="sites", nodes=4, delay_ms=0, copy="builtin", far_options="",
                 has_delay_filter=False, **options):
        super().__init__(name, nodes=nodes, volume_bytes=32 << 20, **options)
        self.delay_ms = delay_ms
        self.copy = copy
        self.far_options = far_options
        self.has_delay_filter = has_delay_filter
        self.arrays = [Array(self, site) for site in (0, 1)]

    def site(self, node):
        """0 or 1."""
        return 0 if node.id <= len(self.nodes) // 2 else 1

    def nodes_of(self, site):
        """The nodes at a site."""
        return [node for node in self.nodes if self.site(node) == site]

    def target(self, node):
        """Where a node copies its writes to, as it sees it."""
        return os.path.join(node.dir, TARGET_FOLDER, "volume")

    def _create_volumes(self):
        # An address of its own: else it takes the lowest of its ports', which changes with each
        # node, and those that have learned another reach the arrays only half a minute later.
        self.hub_run(["ip", "link", "add", "far", "address", "02:00:00:00:78:00", "type", "bridge"])
        self.hub_run(["ip", "link", "set", "far", "up"])
        for array in self.arrays:
            array.create(self.volume.size_bytes)
        if self.ring:
            self._format_volumes()
        for array in self.arrays:
            array.serve(self.delay_ms)
        for node in self.nodes:
            self._attach(node)

    def _format_volumes(self):
        tool = self.binary("diskhb/tools/diskhb")
        for array in self.arrays:
            self.hub_run([tool, "format", array.send, "--cluster", config.CLUSTER, "--slots",
                          self.slots, "--ring-size", "2M"])
        for array in self.arrays:
            self.hub_run([tool, "format", array.copy, "--copy-of",
                          self.arrays[1 - array.site].send])

    def _attach(self, node):
        port = f"far{node.id}"
        self.hub_run(["ip", "link", "add", port, "type", "veth", "peer", "name", "eth1",
                      "netns", node.holder.pid])
        self.hub_run(["ip", "link", "set", port, "master", "far", "up"])
        node.run(["ip", "address", "add", f"{FAR}{node.id}/24", "dev", "eth1"])
        node.run(["ip", "link", "set", "eth1", "up"])
        # An array that is cut off is given up within seconds, as multipath does.
        node.run(["sh", "-c", "echo 4 >/proc/sys/net/ipv4/tcp_retries2; "
                              "echo 1 >/proc/sys/net/ipv4/tcp_syn_retries"])
        array = self.arrays[1 - self.site(node)]
        path = os.path.join(node.dir, "target.sock")
        node.start_process("nbdkit-target", [
            "nbdkit", "--foreground", "--unix", path, "--filter=retry", "nbd",
            f"hostname={array.address}", f"port={PORT}", "shared=false",
            "retries=100000", "retry-delay=1", "retry-exponential=no"])
        wait_until(lambda: os.path.exists(path), 10, f"nbdkit on {node.name}")
        os.makedirs(os.path.dirname(self.target(node)), exist_ok=True)
        node.start_process("nbdfuse-target", ["nbdfuse", self.target(node), "--unix", path])
        wait_until(lambda: os.path.exists(node.holder.path(self.target(node))), 10,
                   f"nbdfuse on {node.name}")

    def copy_lines(self, node):
        """The keys that say who copies."""
        if self.copy == "builtin":
            return f'copy = "builtin"\ncopy_target = "{self.target(node)}"\n'
        return f'copy = "{self.copy}"\n'

    def toml(self, node):
        """diskhb.toml of a node."""
        site = self.site(node)
        here = [one.id for one in self.nodes_of(site)]
        there = [one.id for one in self.nodes_of(1 - site)]
        return (f'[corosync]\nconf = "/etc/corosync/corosync.conf"\n'
                f'[[ring]]\ninterface = "dhb0"\nlink = 1\n'
                f'send_volume = "{self.arrays[site].send}"\nshared_with = {here}\n'
                f'{self.copy_lines(node)}{self.far_options}{self.ring_options}'
                f'[[ring.receive]]\nnodes = {there}\nvolume = "{self.arrays[site].copy}"\n')

    def write_configs(self):
        conf = config.corosync_conf([node.id for node in self.nodes], self.ring, self.timers,
                                    self.encrypted)
        for node in self.nodes:
            node.write_config(conf, self.toml(node))
        if self.ring and self.copy == "builtin":
            for node in self.nodes:
                self.start_copyd(node)

    def start_copyd(self, node):
        """Starts diskhb-copyd."""
        node.start_process("diskhb-copyd", [self.binary("plugin/replication/diskhb-copyd"),
                                            "--config", "/etc/diskhb/diskhb.toml"])

    def measured_timers(self):
        """The timers that `diskhb measure` advises on a node of each site, the longest of them."""
        def measure(node):
            done = node.run([self.binary("diskhb/tools/diskhb"), "measure",
                             self.arrays[self.site(node)].send, "--seconds", "3", "--json"])
            return json.loads(done.stdout)
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(measure, (self.nodes[0], self.nodes[-1])))
        timers = {}
        for one in (each["timers"] for each in found):
            advised = {key: one[key] for key in
                       ("token", "token_retransmits_before_loss_const", "join")}
            for link, name in ((0, "network"), (1, "ring")):
                for key in ("interval", "timeout"):
                    advised[f"link{link}_ping_{key}"] = one[name][f"knet_ping_{key}"]
            timers = {key: max(value, timers.get(key, 0)) for key, value in advised.items()}
        return timers, max(each["copies"]["lag_us"]["p99"] for each in found) / 1000

    def use_timers(self, timers):
        """Lets the running cluster take other timers."""
        self.timers.update(timers)
        conf = config.corosync_conf([node.id for node in self.nodes], self.ring, self.timers,
                                    self.encrypted)
        for node in self.nodes:
            node.write_config(conf, self.toml(node))
        self.nodes[0].run(["corosync-cfgtool", "-R"])
        wait_until(lambda: all(node.cmap("totem.token").get("totem.token") == self.timers["token"]
                               for node in self.nodes), 10, "the new timers on all nodes")

    def cut_far(self):
        """The replication network is gone, both ways."""
        self.hub_run(["ip", "link", "set", "far", "down"])

    def heal_far(self):
        """It is back; addresses of a bridge stay."""
        self.hub_run(["ip", "link", "set", "far", "up"])

    def ring_status(self, node):
        """What diskhbd says of the ring."""
        done = node.run([self.binary("diskhb/tools/diskhb"), "status", "--json"])
        return json.loads(done.stdout)["rings"][0]

    def hub_listens(self, address, port):
        """Whether somebody listens there."""
        return f"{address}:{port}" in self.hub_run(["ss", "-Hltn"])

    def is_far_link(self, connected):
        """Whether the ring's link is up (or down) between all nodes of different sites."""
        return all(self.is_connected(node, 1, peer) == connected
                   for node in self.nodes for peer in self.nodes_of(1 - self.site(node)))

    def wait_far_link(self, connected, timeout_s):
        """Waits for that."""
        wait_until(lambda: self.is_far_link(connected), timeout_s,
                   f"the ring between the sites to be {'up' if connected else 'down'}", 0.2)

    def report_lag(self, report):
        """Shows how far the copies and the readers at the other site are behind."""
        for node in self.nodes:
            ring = self.ring_status(node)
            copy = ring["copy"]
            report.measured(f"{node.name}: copy lag p50, p99, most [ms]",
                            ", ".join(f"{copy.get(key, 0) / 1000:.1f}" for key in
                                      ("lag_us_p50", "lag_us_p99", "lag_us_most")))
            for peer in ring["peers"]:
                report.measured(f"{node.name}: read by n{peer['node']} after p50, p99 [ms]",
                                f"{peer['lag_us_p50'] / 1000:.1f}, {peer['lag_us_p99'] / 1000:.1f}"
                                f" ({peer['state']})")
