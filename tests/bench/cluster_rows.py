# SPDX-License-Identifier: BSD-3-Clause
"""What is measured with diskhbd and Corosync in namespaces (tests/lab): TCP, CPG, idle load."""
import contextlib
import json
import os
import subprocess
import time

import config
import report
from device_rows import bench, median, volume_of
from lab import Lab
from sandbox import LabError, spawn, wait_until
from scenario import BACKOFF_S, wait_link
from stream import Stream

RELAY = {1: "10.78.0.1", 2: "10.78.0.2"}  # addresses of the relay's ends, by node
CPG_SIZES = (64, 1024, 16384, 262144)


def _lab(options, name, nodes, kind):
    timers = {}
    for each in options.timer:
        key, _, value = each.partition("=")
        timers[key] = int(value)
    return Lab(f"bench_{name}", nodes=nodes, volume=kind, timers=timers,
               ring_options="".join(line + "\n" for line in options.ring_option))


def _cpu_s(pid):
    """User and system time of a process (proc(5))."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def daemon(options, raw):
    """Processor time of idle daemons."""
    for kind in options.volume:
        with _lab(options, "daemon", 2, kind) as lab:
            for node in lab.nodes:
                node.end_process("corosync")
            time.sleep(2)
            # What was started is nsenter, which becomes diskhbd.
            pids = [node.pids["diskhbd"] for node in lab.nodes]
            before = [_cpu_s(pid) for pid in pids]
            began = time.monotonic()
            time.sleep(5 if options.quick else 15)
            took = time.monotonic() - began
            shares = [(_cpu_s(pid) - cpu) / took for pid, cpu in zip(pids, before)]
        raw[kind] = shares
        yield report.row("processor time of an idle diskhbd", kind, f"{max(shares):.2%}",
                         "of a core", [], "<= 1 %", max(shares) <= 0.01)


@contextlib.contextmanager
def _relay(options, lab):
    """The nodes' interfaces relay0, with the MTU of the ring's, and nothing but a copy between."""
    program = os.path.join(options.build, "tests/bench/diskhb_bench")
    pids = [str(node.holder.pid) for node in lab.nodes]
    child = spawn([program, "relay", *pids], lab.dir, stdout=subprocess.PIPE)
    try:
        if child.stdout.readline() != b"ready\n":
            raise LabError("the relay without a disk did not start")
        mtu = lab.nodes[0].run(["cat", "/sys/class/net/dhb0/mtu"]).stdout.strip()
        for node in lab.nodes:
            node.run(["ip", "address", "add", f"{RELAY[node.id]}/24", "dev", "relay0"])
            node.run(["ip", "link", "set", "relay0", "mtu", mtu, "up"])
        yield mtu
    finally:
        child.kill()
        child.wait()


def _iperf(lab, address, seconds):
    """TCP from n1 to an address of n2, in MiB/s."""
    sender, receiver = lab.nodes
    server = receiver.popen(["iperf3", "--server", "--one-off"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: receiver.run(["ss", "-Hltn", "sport = 5201"]).stdout, 10, "iperf3")
        done = sender.run(["iperf3", "--client", address, "--json", "--time", str(seconds),
                           "--omit", "1"], timeout_s=seconds + 30)
        found = json.loads(done.stdout)["end"]
        return {"mib_per_s": found["sum_received"]["bits_per_second"] / 8 / (1 << 20),
                "retransmits": found["sum_sent"].get("retransmits")}
    finally:
        server.terminate()
        server.wait()


def tcp(options, raw):
    """TCP through two TUN devices, against raw blocks, and against TUN without a disk."""
    turns, seconds = (3, 2) if options.quick else (5, 4)
    for kind in options.volume:
        found = raw[kind] = []
        with _lab(options, "tcp", 2, kind) as lab, volume_of(kind) as volume, \
                _relay(options, lab) as mtu:
            for node in lab.nodes:
                node.end_process("corosync")
            for _ in range(turns):
                found.append({
                    "ring": _iperf(lab, config.ring_address(2), seconds),
                    "relay": _iperf(lab, RELAY[2], seconds),
                    "raw": bench(options, "raw", volume, "--rounds", 1)["rounds"][0]})
        rate = {what: median(each[what]["mib_per_s"] for each in found)
                for what in ("ring", "relay", "raw")}
        ratios = {what: [each["ring"]["mib_per_s"] / each[what]["mib_per_s"] for each in found]
                  for what in ("relay", "raw")}
        retransmits = sum(each["ring"]["retransmits"] or 0 for each in found)
        yield report.row("TCP, against raw 64 KiB blocks", kind, f"{rate['ring']:.0f} MiB/s",
                         f"{rate['raw']:.0f} MiB/s", ratios["raw"], ">= 0.6",
                         lambda ratio: ratio >= 0.6, f"MTU {mtu}, {retransmits} retransmits"
                         + ("; TUN alone does not reach the goal here"
                            if rate["relay"] < 0.6 * rate["raw"] else ""))
        yield report.row("TCP, against TUN without a disk", kind, f"{rate['ring']:.0f} MiB/s",
                         f"{rate['relay']:.0f} MiB/s", ratios["relay"], "", None)


class _Meter:
    """Messages a second that the first node received, from its reports each second."""

    def __init__(self):
        self.points = []

    def on_line(self, line):
        if line["event"] == "second" and line["node"] == 1:
            received = sum(one["received"] for one in line["senders"].values())
            self.points.append((line["t"], received))

    def rate(self):
        # The first report falls into the start.
        if len(self.points) < 3:
            raise LabError("cpg_stream gave too few reports")
        (first_t, first), (last_t, last) = self.points[1], self.points[-1]
        return (last - first) / (last_t - first_t)


def _flood(lab, size, seconds):
    meter = _Meter()
    stream = Stream(lab, size=size, flood=True, group=f"bench{size}", on_line=meter.on_line)
    stream.start()
    stream.run_for(seconds)
    rate = meter.rate()
    verdict = stream.stop()
    return {"messages_per_s": rate, "lost": verdict["lost"],
            "membership_changes": verdict["membership_changes"],
            "latency_us_p50": verdict["latency_us_p50"]}


def cpg(options, raw):
    """CPG on the ring against CPG on the network link, three nodes."""
    turns, seconds = (1, 4.2) if options.quick else (3, 6.2)
    for kind in options.volume if options.only else ["tmpfs"]:
        found = raw[kind] = {str(size): [] for size in CPG_SIZES}
        with _lab(options, "cpg", 3, kind) as lab:
            for _ in range(turns):
                network = {size: _flood(lab, size, seconds) for size in CPG_SIZES}
                time.sleep(BACKOFF_S)
                lab.cut("all")
                wait_link(lab, 0, False, 20)
                for size in CPG_SIZES:
                    found[str(size)].append({"network": network[size],
                                             "ring": _flood(lab, size, seconds)})
                lab.heal()
                wait_link(lab, 0, True, 30)
        for size, turns_found in found.items():
            rates = {link: median(each[link]["messages_per_s"] for each in turns_found)
                     for link in ("network", "ring")}
            shaken = sum(each[link]["membership_changes"] for each in turns_found for link in rates)
            yield report.row(
                f"CPG flood, 3 nodes, {size} B", kind, f"{rates['ring']:.0f}/s",
                f"{rates['network']:.0f}/s",
                [each["ring"]["messages_per_s"] / each["network"]["messages_per_s"]
                 for each in turns_found],
                ">= 0.5" if kind == "tmpfs" else "", (lambda ratio: ratio >= 0.5) if kind == "tmpfs"
                else None, f"{shaken} membership changes" if shaken else "")
