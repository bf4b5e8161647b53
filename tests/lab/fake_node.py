#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes to a volume as a node would, after diskhb/doc/format.md and without diskhb's code.

    fake_node.py VOLUME NODE once     one batch of two frames, then one table block that names it
    fake_node.py VOLUME NODE beat     the table block every 50 ms until it is ended
    fake_node.py VOLUME NODE quorum   a block of the quorum table every 50 ms until it is ended
"""
import mmap
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "unit"))
from format_decoder import (  # noqa: E402
    ACKNOWLEDGEMENT, ENVELOPE, FRAME, QUORUM, SUPERBLOCK, TABLE, crc32c)

INCARNATION = 0x1122334455667788
MIB = 1 << 20


def frame(destination, payload):
    padded = payload + bytes(-len(payload) % 8)
    return FRAME.pack(len(payload), destination, 1, 0, 12345) + padded


def seal(body, magic, slot, cluster, sequence, place):
    """The block of these bytes, of which the first 96 are put in."""
    def head(tag):
        return ENVELOPE.pack(magic, 1, slot, len(body), cluster, INCARNATION, sequence, place, 0,
                             tag)
    checksum = crc32c(head(bytes(32)) + body[ENVELOPE.size:])
    return head(struct.pack("<I28x", checksum)) + body[ENVELOPE.size:]


class Node:
    def __init__(self, path, node):
        self.volume = os.open(path, os.O_RDWR | os.O_DIRECT)
        self.slot = node - 1
        head = self.read(0, 4096)
        self.cluster = ENVELOPE.unpack_from(head)[4]
        self.block, self.slots, _, self.ring, *_ = SUPERBLOCK.unpack_from(head, ENVELOPE.size)

    def read(self, offset, length):
        buffer = mmap.mmap(-1, length)
        os.preadv(self.volume, [buffer], offset)
        return bytes(buffer)

    def write(self, offset, data):
        buffer = mmap.mmap(-1, len(data))
        buffer.write(data)
        os.pwritev(self.volume, [buffer], offset)

    def write_batch(self):
        frames = frame(0xFFFF, b"to all") + frame(1, b"to node 1" * 20)
        body = bytes(ENVELOPE.size) + struct.pack("<IIQ16x", 2, len(frames), self.block) + frames
        body += bytes(self.block - len(body))
        tables = 2 * self.slots * self.block
        rings = (self.block + tables + MIB - 1) // MIB * MIB
        self.write(rings + self.slot * self.ring,
                   seal(body, b"DISKHBBA", self.slot, self.cluster, 10, 0))

    def write_table(self, beat):
        inline = frame(0xFFFF, b"inline")
        place = self.block + self.slot * self.block
        body = bytes(ENVELOPE.size) + TABLE.pack(self.slot + 1, 1, self.slots, 99, 0, 10,
                                                 self.block, 12, len(inline), 1, 0)
        acknowledgements = [ACKNOWLEDGEMENT.pack(0xABC, 5, 3, 8)]
        acknowledgements += [bytes(ACKNOWLEDGEMENT.size)] * (self.slots - 1)
        body += b"".join(acknowledgements) + inline
        body += bytes(self.block - len(body))
        self.write(place, seal(body, b"DISKHBNT", self.slot, self.cluster, beat, place))

    def write_quorum(self, sequence):
        """Running, without ring and vote; has read nobody."""
        place = self.block + (self.slots + self.slot) * self.block
        body = bytes(ENVELOPE.size) + QUORUM.pack(
            self.slot + 1, 2, self.slots, 0, 0, 0, 0, 0, 1, 0, bytes(16), 0, 0, 0, 0, 0, 0, 0,
            bytes(16), 0, 0, 13000, 0, 0, 99, 0, 0, 0, bytes(16))
        body += bytes(self.block - len(body))
        self.write(place, seal(body, b"DISKHBQT", self.slot, self.cluster, sequence, place))


def main():
    path, node, what = sys.argv[1:]
    writer = Node(path, int(node))
    write = writer.write_quorum if what == "quorum" else writer.write_table
    if what != "quorum":
        writer.write_batch()
    beat = 1
    write(beat)
    while what != "once":
        beat += 1
        write(beat)
        if beat == 2:
            print("beating", flush=True)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
