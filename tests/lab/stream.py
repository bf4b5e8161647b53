# SPDX-License-Identifier: BSD-3-Clause
"""A CPG stream between all nodes of a lab (cpg_stream.cpp), and the verdict over it."""
import json
import signal
import subprocess
import threading
import time

from sandbox import LabError, wait_until


class Stream:
    """cpg_stream on every node (or on those given), from start() to stop()."""

    def __init__(self, lab, rate=1000, size=1024, flood=False, nodes=None, group="stream",
                 drain_seconds=30, on_line=None):
        self.lab = lab
        self.nodes = nodes or lab.nodes
        self.argv = [lab.binary("tests/lab/cpg_stream"), "--group", group,
                     "--members", str(len(self.nodes)), "--size", str(size),
                     "--drain-seconds", str(drain_seconds)]
        self.argv += ["--flood"] if flood else ["--rate", str(rate)]
        self.drain_seconds = drain_seconds
        self.on_line = on_line
        self.seconds = {}  # the last line of each node that came each second
        self.ends = {}
        self._streaming = set()
        self._children = {}
        self._readers = []
        self.started_at = None

    def start(self):
        """Starts all and waits until all are sending."""
        for node in self.nodes:
            child = node.popen(self.argv, stdout=subprocess.PIPE, text=True)
            self._children[node.id] = child
            reader = threading.Thread(target=self._read, args=(node.id, child), daemon=True)
            reader.start()
            self._readers.append(reader)
        wait_until(lambda: len(self._streaming) == len(self.nodes), 30, "all nodes to stream",
                   0.02)
        self.started_at = time.monotonic()
        return self

    def _read(self, node_id, child):
        for text in child.stdout:
            line = json.loads(text)
            if line["event"] == "streaming":
                self._streaming.add(node_id)
            elif line["event"] == "second":
                self.seconds[node_id] = line
            elif line["event"] == "end":
                self.ends[node_id] = line
            if self.on_line:
                self.on_line(line)

    def run_for(self, seconds):
        """Lets the stream go on for a time; LabError if one of the programs ends meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for node in self.nodes:
                child = self._children[node.id]
                if child.poll() is not None and node.is_up("corosync"):
                    raise LabError(f"cpg_stream on {node.name} ended early ({child.returncode})")
            time.sleep(max(0.0, min(0.2, deadline - time.monotonic())))

    def age(self):
        """For how many seconds all have been sending."""
        return time.monotonic() - self.started_at

    def received(self, node):
        """How many messages a node has received so far, as of its last report."""
        second = self.seconds.get(node.id)
        return sum(one["received"] for one in second["senders"].values()) if second else 0

    def stop(self):
        """Ends the sending, waits for the rest to arrive, and returns the verdict."""
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 2 * self.drain_seconds + 15
        for node_id, child in self._children.items():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                raise LabError(f"cpg_stream on n{node_id} does not end") from None
        for reader in self._readers:
            reader.join(5)
        return self.verdict()

    def verdict(self, receivers=None, senders=None):
        """The sums over every sender and every receiver (of those given) that has ended well."""
        ends = {node_id: end for node_id, end in self.ends.items()
                if receivers is None or node_id in receivers}
        if not ends:
            raise LabError("no cpg_stream has reported")
        result = {"sent": 0, "expected": 0, "delivered": 0, "lost": 0, "duplicated": 0,
                  "reordered": 0, "corrupt": 0}
        for sender, end in self.ends.items():
            if senders is not None and sender not in senders:
                continue
            result["sent"] += end["sent"]
            for receiver in ends.values():
                book = receiver["senders"].get(str(sender), {})
                # What the sender itself counted is the measure, not what the receiver knows of.
                result["expected"] += end["sent"]
                result["delivered"] += book.get("received", 0)
                result["lost"] += end["sent"] - book.get("received", 0)
                for key in ("duplicated", "reordered", "corrupt"):
                    result[key] += book.get(key, 0)
        worst = max(ends.values(), key=lambda end: end["longest_gap_ms"])
        result["longest_gap_ms"] = round(worst["longest_gap_ms"], 1)
        result["longest_gap_at"] = worst["longest_gap_at"]
        for key in ("membership_changes", "members_left", "quorum_losses", "try_again",
                    "latency_us_p50", "latency_us_p99", "latency_us_max"):
            result[key] = max(end[key] for end in ends.values())
        result["complete"] = len(ends) == len(receivers or self.nodes) and all(
            end["complete"] for end in ends.values())
        result["seconds"] = round(time.monotonic() - self.started_at, 1)
        return result
