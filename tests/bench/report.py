# SPDX-License-Identifier: BSD-3-Clause
"""Rows, how they are printed, and the picture.

A row is a dict: what, volume, ours, baseline (texts with units), ratio (a list: one a round), goal
(text), met (True, False, or None where there is no goal) and note.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time


def row(what, volume, ours, baseline, ratios, goal, met, note=""):
    """One line of the table; `met` may be a function of the median ratio."""
    ratios = [round(ratio, 4) for ratio in ratios]
    if callable(met):
        met = met(statistics.median(ratios)) if ratios else None
    return {"what": what, "volume": volume, "ours": ours, "baseline": baseline, "ratio": ratios,
            "median_ratio": statistics.median(ratios) if ratios else None, "goal": goal,
            "met": met, "note": note}


def _output(argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    return done.stdout.strip()


def header(source):
    """Where and when: machine, kernel, device stack, commit, load."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    disk = _output(["findmnt", "-nro", "SOURCE,FSTYPE", "--target", "/var/tmp"]).split()
    name = os.path.basename(os.path.realpath(disk[0])) if disk else ""
    scheduler = ""
    for folder in (f"/sys/class/block/{name}", f"/sys/class/block/{name}/.."):
        try:
            with open(f"{folder}/queue/scheduler", encoding="ascii") as file:
                scheduler = file.read().strip()
                break
        except OSError:
            continue
    dirty = _output(["git", "status", "--porcelain", "--untracked-files=no"], cwd=source)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "processors": f"{len(models)} x {models[0] if models else 'unknown'}",
        "memory": next(line for line in open("/proc/meminfo", encoding="ascii")
                       if line.startswith("MemTotal")).split(":")[1].strip(),
        "kernel": " ".join(os.uname()[index] for index in (0, 2, 4)),
        "loop": f"loop device with direct I/O over {' '.join(reversed(disk))}, "
                f"scheduler {scheduler or 'unknown'}",
        "commit": _output(["git", "rev-parse", "--short", "HEAD"], cwd=source)
                  + (" with changes" if dirty else ""),
        "load_before": os.getloadavg()[0],
        "both_ends": "both ends on this one machine: its processors serve writer, reader and disk",
    }


def print_header(facts):
    for key in ("date", "processors", "memory", "kernel", "loop", "commit", "both_ends"):
        print(f"{key.replace('_', ' '):>12}: {facts[key]}")
    print(f"{'load':>12}: {facts['load_before']:.1f} before\n")
    print(f"{'what':<42} {'volume':<6} {'diskhb':>14} {'baseline':>14} "
          f"{'ratio (quartiles)':>21}  {'goal':<20}", flush=True)


def spread(ratios):
    """The median with its quartiles."""
    if not ratios:
        return ""
    if len(ratios) < 3:
        return f"{statistics.median(ratios):.2f}"
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def print_row(found):
    words = {True: "met", False: "MISSED", None: ""}
    print(f"{found['what']:<42} {found['volume']:<6} {found['ours']:>14} {found['baseline']:>14} "
          f"{spread(found['ratio']):>21}  {found['goal']:<20} {words[found['met']]}"
          + (f"\n{'':>42} {found['note']}" if found["note"] else ""), flush=True)


def print_end(facts, rows):
    facts["load_after"] = os.getloadavg()[0]
    missed = [found["what"] + " on " + found["volume"] for found in rows if found["met"] is False]
    print(f"\n{sum(found['met'] is True for found in rows)} goals met, {len(missed)} missed"
          + (": " + ", ".join(missed) if missed else "") + f"; load {facts['load_after']:.1f}")


def draw(path, latency, facts):
    """The share of datagrams that took at most so long, and of writes and reads of the device."""
    if not latency:
        sys.exit("tests/bench/run: --png needs the latency part")
    lines = [f'set terminal pngcairo size {760 * len(latency)},520 font "sans,10"',
             f'set output "{path}"', "set multiplot layout 1,%d" % len(latency),
             "set logscale x", 'set xlabel "microseconds"', "set yrange [0:1]", "set grid",
             'set ylabel "share that took at most so long"', "set key bottom right"]
    with tempfile.TemporaryDirectory() as folder:
        for volume, found in latency.items():
            for curve in ("ring", "device"):
                with open(f"{folder}/{volume}-{curve}", "w", encoding="ascii") as file:
                    points = found[f"{curve}_curve_us"]
                    for step, value in enumerate(points):
                        file.write(f"{value} {step / (len(points) - 1)}\n")
            lines.append(f'set title "{found["payload_bytes"]} B one way, {volume} volume\\n'
                         f'{facts["processors"]}, {facts["date"][:10]}"')
            lines.append(f'plot "{folder}/{volume}-device" using 1:2 with lines lw 2 '
                         'title "the device: one write, one read", '
                         f'"{folder}/{volume}-ring" using 1:2 with lines lw 2 title "diskhb"')
        subprocess.run(["gnuplot"], input="\n".join(lines) + "\n", text=True, check=True)
