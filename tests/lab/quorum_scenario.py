# SPDX-License-Identifier: BSD-3-Clause
"""What the scenarios with a quorum disk have in common: limits, waiting, and the check that no two
partitions are quorate at one instant.
"""
import time

from quorum import PROGRAM
from sandbox import wait_until
from scenario import SOAK, run, token_ms
from watch import MUTUAL, SYNCING, UNAWARE, Watch

# Corosync's: 1.2 tokens (totemconfig.c) until those that are left agree that they are all.
CONSENSUS = 1.2
# Then the new membership forms and synchronizes: a few rounds of the token.
FORMING_MS = 1500
# A daemon that reads that another partition has the vote says no at once.
SYNCING_MS = 1000
WHOLE_S = 90
TIMERS = {"token": 1500}


def detection_ms(lab):
    """How long Corosync takes to see that a node is gone."""
    return token_ms(lab) * (1 + CONSENSUS)


def times(count):
    """How often a scenario is repeated."""
    return 10 if SOAK else count


def names(nodes):
    """n1,n2 for the nodes."""
    return ",".join(node.name for node in nodes)


class Case:
    """A scenario under way: the lab, its watch, and the figures of its rounds."""

    def __init__(self, lab, report):
        self.lab = lab
        self.report = report
        self.watch = Watch(lab)
        if lab.quorum.program == PROGRAM:
            timings = lab.nodes[0].quorumd_status()["timings"]
            self.take_ms, self.recovery_max_ms = timings["take_ms"], timings["recovery_max_ms"]
        else:
            self.take_ms = self.recovery_max_ms = 0
        self.limit_ms = self.take_ms + detection_ms(lab)
        self.figures = {}

    def holder(self):
        """The node that holds the grant."""
        for node in self.lab.nodes:
            grant = node.quorumd_status().get("grant") if node.is_up("diskhb-quorumd") else None
            if grant:
                return self.lab.node(str(grant["holder"]))
        return None

    def wait_holder(self):
        """The holder, as soon as there is one."""
        return wait_until(self.holder, 30, "a node to hold the grant", 0.2)

    def note(self, what, value_ms):
        """Remembers a figure of this round."""
        self.figures.setdefault(what, []).append(value_ms)

    def show(self):
        """The figures of all rounds: least, median, most."""
        for what, values in self.figures.items():
            values = sorted(values)
            self.report.measured(f"{what} [ms]: min, median, max of {len(values)}",
                                 f"{values[0]:.0f}, {values[len(values) // 2]:.0f}, "
                                 f"{values[-1]:.0f}")

    def show_limits(self):
        """What the figures are held against."""
        self.report.measured("limit [ms]: take + detection of Corosync",
                             f"{self.take_ms} + {detection_ms(self.lab):.0f} = "
                             f"{self.limit_ms:.0f}")
        self.report.measured("recovery_max of diskhb-quorumd [ms]", self.recovery_max_ms)

    def wait_winner(self, nodes, since_ns, extra_ms=0):
        """Waits until these nodes are a quorate partition; returns how long that took, in ms."""
        limit_ms = self.limit_ms + extra_ms
        ids = tuple(node.id for node in nodes)
        states = [self.watch.wait(node, lambda state: state.quorate and state.members == ids,
                                  since_ns, limit_ms / 1000 + 10, f"quorate as {ids}")
                  for node in nodes]
        took_ms = (max(state.at_ns for state in states) - since_ns) / 1e6
        self.note("quorate again after", took_ms)
        self.report.check(took_ms <= limit_ms, f"{names(nodes)} took {took_ms:.0f} ms to be "
                          f"quorate, more than {limit_ms:.0f} ms")
        return took_ms

    def wait_loser(self, nodes, since_ns):
        """Waits until these nodes are a partition without quorum."""
        ids = tuple(node.id for node in nodes)
        for node in nodes:
            self.watch.wait(node, lambda state: not state.quorate and state.members == ids,
                            since_ns, self.limit_ms / 1000 + 10, f"inquorate as {ids}")

    def check_states(self, winners, losers):
        """Who is quorate now."""
        for node in winners:
            self.report.check(self.watch.state(node).quorate, f"{node.name} is not quorate")
        for node in losers:
            self.report.check(not self.watch.state(node).quorate, f"{node.name} is quorate")

    def check_one_quorate(self, since_ns, until_ns=None, noticed_ns=None, syncing_ms=SYNCING_MS):
        """Never two quorate partitions at one instant, since an event that parted the nodes.

        A node whose Corosync has not yet seen that it is alone goes by its old membership, with or
        without a quorum device; `noticed_ns` is by when it must have (default: its detection). And
        one that has seen it is told so when its sync phase ends; `syncing_ms` is how long that may
        last beside another quorate partition.
        """
        found = self.watch.overlaps(since_ns, until_ns)
        noticed_ns = noticed_ns or since_ns + (detection_ms(self.lab) + FORMING_MS) * 1e6
        kinds = {kind: [each for each in found if each.kind == kind]
                 for kind in (MUTUAL, UNAWARE, SYNCING)}
        for kind, text in ((MUTUAL, "two quorate partitions"),
                           (UNAWARE, "quorate beside one that had not noticed"),
                           (SYNCING, "quorate beside one in its sync phase")):
            self.note(text, max((each.ms() for each in kinds[kind]), default=0))
        late = [each for each in kinds[UNAWARE] if each.end_ns > noticed_ns]
        long = [each for each in kinds[SYNCING] if each.ms() > syncing_ms]
        for wrong, text in ((kinds[MUTUAL], "two partitions were quorate at one instant"),
                            (late, "a node was quorate in its old membership for too long"),
                            (long, "a node was in its sync phase for too long")):
            self.report.check(not wrong, f"{text}: {describe(wrong, since_ns)}")

    def heal(self):
        """Takes all cuts back and waits for the whole cluster."""
        self.lab.heal()
        self.lab.wait_whole(WHOLE_S)


def describe(found, since_ns):
    """The first of the overlaps, for people."""
    return "; ".join(f"n{each.first} and n{each.second} from "
                     f"{(each.begin_ns - since_ns) / 1e6:.0f} to "
                     f"{(each.end_ns - since_ns) / 1e6:.0f} ms after the event"
                     for each in found[:4])


def hold(seconds):
    """Lets a state last, so that what must not happen has time to."""
    time.sleep(seconds)


def run_quorum(name, body, nodes, quorum, **lab_options):
    """run() of scenario.py, in a lab with a quorum disk and, unless asked for, without a ring."""
    options = {"ring": False, "timers": TIMERS, **lab_options}

    def scenario(lab, report):
        case = Case(lab, report)
        body(case)
        case.show()

    run(name, scenario, nodes=nodes, quorum=quorum, **options)
