# SPDX-License-Identifier: BSD-3-Clause
"""Processes and namespaces of a lab, and how they are found and ended again.

Every process that a lab starts carries the lab's folder in its environment (DISKHB_LAB) and is
only ever ended by its process id. Namespaces, mounts inside them, veth pairs, bridges and TUN
interfaces go when the last process in them has gone, so ending the processes cleans up all.
"""
import ctypes
import os
import signal
import subprocess
import time

MARK = "DISKHB_LAB"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something that the lab needs did not work; the text says what."""


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(argv, mark, detached=False, **options):
    """Starts a process of the lab `mark`. Unless detached, it dies with the caller's process."""
    environment = dict(options.pop("env", None) or os.environ)
    environment[MARK] = mark
    environment["LC_ALL"] = "C.UTF-8"
    return subprocess.Popen(
        [str(word) for word in argv],
        env=environment,
        stdin=options.pop("stdin", subprocess.DEVNULL),
        start_new_session=True,
        preexec_fn=None if detached else _die_with_parent,
        **options,
    )


def start_time(pid):
    """When a process began, in clock ticks since boot; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return int(file.read().rsplit(")", 1)[1].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def is_running(pid):
    """Whether a process is there and is not a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def marked_pids(mark):
    """The ids of all processes of the lab `mark`."""
    wanted = f"{MARK}={mark}".encode()
    pids = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                if wanted in file.read().split(b"\0") and is_running(entry):
                    pids.append(int(entry))
        except OSError:
            continue
    return pids


def end_marked(mark, patience_s=10):
    """Ends all processes of the lab `mark`, by their ids."""
    deadline = time.monotonic() + patience_s
    while True:
        pids = marked_pids(mark)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not pids:
            return
        if time.monotonic() > deadline:
            raise LabError(f"processes {pids} of {mark} do not end")
        time.sleep(0.02)


def wait_until(predicate, timeout_s, what, interval_s=0.1):
    """Waits for predicate() to be true and returns its value; LabError at the deadline."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout_s} s in vain for: {what}")
        time.sleep(interval_s)


class Holder:
    """A process that keeps a set of namespaces, and the way into them."""

    def __init__(self, pid, namespaces):
        self.pid = pid
        self.namespaces = namespaces

    @classmethod
    def start(cls, mark, detached, script, namespaces, inside=None):
        """Runs a shell script in new namespaces and keeps these after the script has run."""
        argv = inside.enter("m") if inside else []
        argv += ["unshare", "--propagation", "private"] if "m" in namespaces else ["unshare"]
        argv += [f"-{letter}" for letter in namespaces]
        argv += ["sh", "-ec", script + "\necho ready\nexec sleep infinity"]
        process = spawn(argv, mark, detached, stdout=subprocess.PIPE)
        if process.stdout.readline() != b"ready\n":
            process.kill()
            raise LabError("namespaces cannot be set up; the messages above say why")
        process.stdout.close()
        return cls(process.pid, namespaces)

    def enter(self, namespaces=None):
        letters = namespaces or self.namespaces
        return ["nsenter", "-t", str(self.pid)] + [f"-{letter}" for letter in letters] + ["--"]

    def path(self, path):
        """A path inside the namespaces as one that can be opened from outside."""
        return f"/proc/{self.pid}/root{path}"
