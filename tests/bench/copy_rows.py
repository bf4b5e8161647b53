# SPDX-License-Identifier: BSD-3-Clause
"""Copying to another array: an nbdkit that serves by TCP, an nbdfuse mount, and a delay between."""
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time

import report
from device_rows import BenchError, bench, median, rounds, undisturbed, volume_of
from sandbox import spawn, wait_until

DELAYS_MS = (0, 5, 20)
NBDCOPY_BYTES = 64 << 20


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _array(image, delay_ms):
    """The image as a file behind TCP, and its URI; each request takes delay_ms each way."""
    folder = tempfile.mkdtemp(prefix="diskhb-bench-", dir="/var/tmp")
    port = _free_port()
    mount = os.path.join(folder, "volume")
    delay = [f"delay-read={2 * delay_ms}ms", f"delay-write={2 * delay_ms}ms"]
    children = []
    try:
        children.append(spawn(["nbdkit", "--foreground", "-i", "127.0.0.1", "-p", port,
                               "--filter=delay", "file", image, *delay], folder,
                              stderr=subprocess.DEVNULL))
        uri = f"nbd://127.0.0.1:{port}"
        wait_until(lambda: subprocess.run(["nbdinfo", "--size", uri], capture_output=True,
                                          check=False).returncode == 0, 10, "nbdkit")
        children.append(spawn(["nbdfuse", "--connections=16", mount, uri], folder))
        wait_until(lambda: os.path.exists(mount), 10, "nbdfuse")
        _widen(mount)
        yield mount, uri
    finally:
        for child in reversed(children):
            child.terminate()
            child.wait()
        subprocess.run(["umount", "-l", mount], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _widen(mount):
    """Lets FUSE have more than 12 requests of 128 KiB on their way (max_background), as a disk has."""
    control = tempfile.mkdtemp(prefix="diskhb-bench-", dir="/var/tmp")
    subprocess.run(["mount", "-t", "fusectl", "fusectl", control], check=True)
    try:
        number = os.minor(os.stat(mount).st_dev)
        for key, value in (("max_background", 256), ("congestion_threshold", 200)):
            with open(os.path.join(control, str(number), key), "w", encoding="ascii") as file:
                file.write(str(value))
    finally:
        subprocess.run(["umount", control], check=True)
        os.rmdir(control)


def _nbdcopy(source, uri):
    """MiB/s of nbdcopy with as many requests of the same size in flight as the copier has."""
    began = time.monotonic()
    done = subprocess.run(["nbdcopy", "--requests=16", "--request-size=262144", "--connections=1",
                           "--no-extents", source, uri], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise BenchError(f"nbdcopy: {done.stderr.strip()}")
    return NBDCOPY_BYTES / (1 << 20) / (time.monotonic() - began)


def copy(options, raw):
    """Throughput of a copy, and its lag."""
    for delay_ms in DELAYS_MS:
        with volume_of("tmpfs") as volume, volume_of("tmpfs") as image, \
                volume_of("tmpfs", NBDCOPY_BYTES) as sample, _array(image, delay_ms) as (mount, uri):
            with open(sample, "r+b") as file:
                file.write(os.urandom(1 << 20) * (NBDCOPY_BYTES >> 20))
            rates = [_nbdcopy(sample, uri)]
            found = raw[str(delay_ms)] = bench(options, "copy", volume, "--target", mount,
                                               *rounds(options, 6))
            rates += [_nbdcopy(sample, uri), _nbdcopy(sample, uri)]
            raw[str(delay_ms)]["nbdcopy_mib_per_s"] = rates
        kept, note = undisturbed(found)
        where = f"{delay_ms} ms"
        ours = [each["copy"]["mib_per_s"] for each in kept]
        laps = sum(each["copy"]["laps"] for each in kept)
        note = "; ".join(filter(None, [note, f"{laps} laps" if laps else ""]))
        for name, key in (("copy against dd, 256 KiB", "dd"),
                          ("copy against 16 writes of 256 KiB", "wide")):
            by_hand = [each[key]["mib_per_s"] for each in kept]
            yield report.row(name, where, f"{median(ours):.0f} MiB/s",
                             f"{median(by_hand):.0f} MiB/s",
                             [one / other for one, other in zip(ours, by_hand)], ">= 0.7",
                             lambda ratio: ratio >= 0.7, note)
        yield report.row("copy against nbdcopy, 16 x 256 KiB", where, f"{median(ours):.0f} MiB/s",
                         f"{median(rates):.0f} MiB/s", [one / median(rates) for one in ours],
                         "", None, "nbdcopy goes past the mount, which lets fewer through at once")
        lags = [each["lag"]["p50_us"] for each in kept]
        waits = [each["read"]["p50_us"] + each["write"]["p50_us"] for each in kept]
        yield report.row("lag of a copy, p50", where, f"{median(lags) / 1000:.1f} ms",
                         f"{median(waits) / 1000:.1f} ms",
                         [one / other for one, other in zip(lags, waits)],
                         "<= 1.5" if delay_ms else "",
                         (lambda ratio: ratio <= 1.5) if delay_ms else None,
                         "against one read there and one write here; the write has the way there "
                         "and back in it")
