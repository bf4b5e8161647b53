# SPDX-License-Identifier: BSD-3-Clause
"""What is measured with diskhbd and Corosync in namespaces (tests/lab): TCP, CPG, idle load."""
import json
import os
import subprocess
import time

import config
import report
from device_rows import bench, median, volume_of
from lab import Lab
from sandbox import LabError
from scenario import BACKOFF_S, wait_link
from stream import Stream

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
            before = [_cpu_s(_daemon_pid(node)) for node in lab.nodes]
            began = time.monotonic()
            time.sleep(5 if options.quick else 15)
            took = time.monotonic() - began
            shares = [(_cpu_s(_daemon_pid(node)) - cpu) / took
                      for node, cpu in zip(lab.nodes, before)]
        raw[kind] = shares
        yield report.row("processor time of an idle diskhbd", kind, f"{max(shares):.2%}",
                         "of a core", [], "<= 1 %", max(shares) <= 0.01)


def _daemon_pid(node):
    """diskhbd itself: what was started is nsenter, which becomes it."""
    return node.pids["diskhbd"]


def _iperf(lab, seconds):
    """TCP from n1 to n2 over the ring, in MiB/s."""
    sender, receiver = lab.nodes
    server = receiver.popen(["iperf3", "--server", "--one-off"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        done = sender.run(["iperf3", "--client", config.ring_address(receiver.id), "--json",
                           "--time", str(seconds), "--omit", "1"], timeout_s=seconds + 30)
        found = json.loads(done.stdout)["end"]
        return {"mib_per_s": found["sum_received"]["bits_per_second"] / 8 / (1 << 20),
                "retransmits": found["sum_sent"].get("retransmits")}
    finally:
        server.terminate()
        server.wait()


def tcp(options, raw):
    """TCP through two TUN devices, against raw blocks written and read."""
    turns, seconds = (2, 2) if options.quick else (5, 4)
    for kind in options.volume:
        found = raw[kind] = []
        with _lab(options, "tcp", 2, kind) as lab, volume_of(kind) as volume:
            for node in lab.nodes:
                node.end_process("corosync")
            for _ in range(turns):
                ours = _iperf(lab, seconds)
                base = bench(options, "raw", volume, "--rounds", 1)["rounds"][0]
                found.append({"tcp": ours, "raw": base})
        yield report.row(
            "TCP through the ring", kind, f"{median(each['tcp']['mib_per_s'] for each in found):.0f} MiB/s",
            f"{median(each['raw']['mib_per_s'] for each in found):.0f} MiB/s",
            [each["tcp"]["mib_per_s"] / each["raw"]["mib_per_s"] for each in found],
            ">= 0.6", lambda ratio: ratio >= 0.6,
            f"{sum(each['tcp']['retransmits'] or 0 for each in found)} retransmits")


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
