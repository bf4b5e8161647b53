#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Dumps a diskhb volume as JSON, after diskhb/doc/format.md alone.

Shares no code with diskhb, so that what both say of a volume can be compared. Python's standard
library only. Reads through the page cache: for images and quiet volumes, not beside a daemon.

    format_decoder.py VOLUME [--node ID] [--frames | --quorum]

What it prints is what `diskhb dump --json` prints, and with --frames every frame besides; with
--quorum what `diskhb quorum dump --json` prints of a volume. Exit code: 0, or 1 if neither superblock can be used.
"""
import argparse
import datetime
import json
import os
import struct
import sys
import uuid

ENVELOPE = struct.Struct("<8sHHI16sQQQQ32s")
SUPERBLOCK = struct.Struct("<IHHQQQQQ")
TABLE = struct.Struct("<IHHQQQQQIIQ")
ACKNOWLEDGEMENT = struct.Struct("<QQQQ")
QUORUM = struct.Struct("<IHHIHHIHHQ16sQQQQIIQ16sQIIQQQQQQ16s")
ECHO = struct.Struct("<QQ")
BATCH = struct.Struct("<IIQ16s")
FRAME = struct.Struct("<IHBBQ")
FRAME_KINDS = {1: "datagram", 2: "message", 3: "echo_request", 4: "echo_reply"}
STATES = {1: "running", 2: "stopped"}
QUORUM_STATES = {1: "starting", 2: "running", 3: "stopped"}
HEURISTICS = {0: "off", 1: "passed", 2: "failed"}
BALLOTS = {0: "none", 1: "claimed", 2: "accepted", 3: "granted", 4: "revoked"}
VOTES = {0: "no", 1: "yes", 2: "undecided"}
SLOTS_MAX = 128
MAX_PAYLOAD = 65536
MIB = 1 << 20
WRAP = 1 << 64


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


class Rejected(Exception):
    """A block that failed a check; the argument is the error's name."""


def require(condition, error):
    if not condition:
        raise Rejected(error)


