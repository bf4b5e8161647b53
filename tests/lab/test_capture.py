#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""diskhb capture against what was sent: tshark must read the same packets out of the file.

Numbered UDP packets go over the ring of two nodes, whose Corosync is ended. Then both diskhbd are
killed, and the volume alone must give them back: addresses, ports, numbers, times; on a damaged ring
the rest, with what is missing. Live the same, while they are sent.
"""
import json
import os
import shutil
import signal
import subprocess
import time

import config
from sandbox import LabError, wait_until
from scenario import run

PORT = 47000
SOURCE_PORT = 47001
# From a socket's send() to the TUN's reader, on a machine that is busy.
LATE_S = 0.25
SENDER = """
import json, socket, sys, time
source, target, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, %d))
times = []
for number in range(count):
    times.append(time.time())
    s.sendto(number.to_bytes(8, "big") + bytes(size), (target, %d))
    time.sleep(0.002)
print(json.dumps(times))
""" % (SOURCE_PORT, PORT)


def send(node, target, count, size):
    """Sends numbered packets over the ring; when each was handed in."""
    done = node.run(["python3", "-c", SENDER, config.ring_address(node.id),
                     config.ring_address(target.id), count, size], timeout_s=60)
    return json.loads(done.stdout)


def tshark(path):
    """The UDP packets of the streams in a file: (interface, number, time, source, target), and all
    comments."""
    done = subprocess.run(
        ["tshark", "-r", path, "-Y", "udp && !icmp || frame.comment", "-T", "fields", "-E", "separator=|", "-e", "frame.interface_name",
         "-e", "frame.time_epoch", "-e", "ip.src", "-e", "udp.srcport", "-e", "ip.dst",
         "-e", "udp.dstport", "-e", "udp.payload", "-e", "frame.comment", "-n"],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"tshark cannot read {path}: {done.stderr}")
    packets, comments = [], []
    for line in done.stdout.splitlines():
        name, when, source, source_port, target, target_port, payload, comment = line.split("|")
        if comment:
            comments.append(comment)
        if target_port == str(PORT) and "," not in source:
            packets.append((name, int(payload[:16], 16), float(when), (source, source_port),
                            (target, target_port)))
    return packets, comments


def capture(lab, path, *options, code=0):
    """Runs diskhb capture; its JSON."""
    done = subprocess.run([lab.binary("diskhb/tools/diskhb"), "capture", lab.volume.device, "-w",
                           path, "--json", "--corosync-conf",
                           os.path.join(lab.nodes[0].dir, "etc/corosync/corosync.conf"), *options],
                          capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != code:
        raise LabError(f"diskhb capture says {done.returncode}: {done.stdout} {done.stderr}")
    return json.loads(done.stdout)


def check_stream(report, packets, name, sent, source, target, what):
    """The file has exactly what was sent."""
    mine = [each for each in packets if each[0] == name]
    report.measured(f"{what}: packets of {name} sent, in the file", f"{len(sent)}, {len(mine)}")
    report.check([each[1] for each in mine] == list(range(len(sent))),
                 f"{what}: not the packets that {name} sent, in that order")
    ends = {(each[3], each[4]) for each in mine}
    report.check(ends == {((source, str(SOURCE_PORT)), (target, str(PORT)))},
                 f"{what}: addresses and ports are {ends}")
    late = [each[2] - sent[each[1]] for each in mine if each[1] < len(sent)]
    if late:
        report.measured(f"{what}: {name}: taken after send, least and most [ms]",
                        f"{min(late) * 1000:.3f}, {max(late) * 1000:.3f}")
        report.check(-0.001 <= min(late) and max(late) < LATE_S,
                     f"{what}: times are {min(late):.3f} to {max(late):.3f} s after send")


def damage(lab, copy, whole):
    """A copy of the volume in which a batch in the middle of node 1's ring is damaged, and another
    half overwritten."""
    shutil.copyfile(lab.volume.device, copy)
    info = json.loads(subprocess.run([lab.binary("diskhb/tools/diskhb"), "dump", copy, "--node",
                                      "1", "--json"], capture_output=True, text=True,
                                     check=True).stdout)
    batches = [each for each in info["nodes"][0]["batches"] if each["frames"] > 0]
    if len(batches) < 8:
        raise LabError(f"only {len(batches)} batches in the ring: {whole}")
    ring = info["ring_bytes"]
    blocks = info["block_bytes"]
    begin = (blocks * (1 + 2 * info["slots"]) + (1 << 20) - 1) // (1 << 20) * (1 << 20)
    hurt = [batches[len(batches) // 2], batches[len(batches) // 2 + 2]]
    with open(copy, "r+b") as file:
        file.seek(begin + hurt[0]["position"] % ring + 200)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x40]))
        file.seek(begin + hurt[1]["position"] % ring + 512)
        file.write(bytes(hurt[1]["length_bytes"] - 512))
    return sum(each["frames"] for each in hurt)


def scenario(lab, report):
    first, second = lab.nodes
    for node in lab.nodes:
        node.end_process("corosync")
    report.step("live, while packets are sent")
    live = os.path.join(lab.dir, "live.pcapng")
    child = subprocess.Popen([lab.binary("diskhb/tools/diskhb"), "capture", lab.volume.device, "-w",
                              live, "--live", "--here", "1", "--here", "2", "--json",
                              "--corosync-conf",
                              os.path.join(first.dir, "etc/corosync/corosync.conf")],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if "capturing" not in child.stderr.readline():
        raise LabError("diskhb capture --live does not begin")
    sent = send(first, second, 300, 1000)
    wait_until(lambda: os.path.getsize(live) > 300 * 1000, 10, "the live capture to have all")
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    found = json.loads(child.communicate(timeout=20)[0])
    report.check(child.returncode == 0 and found["missing"] == 0, f"live: {found}")
    packets, _ = tshark(live)
    check_stream(report, packets, "n1", sent, config.ring_address(1), config.ring_address(2), "live")

    report.step("while the daemons live: times by their beats")
    soft = os.path.join(lab.dir, "alive.pcapng")
    found = capture(lab, soft, "--node", "n1")
    report.check(found["interfaces"][-1]["clock"] == "observed", f"clock: {found['interfaces']}")
    packets, _ = tshark(soft)
    off = [each[2] - sent[each[1]] for each in packets]
    report.measured("times by the beats are off by at most [ms]",
                    f"{max(map(abs, off)) * 1000:.1f}")
    report.check(len(packets) == 300 and max(map(abs, off)) < LATE_S,
                 f"{len(packets)} packets, times off by {max(map(abs, off)):.3f} s")

    report.step("after a crash of both daemons")
    for node in lab.nodes:
        node.end_process("diskhbd")
        node.start_diskhbd()
    wait_until(lambda: first.run(["ping", "-c1", "-W1", config.ring_address(2)],
                                 check=False).returncode == 0, 20, "the ring")
    sent = [send(first, second, 400, 1200), send(second, first, 150, 40)]
    time.sleep(0.3)  # a beat, for the last ones
    for node in lab.nodes:
        node.end_process("diskhbd", signal.SIGKILL)
    after = os.path.join(lab.dir, "after.pcapng")
    found = capture(lab, after, "--here", "1", "--here", "2")
    report.check(found["missing"] == 0, f"after the crash: {found}")
    packets, _ = tshark(after)
    for node, peer, times in ((first, second, sent[0]), (second, first, sent[1])):
        check_stream(report, packets, node.name, times, config.ring_address(node.id),
                     config.ring_address(peer.id), "crash")
    former = [each for each in packets if each[0].startswith("n1/")]
    report.measured("packets of n1's former life", len(former))
    # The new life begins to write where the former one began, and has replaced its table block.
    numbers = [each[1] for each in former]
    report.check(numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers))),
                 f"n1's former life has {numbers}")
    found = capture(lab, os.path.join(lab.dir, "unknown.pcapng"))
    report.check({each["clock"] for each in found["interfaces"]} == {"unknown"},
                 f"clocks of dead nodes: {found['interfaces']}")

    report.step("a damaged ring")
    copy = os.path.join(lab.dir, "damaged")
    expected = damage(lab, copy, found)
    torn = os.path.join(lab.dir, "torn.pcapng")
    lab_device, lab.volume.device = lab.volume.device, copy
    try:
        found = capture(lab, torn, "--here", "1", "--here", "2", code=1)
    finally:
        lab.volume.device = lab_device
    packets, comments = tshark(torn)
    numbers = [each[1] for each in packets if each[0] == "n1"]
    report.measured("damaged: packets left, missing as said", f"{len(numbers)}, {found['missing']}")
    report.check(found["missing"] == expected, f"missing {found['missing']}, not {expected}")
    report.check(len(numbers) >= 400 - expected and numbers == sorted(set(numbers)),
                 f"{len(numbers)} packets are left")
    report.check(sum("are missing" in each for each in comments) == 2, f"comments: {comments}")
    os.remove(copy)


if shutil.which("tshark") is None:
    print("tshark is not installed (tests/install-packages installs it)")
    raise SystemExit(1)
run("capture", scenario, nodes=2)
