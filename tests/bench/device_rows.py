# SPDX-License-Identifier: BSD-3-Clause
"""What diskhb_bench measures: the engine on a device, without daemon and cluster."""
import contextlib
import json
import os
import statistics
import subprocess

import report

VOLUME_BYTES = 128 << 20
STEAL_MOST = 0.05  # a round in which the hypervisor took more says nothing
TMPFS_ALLOWANCE_US = 60  # waking two threads takes longer than a write and a read there
NAIVE_HZ = (10, 100, 1000)


class BenchError(Exception):
    """Something could not be measured; the text says what."""


@contextlib.contextmanager
def volume_of(kind, size_bytes=VOLUME_BYTES):
    """The path of a fresh volume, gone at the end, however that comes."""
    folder = "/dev/shm" if kind == "tmpfs" else "/var/tmp"
    path = os.path.join(folder, f"diskhb-bench-{os.getpid()}-{os.urandom(3).hex()}")
    try:
        with open(path, "xb") as file:
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        if kind == "tmpfs":
            yield path
        else:
            with _loop_over(path) as device:
                os.unlink(path)
                yield device
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


@contextlib.contextmanager
def _loop_over(path):
    device = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", path], check=True,
                            text=True, stdout=subprocess.PIPE).stdout.strip()
    # Detaching an open loop device waits for its last user, so it goes with this process.
    held = os.open(device, os.O_RDONLY)
    try:
        subprocess.run(["losetup", "--detach", device], check=True)
        yield device
    finally:
        os.close(held)


