# SPDX-License-Identifier: BSD-3-Clause
"""A channel on the network path against plain TCP, in turn, over loopback."""
import json
import os
import subprocess

import report
from device_rows import BenchError, median


def channel(options, raw):
    """Round trips of 64 B and a stream of 64 KiB messages."""
    program = os.path.join(options.build, "tests/bench/channel_bench")
    argv = [program, "--rounds", "4" if options.quick else "15", "--stretch-ms", "400"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        raise BenchError(f"channel_bench failed: {done.stderr.strip()}")
    rounds = raw["rounds"] = json.loads(done.stdout)["rounds"]
    for what, key, unit in (
            ("channel echo, 64 B, on one processor", "echo_per_s", "/s"),
            ("channel echo, 64 B, as scheduled", "free_echo_per_s", "/s"),
            ("channel stream, 64 KiB, against TCP", "bulk_mib_per_s", " MiB/s")):
        ours, plain = ([one[f"{side}_{key}"] for one in rounds] for side in ("channel", "tcp"))
        yield report.row(what, "-", f"{median(ours):.0f}{unit}", f"{median(plain):.0f}{unit}",
                         [one / other for one, other in zip(ours, plain)], ">= 0.8",
                         lambda ratio: ratio >= 0.8)
