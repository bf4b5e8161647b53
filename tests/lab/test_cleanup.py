#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A lab leaves nothing behind: not at its end, nor when it is interrupted, ended or killed."""
import os
import signal
import subprocess
import sys

from lab import BASE, remove_abandoned
from sandbox import marked_pids, wait_until

NAME = "cleanup"
MARK = os.path.join(BASE, NAME)
HERE = os.path.dirname(os.path.abspath(__file__))
CHILD = f"""
import signal, sys
sys.path.insert(0, {HERE!r})
from lab import Lab
with Lab({NAME!r}, nodes=2, ring=False, volume="loop") as lab:
    print("up", flush=True)
    if sys.argv[1] == "wait":
        signal.pause()
"""


def loops():
    """The loop devices over the lab's files."""
    listed = subprocess.run(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"],
                            check=True, text=True, stdout=subprocess.PIPE).stdout
    return [line for line in listed.splitlines() if line.startswith(MARK)]


def is_clean():
    return not marked_pids(MARK) and not loops()


def main():
    if os.geteuid() != 0:
        print("the lab needs root: skipped")
        return 77
    for end in (None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        child = subprocess.Popen([sys.executable, "-c", CHILD, "wait" if end else "end"],
                                 text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if child.stdout.readline() != "up\n":
            print("the lab does not come up")
            return 1
        if end:
            child.send_signal(end)
        child.wait(60)
        wait_until(is_clean, 10, f"nothing of the lab to be left after {end}")
        if end == signal.SIGKILL:
            # Nobody was left to remove the folder: the next lab does.
            remove_abandoned(BASE)
        if os.path.exists(MARK):
            print(f"{MARK} is left after {end}")
            return 1
        print(f"nothing is left after {end.name if end else 'a normal end'}", flush=True)
    return 0


sys.exit(main())
