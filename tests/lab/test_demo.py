#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""tests/demo works, shows the ring taking over, and writes what it promises to write.

test_demo.py [--two-sites]
"""
import json
import os
import re
import subprocess
import sys
import tempfile

from lab import SOURCE, build_dir

ZERO = {"membership_changes", "quorum_losses", "cpg_lost", "cpg_duplicated", "cpg_reordered"}
KEYS = ZERO | {"nodes", "cuts", "cpg_sent", "longest_gap_ms", "ring_rtt_us_p50",
               "corosync_version", "volume"}
TWO_SITES = sys.argv[1:] == ["--two-sites"]
NODES = 4 if TWO_SITES else 3


def main():
    if os.geteuid() != 0:
        print("the lab needs root: skipped")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "demo.json")
        with subprocess.Popen([os.path.join(SOURCE, "tests/demo"), *sys.argv[1:], "--seconds", "8",
                               "--json", report], text=True, stdout=subprocess.PIPE,
                              env={**os.environ, "DISKHB_BUILD": build_dir()}) as demo:
            shown = ""
            for line in demo.stdout:
                print(line, end="", flush=True)
                shown += line
        if demo.returncode != 0:
            print(f"tests/demo ends with {demo.returncode}")
            return 1
        with open(report, encoding="utf-8") as file:
            result = json.load(file)
    problems = [f"{key} is missing" for key in sorted(KEYS - result.keys())]
    problems += [f"{key} is {result[key]}" for key in sorted(ZERO & result.keys()) if result[key]]
    if not re.search(rf" DOWN +up +{NODES} of {NODES} ", shown):
        problems.append("no line shows the network down and the ring up")
    if TWO_SITES and not re.search(r" up +4/12 up +4 of 4 ", shown):
        problems.append("no line shows the ring cut between the sites")
    if TWO_SITES and not re.search(r"the ring find.*\n(.*\n)+? .* up +up +4 of 4 ", shown):
        problems.append("no line shows the ring back")
    if "\033" in shown:
        problems.append("there is colour though nobody looks at a terminal")
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


sys.exit(main())