def bench(options, *words):
    """Runs diskhb_bench and returns what it found."""
    program = os.path.join(options.build, "tests/bench/diskhb_bench")
    extra = [f"--{each}" for each in options.bench_option]
    done = subprocess.run([program, *map(str, words), *extra], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise BenchError(done.stderr.strip() or f"{program} ended with {done.returncode}")
    return json.loads(done.stdout)


def rounds(options, most=10):
    """Fewer of them for a quick look."""
    return ["--rounds", max(3, most // 3) if options.quick else most,
            "--stretch-ms", 500 if options.quick else 1000]


def undisturbed(found):
    """The rounds in which the machine was ours; the text says how many were not."""
    kept = [each for each in found["rounds"] if each["steal"] <= STEAL_MOST]
    if not kept:
        raise BenchError("the hypervisor took more than 5 % of the time in every round")
    gone = len(found["rounds"]) - len(kept)
    return kept, f"{gone} rounds rejected for steal" if gone else ""


def median(values):
    return statistics.median(list(values))


def latency(options, raw):
    """One-way latency of 256 B, hot."""
    for kind in options.volume:
        with volume_of(kind) as volume:
            found = raw[kind] = bench(options, "latency", volume, *rounds(options))
        kept, note = undisturbed(found)
        allowance_us = TMPFS_ALLOWANCE_US if kind == "tmpfs" else 0
        lost = sum(each["ring"]["sent"] - each["ring"]["count"] for each in kept)
        write, read = (median(each["device"][what]["p50_us"] for each in kept)
                       for what in ("write", "read"))
        note = "; ".join(filter(None, [f"write {write:.0f} us, read {read:.0f} us", note,
                                       f"{lost} datagrams lost" if lost else ""]))
        for share, goal in (("p50_us", 1.5), ("p99_us", None)):
            ours = median(each["ring"][share] for each in kept)
            base = median(each["device"][share] for each in kept)
            fits = [each["ring"][share] <= 1.5 * each["device"][share] + allowance_us
                    for each in kept]
            yield report.row(
                f"one way, 256 B, hot, {share[:3]}", kind, f"{ours:.0f} us", f"{base:.0f} us",
                [each["ring"][share] / each["device"][share] for each in kept],
                ("<= 1.5" + (f", + {allowance_us} us" if allowance_us else "")) if goal else "",
                sum(fits) * 2 >= len(fits) if goal else None, note if goal else "")


def idle_latency(options, raw):
    """One-way latency of a datagram that finds everything asleep."""
    for kind in options.volume:
        with volume_of(kind) as volume:
            found = raw[kind] = bench(options, "latency", volume, "--interval-us", 40000,
                                      "--rounds", 3, "--stretch-ms", 1500 if options.quick else 4000)
        kept, note = undisturbed(found)
        for share in ("p50_us", "max_us"):
            ours = median(each["ring"][share] for each in kept)
            base = median(each["device"][share] for each in kept)
            yield report.row(f"one way, 256 B, from idle, {share[:3]}", kind, f"{ours:.0f} us",
                             f"{base:.0f} us", [], "", None,
                             note or "the receiver polls every 10 ms then" if share == "p50_us"
                             else "")


def throughput(options, raw):
    """64 KiB datagrams against raw blocks of that size."""
    for kind in options.volume:
        with volume_of(kind) as volume:
            found = raw[kind] = bench(options, "throughput", volume, *rounds(options))
        kept, note = undisturbed(found)
        written = sum(each["ring"]["frames_written"] for each in kept)
        lapped = sum(each["ring"]["lost_lapped"] for each in kept)
        note = "; ".join(filter(None, [f"{lapped / max(1, written):.1%} lapped", note]))
        yield report.row(
            "64 KiB datagrams, delivered", kind,
            f"{median(each['ring']['mib_per_s'] for each in kept):.0f} MiB/s",
            f"{median(each['device']['mib_per_s'] for each in kept):.0f} MiB/s",
            [each["ring"]["mib_per_s"] / each["device"]["mib_per_s"] for each in kept],
            ">= 0.8", lambda ratio: ratio >= 0.8, note)


def small(options, raw):
    """64 B datagrams as fast as they are taken: what gathering them into batches gives."""
    for kind in options.volume:
        with volume_of(kind) as volume:
            found = raw[kind] = bench(options, "throughput", volume, "--payload-bytes", 64,
                                      *rounds(options, 4))
        kept, note = undisturbed(found)
        rings = [each["ring"] for each in kept]
        batch = median(each["frames_written"] / max(1, each["ring_writes"]) for each in rings)
        rate = median(each["datagrams_per_s"] for each in rings)
        yield report.row("64 B datagrams, delivered", kind, f"{rate:.0f}/s", "", [],
                         ">= 200000/s", rate >= 200_000,
                         "; ".join(filter(None, [f"{batch:.0f} in a batch", note])))


def codec(options, raw):
    """Processor time of the format's blocks."""
    program = os.path.join(options.build, "tests/bench/codec_bench")
    done = subprocess.run([program, "--benchmark_format=json", "--benchmark_min_time=0.2"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(done.stderr.strip() or f"{program} ended with {done.returncode}")
    for found in json.loads(done.stdout)["benchmarks"]:
        raw[found["name"]] = found
        name, _, payload = found["name"].partition("/")
        what = name.replace("_", " ") + (f", frames of {payload} B" if payload else "")
        rate = found.get("bytes_per_second")
        yield report.row(what, "none", f"{found['cpu_time'] / 1000:.2f} us", "", [], "", None,
                         f"{rate / 2**30:.1f} GiB/s" if rate else "")


def idle(options, raw):
    """Reads and writes of idle nodes, counted."""
    if "loop" not in options.volume:
        return
    for nodes in (2, 32):
        seconds = 3 if options.quick else 10
        with volume_of("loop") as volume:
            found = raw[str(nodes)] = bench(options, "idle", volume, "--nodes", nodes,
                                            "--seconds", seconds)
        for what in ("reads", "writes"):
            ours, expected = found[f"{what}_per_s"], found[f"expected_{what}_per_s"]
            seen = found[f"device_{what}_per_s"]
            due = found[f"expected_device_{what}_per_s"]
            yield report.row(
                f"idle {what} a node, {nodes} slots in use", "loop", f"{ours:.1f}/s",
                f"{expected:.0f}/s", [ours / expected], "1 +- 2 % +- one I/O",
                abs(ours - expected) <= 0.02 * expected + 1 / seconds + 1e-3,
                f"the kernel counted {seen:.1f}/s on the device, {due:.0f}/s expected")


def naive(options, raw):
    """One block, polled at a fixed rate."""
    if "loop" not in options.volume:
        return
    for rate_hz in NAIVE_HZ:
        with volume_of("loop") as volume:
            found = raw[str(rate_hz)] = bench(options, "naive", volume, "--rate-hz", rate_hz,
                                              "--seconds", 4)
        yield report.row(f"naive: one block polled at {rate_hz} Hz, p50", "loop", "",
                         f"{found['p50_us']:.0f} us", [], "", None)