def signed(distance):
    return (distance + WRAP // 2) % WRAP - WRAP // 2


def unseal(data, magic):
    """The envelope's fields and the bytes that it covers."""
    require(len(data) >= ENVELOPE.size, "truncated")
    head = data[: ENVELOPE.size]
    require(any(head), "empty_block")
    found, version, slot, length, cluster, incarnation, sequence, place, reserved, tag = (
        ENVELOPE.unpack(head))
    require(found == magic, "bad_magic")
    require(version == 1, "other_version")
    require(length >= ENVELOPE.size, "malformed")
    require(length <= len(data), "truncated")
    data = data[:length]
    checksum = crc32c(data[:64] + bytes(32) + data[96:])
    require(tag == struct.pack("<I", checksum) + bytes(28), "torn")
    require(reserved == 0, "malformed")
    fields = {"slot": slot, "cluster": cluster, "incarnation": incarnation,
              "sequence": sequence, "place": place}
    return fields, data


class Geometry:
    def __init__(self, block, slots, ring, volume):
        require(block.bit_count() == 1 and 4096 <= block <= 65536, "malformed")
        require(2 <= slots <= (96 if block == 4096 else 128), "malformed")
        require(ring.bit_count() == 1 and 256 << 10 <= ring <= 1 << 30, "malformed")
        longest = -(-(128 + 16 + MAX_PAYLOAD) // block) * block
        require(ring >= 3 * longest and volume % block == 0 and volume < 1 << 63, "malformed")
        self.block, self.slots, self.ring, self.volume = block, slots, ring, volume
        self.table = block
        self.rings = -(-(block + 2 * slots * block) // MIB) * MIB
        self.copy = volume - block
        require(self.rings + slots * ring + block <= volume, "malformed")

    def ring_offset(self, slot, position=0):
        return self.rings + slot * self.ring + position % self.ring


def time_text(seconds):
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return "unknown"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def decode_superblock(data, offset):
    fields, data = unseal(data, b"DISKHBSB")
    require(fields["slot"] == 0 and fields["place"] == offset, "misplaced")
    require(len(data) >= 4096, "malformed")
    block, slots, name_bytes, ring, volume, compatible, incompatible, formatted = (
        SUPERBLOCK.unpack_from(data, 96))
    require(incompatible == 0, "other_version")
    geometry = Geometry(block, slots, ring, volume)
    require(block == len(data), "malformed")
    require(offset in (0, geometry.copy), "misplaced")
    require(1 <= name_bytes <= 255, "malformed")
    name = data[144:144 + name_bytes]
    require(all(0x20 <= letter <= 0x7E for letter in name), "malformed")
    return geometry, {
        "cluster": name.decode("ascii"), "uuid": str(uuid.UUID(bytes=fields["cluster"])),
        "formatted_at": time_text(formatted), "format_version": 1, "block_bytes": block,
        "slots": slots, "ring_bytes": ring, "volume_bytes": volume,
        "compatible_features": compatible}


def decode_frames(area, first_sequence, in_full):
    frames = []
    offset = 0
    while offset < len(area):
        require(len(area) - offset >= FRAME.size, "malformed")
        size, destination, kind, reserved, submitted = FRAME.unpack_from(area, offset)
        end = offset + FRAME.size + -(-size // 8) * 8
        require(size <= MAX_PAYLOAD and end <= len(area), "malformed")
        require(kind in FRAME_KINDS and reserved == 0, "malformed")
        frame = {"length_bytes": size,
                 "destination": "all" if destination == 0xFFFF else str(destination + 1),
                 "kind": FRAME_KINDS[kind], "submitted_ns": submitted}
        if in_full:
            frame["sequence"] = (first_sequence + len(frames)) % WRAP
            frame["payload"] = area[offset + FRAME.size:offset + FRAME.size + size].hex()
        frames.append(frame)
        offset = end
    return frames


def decode_acknowledgements(data, slots):
    listed = []
    for slot in range(slots):
        incarnation, read, message, beat = ACKNOWLEDGEMENT.unpack_from(
            data, 160 + slot * ACKNOWLEDGEMENT.size)
        if incarnation != 0:
            listed.append({"node": slot + 1, "incarnation": f"{incarnation:016x}",
                           "read_sequence": read, "message_sequence": message,
                           "beat": beat})
    return listed


def decode_table(data, geometry, cluster, slot, in_full):
    fields, data = unseal(data, b"DISKHBNT")
    require(fields["cluster"] == cluster, "foreign")
    place = geometry.table + slot * geometry.block
    require(fields["slot"] == slot and fields["place"] == place, "misplaced")
    require(len(data) == geometry.block and fields["incarnation"] != 0, "malformed")
    (node_id, state, ack_count, clock, tail, tail_sequence, head, head_sequence, inline_bytes,
     inline_count, reserved) = TABLE.unpack_from(data, 96)
    require(state in STATES and node_id == slot + 1, "malformed")
    require(ack_count == geometry.slots and reserved == 0, "malformed")
    require((head - tail) % WRAP <= geometry.ring, "malformed")
    require(head % geometry.block == 0 and tail % geometry.block == 0, "malformed")
    require(signed(head_sequence - tail_sequence) >= 0, "malformed")
    start = 160 + geometry.slots * ACKNOWLEDGEMENT.size
    require(start + inline_bytes <= len(data), "malformed")
    frames = decode_frames(data[start:start + inline_bytes], head_sequence, in_full)
    require(len(frames) == inline_count, "malformed")
    return {"state": STATES[state], "incarnation": f"{fields['incarnation']:016x}",
            "beat": fields["sequence"], "clock_ns": clock, "tail": tail,
            "tail_sequence": tail_sequence, "head": head, "head_sequence": head_sequence,
            "acknowledgements": decode_acknowledgements(data, geometry.slots),
            "inline_frames": frames}


def members_of(field, slots):
    """Node ids of a set; those without a slot are refused."""
    bits = int.from_bytes(field, "little")
    require(bits >> slots == 0, "malformed")
    return [slot + 1 for slot in range(slots) if bits >> slot & 1]


def ring_text(node, sequence):
    return f"{node:x}.{sequence:x}" if node or sequence else ""


def check_ballot(slot, granting, joined, accepted, epoch, holder, ring, members):
    if granting == "none":
        require(holder == 0 and epoch == 0 and not ring and not members, "malformed")
        return
    require(holder == slot + 1 and epoch != 0 and epoch % SLOTS_MAX == slot, "malformed")
    require(ring and joined >= epoch, "malformed")
    if granting in ("accepted", "granted"):
        require(joined == epoch and accepted == epoch, "malformed")


def decode_echoes(data, slots):
    listed = []
    for slot in range(slots):
        incarnation, sequence = ECHO.unpack_from(data, 96 + QUORUM.size + slot * ECHO.size)
        if incarnation != 0:
            listed.append({"node": slot + 1, "incarnation": f"{incarnation:016x}",
                           "sequence": sequence})
    return listed


def decode_quorum(data, geometry, cluster, slot):
    fields, data = unseal(data, b"DISKHBQT")
    require(fields["cluster"] == cluster, "foreign")
    place = geometry.table + (geometry.slots + slot) * geometry.block
    require(fields["slot"] == slot and fields["place"] == place, "misplaced")
    require(len(data) == geometry.block, "malformed")
    (node_id, state, echo_count, score, heuristics, granting, ring_node, vote, ready,
     ring_sequence, ring_members, joined, joined_incarnation, accepted, epoch, holder, grant_node,
     grant_sequence, grant_members, renewals, successor_node, linger, successor_sequence,
     vote_epoch, clock, granted_at, domain, value, reserved) = QUORUM.unpack_from(data, 96)
    require(node_id == slot + 1 and echo_count == geometry.slots, "malformed")
    require(fields["incarnation"] != 0 and fields["sequence"] != 0, "malformed")
    require(state in QUORUM_STATES and heuristics in HEURISTICS, "malformed")
    require(granting in BALLOTS and vote in VOTES and ready in (0, 1), "malformed")
    require((joined == 0) == (joined_incarnation == 0) and not any(reserved), "malformed")
    members = members_of(ring_members, geometry.slots)
    granting = BALLOTS[granting]
    grant = {"state": granting, "epoch": epoch, "ring": ring_text(grant_node, grant_sequence),
             "members": members_of(grant_members, geometry.slots), "renewals": renewals,
             "granted_at_ns": granted_at,
             "successor": ring_text(successor_node, successor_sequence)}
    check_ballot(slot, granting, joined, accepted, epoch, holder, grant["ring"], grant["members"])
    return {"state": QUORUM_STATES[state], "incarnation": f"{fields['incarnation']:016x}",
            "sequence": fields["sequence"], "ready": ready == 1, "score": score,
            "heuristics": HEURISTICS[heuristics], "ring": ring_text(ring_node, ring_sequence),
            "members": members, "vote": VOTES[vote], "vote_epoch": vote_epoch,
            "grant": None if granting == "none" else grant, "joined": joined,
            "joined_incarnation": f"{joined_incarnation:016x}", "accepted": accepted,
            "linger_ms": linger, "clock_ns": clock, "device_domain": f"{domain:016x}",
            "device_value": f"{value:016x}", "heard": decode_echoes(data, geometry.slots)}


def decode_batch(data, geometry, cluster, slot, incarnation, position, in_full):
    fields, data = unseal(data, b"DISKHBBA")
    require(fields["cluster"] == cluster, "foreign")
    laps = signed(fields["place"] - position)
    require(fields["slot"] == slot and laps % geometry.ring == 0, "misplaced")
    require(f"{fields['incarnation']:016x}" == incarnation, "stale")
    require(laps >= 0, "stale")
    require(laps == 0, "lapped")
    require(len(data) >= 128, "malformed")
    count, frames_bytes, advance, reserved = BATCH.unpack_from(data, 96)
    left = geometry.ring - position % geometry.ring
    needed = -(-(128 + frames_bytes) // geometry.block) * geometry.block
    require(not any(reserved) and len(data) == needed and needed <= left, "malformed")
    require(advance == (needed if count else left), "malformed")
    frames = decode_frames(data[128:128 + frames_bytes], fields["sequence"], in_full)
    require(len(frames) == count, "malformed")
    batch = {"position": position, "first_sequence": fields["sequence"], "frames": count,
             "length_bytes": needed, "advance_bytes": advance}
    if in_full:
        batch["content"] = frames
    return batch


class Volume:
    def __init__(self, path, in_full):
        self.descriptor = os.open(path, os.O_RDONLY)
        self.bytes = os.lseek(self.descriptor, 0, os.SEEK_END)
        self.in_full = in_full
        self.geometry = None
        self.cluster = b""

    def read(self, offset, size):
        return os.pread(self.descriptor, size, offset)

    def copy_offsets(self):
        """Where the superblock's copy may be, when the first cannot tell."""
        size = 4096
        while size <= 65536 and size <= self.bytes:
            yield self.bytes // size * size - size
            size *= 2

    def superblocks(self):
        """What is said of both superblocks; sets the geometry from the first that is intact."""
        report = {}
        states = []
        for offset in [0, None]:
            candidates = [offset] if offset == 0 else (
                [self.geometry.copy] if self.geometry else list(self.copy_offsets()))
            state = "empty_block"
            for candidate in candidates:
                try:
                    geometry, content = decode_superblock(self.read(candidate, 65536), candidate)
                except Rejected as error:
                    state = str(error)
                    continue
                state = "ok"
                if self.geometry is None:
                    self.geometry, report = geometry, content
                    self.cluster = uuid.UUID(content["uuid"]).bytes
                elif content != report:
                    state = "differs"
                break
            states.append(state)
        report["superblock"], report["superblock_copy"] = states
        return report

    def walk(self, slot, table):
        """The batches that the table block calls valid, and how many blocks are not, by kind."""
        batches = []
        invalid = {}
        position = table["tail"]
        while signed(table["head"] - position) > 0:
            left = self.geometry.ring - position % self.geometry.ring
            data = self.read(self.geometry.ring_offset(slot, position), left)
            try:
                batch = decode_batch(data, self.geometry, self.cluster, slot,
                                     table["incarnation"], position, self.in_full)
                batches.append(batch)
                advance = batch["advance_bytes"]
            except Rejected as error:
                invalid[str(error)] = invalid.get(str(error), 0) + 1
                advance = self.geometry.block
            position = (position + advance) % WRAP
        return {"batches": batches, "invalid": invalid}

    def node(self, slot):
        offset = self.geometry.table + slot * self.geometry.block
        report = {"node": slot + 1}
        try:
            table = decode_table(self.read(offset, self.geometry.block), self.geometry,
                                 self.cluster, slot, self.in_full)
        except Rejected as error:
            return {**report, "block": str(error)}
        return {**report, "block": "ok", **table, **self.walk(slot, table)}

    def quorum_node(self, slot):
        offset = self.geometry.table + (self.geometry.slots + slot) * self.geometry.block
        report = {"node": slot + 1}
        try:
            block = decode_quorum(self.read(offset, self.geometry.block), self.geometry,
                                  self.cluster, slot)
        except Rejected as error:
            return {**report, "block": str(error)}
        return {**report, "block": "ok", **block}


def main():
    parser = argparse.ArgumentParser(description="Dump a diskhb volume as JSON.")
    parser.add_argument("volume")
    parser.add_argument("--node", type=int, help="only this node")
    parser.add_argument("--frames", action="store_true", help="every frame, with its bytes")
    parser.add_argument("--quorum", action="store_true", help="the quorum table instead")
    options = parser.parse_args()
    volume = Volume(options.volume, options.frames)
    report = volume.superblocks()
    if volume.geometry:
        node = volume.quorum_node if options.quorum else volume.node
        report["nodes"] = [node(slot) for slot in range(volume.geometry.slots)
                           if options.node in (None, slot + 1)]
    json.dump(report, sys.stdout, indent=2)
    print()
    return 0 if volume.geometry else 1


if __name__ == "__main__":
    assert crc32c(b"123456789") == 0xE3069283
    assert 96 + QUORUM.size == 288
    sys.exit(main())
