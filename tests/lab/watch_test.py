#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The verdict of watch.py on histories whose overlaps are known."""
import unittest
from dataclasses import replace

from watch import MUTUAL, SYNCING, UNAWARE, Overlap, State, follow, overlaps


def ring(members):
    return ".".join(map(str, members))


def quorate(at_ns, *members):
    return State(at_ns, True, True, ring(members), members)


def inquorate(at_ns, *members):
    return State(at_ns, True, False, ring(members), members)


class Verdict(unittest.TestCase):
    def test_finds_two_partitions_for_as_long_as_both_are_quorate(self):
        histories = {1: [quorate(0, 1, 2), quorate(10, 1), inquorate(50, 1)],
                     2: [quorate(0, 1, 2), inquorate(10, 2), quorate(30, 2)]}
        self.assertEqual(overlaps(histories, 0, 100), [Overlap(30, 50, 1, 2, MUTUAL)])

    def test_finds_one_that_lasts(self):
        histories = {1: [quorate(10, 1)], 2: [quorate(20, 2)]}
        self.assertEqual(overlaps(histories, 0, 100), [Overlap(20, 100, 1, 2, MUTUAL)])
        self.assertEqual(overlaps(histories, 60, 100), [Overlap(60, 100, 1, 2, MUTUAL)])

    def test_tells_apart_who_has_not_noticed_yet(self):
        histories = {1: [quorate(0, 1, 2), quorate(10, 1)],
                     2: [quorate(0, 1, 2), quorate(15, 2), inquorate(18, 2)]}
        self.assertEqual(overlaps(histories, 0, 100), [Overlap(10, 15, 1, 2, UNAWARE),
                                                       Overlap(15, 18, 1, 2, MUTUAL)])

    def test_tells_apart_who_is_in_the_sync_phase(self):
        histories = {1: [quorate(0, 1, 2), quorate(10, 1)],
                     2: [quorate(0, 1, 2), replace(quorate(12, 1, 2), sync_ring="2"),
                         inquorate(18, 2)]}
        self.assertEqual(overlaps(histories, 0, 100), [Overlap(10, 12, 1, 2, UNAWARE),
                                                       Overlap(12, 18, 1, 2, SYNCING)])

    def test_lets_partitions_come_together_one_node_after_another(self):
        histories = {1: [inquorate(0, 1), quorate(10, 1, 2, 3)],
                     2: [quorate(0, 2, 3), quorate(12, 1, 2, 3)],
                     3: [quorate(0, 2, 3), quorate(11, 1, 2, 3)]}
        self.assertEqual(overlaps(histories, 0, 100), [])
        histories[2][1] = quorate(50, 2)  # it was not on its way into that membership
        self.assertEqual(overlaps(histories, 0, 40), [Overlap(10, 40, 1, 2, UNAWARE)])

    def test_finds_none_within_a_membership(self):
        histories = {1: [quorate(0, 1, 2), quorate(10, 1, 2)], 2: [quorate(5, 1, 2)]}
        self.assertEqual(overlaps(histories, 0, 100), [])

    def test_counts_a_dead_node_no_longer(self):
        dead = follow(quorate(0, 1), {"event": "gone", "t_ns": 20})
        self.assertEqual(overlaps({1: [quorate(0, 1), dead], 2: [quorate(20, 2)]}, 0, 100), [])
        self.assertEqual(overlaps({1: [quorate(0, 1), dead], 2: [quorate(19, 2)]}, 0, 100),
                         [Overlap(19, 20, 1, 2, MUTUAL)])

    def test_judges_every_pair(self):
        histories = {1: [quorate(0, 1, 2)], 2: [quorate(0, 1, 2)], 3: [quorate(0, 3)]}
        self.assertEqual(overlaps(histories, 0, 9), [Overlap(0, 9, 1, 3, MUTUAL),
                                                     Overlap(0, 9, 2, 3, MUTUAL)])


if __name__ == "__main__":
    unittest.main()
