# SPDX-License-Identifier: BSD-3-Clause
"""When each node was quorate, and in which membership (quorum_watch.cpp), and the verdict whether
two partitions ever were at one instant.

Times are time.monotonic_ns(): CLOCK_MONOTONIC, one clock for all nodes of a lab.
"""
import json
import time
from dataclasses import dataclass, replace

from sandbox import LabError, wait_until

PROGRAM = "tests/lab/quorum_watch"


@dataclass(frozen=True)
class State:
    """What a node's Corosync says from one instant on."""
    at_ns: int = 0
    runs: bool = False
    quorate: bool = False
    ring: str = ""
    members: tuple = ()
    sync_ring: str = ""  # of the membership that Corosync forms, or has formed
    next_ring: str = ""  # that it tells of later
    alive: bool = False  # the quorum device, for this node
    votes: bool = False

    def is_syncing(self):
        """Whether Corosync knows of a new membership and has not told of its quorum in it yet."""
        return self.sync_ring not in ("", self.ring)


@dataclass(frozen=True)
class Overlap:
    """For so long `first` and `second` were both quorate, and no members of each other."""
    begin_ns: int
    end_ns: int
    first: int
    second: int
    # MUTUAL: neither was in the other's membership. UNAWARE: the one that is not in the other's
    # still had that in its own, since its Corosync had noticed nothing. SYNCING: it had, and was in
    # its sync phase: quorate by what was told before, but delivering no messages.
    kind: str

    def ms(self):
        return (self.end_ns - self.begin_ns) / 1e6


MUTUAL, UNAWARE, SYNCING = "mutual", "unaware", "syncing"


def follow(before, line):
    """The state after an event, which is a line of quorum_watch."""
    event, at_ns = line["event"], line["t_ns"]
    if event == "connected":
        return replace(before, at_ns=at_ns, runs=True)
    if event == "gone":
        return State(at_ns)
    if event == "quorum":
        return replace(before, at_ns=at_ns, runs=True, quorate=line["quorate"],
                       ring=line["ring"], members=tuple(sorted(line["members"])))
    if event == "members":
        return replace(before, at_ns=at_ns, sync_ring=line["ring"])
    return replace(before, at_ns=at_ns, alive=line["alive"], votes=line["votes"])


def conflict(first_id, first, second_id, second):
    """The kind of Overlap that these two states are, or None."""
    if not (first.quorate and second.quorate):
        return None
    first_without, second_without = second_id not in first.members, first_id not in second.members
    if first_without and second_without:
        return MUTUAL
    if not (first_without or second_without):
        return None
    apart, together = (first, second) if first_without else (second, first)
    if apart.next_ring == together.ring:
        return None  # They come together, and one of them has said so already.
    return SYNCING if together.is_syncing() else UNAWARE


def with_next_rings(states):
    """The states of a node, each with the ring that it will be in next."""
    result, next_ring = [], ""
    for after, state in reversed(list(zip(states[1:] + [None], states))):
        if after is not None and after.ring != state.ring:
            next_ring = after.ring
        result.append(replace(state, next_ring=next_ring))
    return result[::-1]


def overlaps(histories, begin_ns, end_ns):
    """All instants at which two nodes were quorate apart from each other, as intervals.

    histories: {node id: [State, ...]}, each list by time.
    """
    found, open_since = [], {}
    now = {node_id: State() for node_id in histories}
    changes = sorted(((state.at_ns, node_id, state) for node_id, states in histories.items()
                      for state in with_next_rings(states) if state.at_ns < end_ns),
                     key=lambda each: each[:2])
    pairs = [(a, b) for a in histories for b in histories if a < b]
    for at_ns, node_id, state in changes + [(end_ns, None, None)]:
        if node_id is not None:
            now[node_id] = state
        for pair in pairs:
            kind = conflict(pair[0], now[pair[0]], pair[1], now[pair[1]])
            since_ns, old = open_since.get(pair, (0, None))
            if kind != old or node_id is None:
                if old and at_ns > max(since_ns, begin_ns):
                    found.append(Overlap(max(since_ns, begin_ns), at_ns, *pair, old))
                open_since[pair] = (at_ns, kind)
    return sorted(found, key=lambda each: each.begin_ns)


class Watch:
    """quorum_watch on every node of a lab; it outlives the node's Corosync."""

    def __init__(self, lab):
        self.lab = lab
        for node in lab.nodes:
            node.start_process("quorum_watch", [lab.binary(PROGRAM)])
        # What has long been so is told first.
        wait_until(lambda: all(self.state(node).quorate and self.state(node).alive
                               for node in lab.nodes), 10, "the watch to see all nodes quorate")

    def history(self, node):
        """The states of a node, by time."""
        states = [State()]
        lines = node.log_text("/var/log/quorum_watch.log").splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        # Two threads write: a device may be seen to vote before the line of an earlier quorum.
        for line in sorted(events, key=lambda event: event["t_ns"]):
            states.append(follow(states[-1], line))
        return states

    def state(self, node):
        """The newest state of a node."""
        return self.history(node)[-1]

    def wait(self, node, predicate, since_ns, timeout_s, what):
        """The first state of a node after an instant for which predicate holds."""
        deadline = time.monotonic() + timeout_s
        while True:
            for state in self.history(node):
                if state.at_ns >= since_ns and predicate(state):
                    return state
            if time.monotonic() > deadline:
                raise LabError(f"waited {timeout_s:.1f} s in vain for {node.name}: {what}; it is "
                               f"{self.state(node)}")
            time.sleep(0.05)

    def overlaps(self, begin_ns, end_ns=None):
        """See overlaps(); until now if no end is given."""
        return overlaps({node.id: self.history(node) for node in self.lab.nodes}, begin_ns,
                        end_ns or time.monotonic_ns())
