#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares `diskhb dump` and `diskhb quorum dump` with tests/unit/format_decoder.py on spoilt copies of a volume.

    dump_crosscheck.py DISKHB IMAGE [--rounds N] [--seed S]

Each round edits blocks of both tables and batches, most with a right checksum, so that every check is
reached. Both programs must see the same nodes, batches and kinds of damage. Prints the seed.
"""
import argparse
import collections
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

UNIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "unit")
sys.dont_write_bytecode = True
sys.path.insert(0, UNIT)
import format_decoder  # noqa: E402  (found by the path above)

SHARED = ("cluster", "uuid", "formatted_at", "format_version", "block_bytes", "slots",
          "ring_bytes", "volume_bytes", "nodes")


def spoil(image, offset, dice):
    """Edits one to three fields of the block at that offset."""
    length = struct.unpack_from("<I", image, offset + 12)[0]
    for _ in range(dice.randint(1, 3)):
        at = offset + dice.choice([dice.randrange(8, 64), dice.randrange(96, 300)])
        if dice.random() < 0.5:
            image[at] ^= 1 << dice.randrange(8)
        else:
            image[at] = dice.choice([0, 1, 0x10, 0x7F, 0x80, 0xFF])
    if dice.random() < 0.8:
        image[offset + 64:offset + 96] = bytes(32)
        checksum = format_decoder.crc32c(bytes(image[offset:offset + length]))
        struct.pack_into("<I", image, offset + 64, checksum)


def blocks_of(image):
    """Offsets of all intact blocks of the tables, and batches."""
    return [offset for offset in range(4096, len(image) - 4096, 4096)
            if image[offset:offset + 8] in (b"DISKHBNT", b"DISKHBQT", b"DISKHBBA")]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def compare(diskhb, volume, verb):
    """What both say of the volume, which must be the same."""
    ours = run([diskhb, *verb, "dump", volume, "--json"])
    ours = ours["volumes"][0] if verb else ours
    theirs = run([sys.executable, os.path.join(UNIT, "format_decoder.py"), volume,
                  *("--" + word for word in verb)])
    for key in SHARED:
        if ours[key] != theirs[key]:
            print(json.dumps({"diskhb": ours[key], "decoder": theirs[key]}, indent=2))
            sys.exit(f"they differ in {key}")
    return ours


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("diskhb")
    parser.add_argument("image")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    dice = random.Random(options.seed)
    with open(options.image, "rb") as source:
        intact = source.read()
    seen = collections.Counter()
    # Direct I/O needs a file system that has it; /dev/shm does.
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="diskhb-crosscheck-") as copy:
        for number in range(options.rounds + 1):
            image = bytearray(intact)
            blocks = blocks_of(image)
            for offset in dice.sample(blocks, 0 if number == 0 else dice.randint(1, 5)):
                spoil(image, offset, dice)
            copy.seek(0)
            copy.write(image)
            copy.flush()
            ours = compare(options.diskhb, copy.name, [])
            quorum = compare(options.diskhb, copy.name, ["quorum"])
            for node in quorum["nodes"]:
                seen["quorum " + node["block"]] += 1
            for node in ours["nodes"]:
                seen[node["block"]] += 1
                seen.update(node.get("invalid", {}))
                seen["batch"] += len(node.get("batches", []))
    print(f"{options.rounds + 1} volumes, the same in both:", dict(seen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
