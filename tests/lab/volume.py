# SPDX-License-Identifier: BSD-3-Clause
"""A shared volume of a lab: a file, a file in memory, a loop device, a remote disk with faults.

The remote one (nbd) needs no kernel module. One nbdkit serves the image as the array would; each
node reaches it through an nbdkit of its own, whose filters fail or hold back requests, and sees it
as a file by nbdfuse (nbdkit-error-filter(1), nbdkit-pause-filter(1), nbdfuse(1)).
"""
import os
import socket
import subprocess

from sandbox import Holder, LabError, wait_until

KINDS = ("file", "tmpfs", "loop", "loop4k", "nbd")
FAULTS = ("eio", "hang", "heal")


class Volume:
    """Made by Lab; path(node) is what a node opens. Names tell several volumes of a lab apart."""

    def __init__(self, lab, kind, size_bytes, name="volume"):
        if kind not in KINDS:
            raise LabError(f"a volume of kind '{kind}' is not known; there are: {', '.join(KINDS)}")
        self.lab = lab
        self.kind = kind
        self.name = name
        self.size_bytes = size_bytes
        self.image = os.path.join(lab.dir, "shared" if kind == "tmpfs" else "", name)
        self.device = self.image

    def create(self):
        """Makes the image, and the loop device or the server over it."""
        with open(self.lab.hub.path(self.image), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.size_bytes)
        if self.kind in ("loop", "loop4k"):
            self._attach_loop()
        elif self.kind == "nbd":
            self._serve(self._socket("array"), "file", self.image)

    def path(self, node):
        """The volume's path as the node sees it."""
        if self.kind != "nbd":
            return self.device
        return os.path.join(node.dir, "mount-" + self.name, "volume")

    def attach(self, node):
        """Gives a node its own path to a remote volume."""
        if self.kind != "nbd":
            return
        self._serve(
            self._socket(node.name), "--filter=pause", "--filter=error", "nbd",
            f"socket={self._socket('array')}", "shared=true",
            f"pause-control={self._socket(node.name, 'pause')}",
            "error=EIO", "error-rate=100%", f"error-file={self._error_file(node)}")
        os.makedirs(os.path.dirname(self.path(node)), exist_ok=True)
        node.start_process("nbdfuse-" + self.name, ["nbdfuse", self.path(node), "--unix",
                                                    self._socket(node.name)])
        wait_until(lambda: os.path.exists(node.holder.path(self.path(node))), 10,
                   f"nbdfuse on {node.name}")

    def fault(self, node, fault):
        """Makes a node's requests fail (eio) or wait (hang), or takes both away (heal)."""
        if self.kind != "nbd":
            raise LabError(f"a volume of kind {self.kind} has no faults; use --volume nbd")
        if fault not in FAULTS:
            raise LabError(f"the fault '{fault}' is not known; there are: {', '.join(FAULTS)}")
        if fault == "eio":
            with open(self._error_file(node), "w", encoding="ascii"):
                pass
        elif fault == "hang":
            self._pause(node, b"p")
        else:
            if os.path.exists(self._error_file(node)):
                os.unlink(self._error_file(node))
            self._pause(node, b"r")

    def _socket(self, *words):
        return os.path.join(self.lab.dir, "-".join((self.name,) + words) + ".sock")

    def _error_file(self, node):
        return os.path.join(node.dir, self.name + "-fails")

    def _pause(self, node, command):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(15)
            control.connect(self._socket(node.name, "pause"))
            control.sendall(command)
            answer = control.recv(1)
        if answer != command.upper():
            raise LabError(f"nbdkit of {node.name} answers {answer!r} to {command!r}")

    def _serve(self, path, *arguments):
        # nbdkit in the foreground ends with its parent, so the parent is one that stays.
        self.lab.hub_process(["sh", "-c", '"$@" & wait', "sh",
                              "nbdkit", "--foreground", "--unix", path, *arguments])
        wait_until(lambda: os.path.exists(path), 10, f"nbdkit on {path}")

    def _attach_loop(self):
        argv = ["losetup", "--find", "--show", "--direct-io=on"]
        if self.kind == "loop4k":
            argv += ["--sector-size", "4096"]
        self.device = subprocess.run(argv + [self.image], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout.strip()
        # Detaching an open loop device defers to the last close, so it goes with the lab.
        try:
            Holder.start(self.lab.dir, self.lab.detached, f"exec 9<>{self.device}", "")
        finally:
            subprocess.run(["losetup", "--detach", self.device], check=True)
