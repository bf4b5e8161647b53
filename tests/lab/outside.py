# SPDX-License-Identifier: BSD-3-Clause
"""A host beyond a node of a lab: what the internet is to a cluster.

     n1 eth0 ─┐            ┌─ n2 eth1 192.0.2.1 ── web eth0 192.0.2.80
              ├─ switch ───┤     fd02::1               fd02::80
     n3 eth0 ─┘            └─ n2 eth0

The node forwards and translates by ha-configs/diskhb-routes.nft; the host has no route back to the
cluster's own addresses. It serves a folder by HTTP and HTTPS.
"""
import os
import subprocess

import config
from lab import SOURCE
from sandbox import Holder, LabError, spawn, wait_until

ADDRESS = "192.0.2.80"
ADDRESS6 = "fd02::80"
NFT = os.path.join(SOURCE, "ha-configs/diskhb-routes.nft")
HERE = os.path.dirname(os.path.abspath(__file__))


def network_address6(node_id):
    """A node's IPv6 address on the network, which Corosync does not use."""
    return f"fd77::{node_id}"


class Outside:
    """The host, its link to the node `carrier`, and what the nodes need to be routed there."""

    def __init__(self, lab, carrier):
        self.lab = lab
        self.carrier = carrier
        self.folder = os.path.join(lab.dir, "web")
        os.makedirs(self.folder)
        self.holder = Holder.start(lab.dir, lab.detached, "ip link set lo up", "n")
        self.processes = []
        carrier.run(["ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns",
                     self.holder.pid])
        carrier.run(["sh", "-ec", "ip address add 192.0.2.1/24 dev eth1; "
                     "ip address add fd02::1/64 dev eth1 nodad; ip link set eth1 up; "
                     "echo 1 >/proc/sys/net/ipv4/ip_forward; "
                     "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"])
        self.run(["sh", "-ec", f"ip address add {ADDRESS}/24 dev eth0; "
                  f"ip address add {ADDRESS6}/64 dev eth0 nodad; ip link set eth0 up"])
        for node in lab.nodes:
            node.run(["ip", "address", "add", f"{network_address6(node.id)}/64", "dev", "eth0",
                      "nodad"])
        carrier.run(["nft", "-f", NFT])

    def run(self, argv):
        """Runs a command on the host; returns its output."""
        done = subprocess.run(self.holder.enter() + [str(word) for word in argv], text=True,
                              env={**os.environ, **self.lab.environment()}, capture_output=True,
                              timeout=60, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise LabError(f"'{' '.join(map(str, argv))}' failed: {done.stderr.strip()}")
        return done.stdout

    def popen(self, argv, **options):
        """Starts a program on the host."""
        process = spawn(self.holder.enter() + list(argv), self.lab.dir, self.lab.detached,
                        **options)
        self.processes.append(process)
        return process

    def serve(self):
        """HTTP on port 80 and HTTPS on port 443, with a certificate that web.pem proves."""
        names = f"subjectAltName=IP:{ADDRESS},IP:{ADDRESS6}"
        self.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                  "-subj", "/CN=web", "-addext", names, "-keyout", f"{self.lab.dir}/web.key",
                  "-out", f"{self.lab.dir}/web.pem"])
        with open(os.path.join(self.lab.dir, "web.log"), "ab") as log:
            server = self.popen(["python3", os.path.join(HERE, "web_server.py"), self.folder,
                                 f"{self.lab.dir}/web.pem", f"{self.lab.dir}/web.key"],
                                stdout=log, stderr=log)
        wait_until(lambda: self._answers() or server.poll() is not None, 20, "the web server")

    def _answers(self):
        done = self.carrier.run(["curl", "-s", "-o", "/dev/null", f"http://{ADDRESS}/"],
                                check=False)
        return done.returncode == 0

    @property
    def certificate(self):
        """Proves the host to a client; the same path in each node."""
        return os.path.join(self.lab.dir, "web.pem")


def route_toml(carriers=(2,), extra=""):
    """[[route]] for all that is not the cluster's, IPv4 and IPv6, by the node that is the gateway."""
    gateway = carriers[0]
    sources = ", ".join(f'{node_id} = "{network_address6(node_id)}"' for node_id in (1, 2, 3)
                        if node_id not in carriers)
    return ("\n[[route]]\n"
            'name = "internet"\n'
            'prefixes = ["0.0.0.0/0"]\n'
            f'gateway = "{config.network_address(gateway)}"\n'
            f"carriers = {list(carriers)}\n{extra}"
            "\n[[route]]\n"
            'name = "internet6"\n'
            'prefixes = ["::/0"]\n'
            f'gateway = "{network_address6(gateway)}"\n'
            f"carriers = {list(carriers)}\n"
            f"sources = {{ {sources} }}\n{extra}")
