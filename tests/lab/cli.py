# SPDX-License-Identifier: BSD-3-Clause
"""The lab by hand: what the commands up, down, in, cut, heal, volume-fault and status do."""
import argparse
import os
import sys

from lab import BASE, Lab
from node import COROSYNC_LOG
from quorum import MODES, PROGRAM
from sandbox import LabError
from volume import FAULTS, KINDS


def _parser(text):
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--dir", default=os.environ.get("DISKHB_LAB_DIR", os.path.join(BASE, "lab")),
                        help="the lab's folder (default: %(default)s)")
    return parser


def _run(main):
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {error}")


def up():
    """tests/lab/up"""
    parser = _parser("Starts a cluster in namespaces; it runs until tests/lab/down.")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--volume", choices=KINDS, default="file")
    parser.add_argument("--size", type=int, default=256, help="of the volume, in MiB")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--no-ring", action="store_true", help="the network link only")
    parser.add_argument("--encrypted", action="store_true", help="knet encrypts both links")
    parser.add_argument("--token", type=int, metavar="MS", help="totem's token timeout")
    parser.add_argument("--timer", action="append", default=[], metavar="NAME=MS",
                        help="any timer of tests/lab/config.py, link1_ping_timeout for example")
    parser.add_argument("--ring-option", action="append", default=[], metavar="LINE",
                        help="a line for the [[ring]] table of diskhb.toml")
    parser.add_argument("--quorum", choices=MODES, help="a quorum disk and diskhb-quorumd")
    parser.add_argument("--quorum-volumes", type=int, choices=(1, 3, 5), default=1)
    parser.add_argument("--quorum-kind", choices=KINDS + ("ring",), default="tmpfs",
                        help="of the quorum volumes; 'ring': the ring's volume")
    parser.add_argument("--tie-breaker", default="lowest", metavar="lowest|highest|ID,ID...")
    parser.add_argument("--quorum-program", default=PROGRAM, metavar="PATH",
                        help="in the build, instead of diskhb-quorumd")
    options = parser.parse_args()
    quorum = None
    if options.quorum:
        tie_breaker = options.tie_breaker
        if tie_breaker not in ("lowest", "highest"):
            tie_breaker = [int(word) for word in tie_breaker.split(",")]
        quorum = {"mode": options.quorum, "volumes": options.quorum_volumes,
                  "kind": options.quorum_kind, "tie_breaker": tie_breaker,
                  "program": options.quorum_program}
    timers = {}
    for timer in options.timer:
        name, _, value = timer.partition("=")
        timers[name] = int(value)
    if options.token:
        timers["token"] = options.token

    def main():
        lab = Lab(directory=options.dir, nodes=options.nodes, volume=options.volume,
                  ring=not options.no_ring, timers=timers, slots=options.slots,
                  volume_bytes=options.size << 20, detached=True,
                  encrypted=options.encrypted, quorum=quorum,
                  ring_options="".join(line + "\n" for line in options.ring_option))
        try:
            lab.start()
        except BaseException:
            for node in lab.nodes:
                for path in (COROSYNC_LOG, "/var/log/diskhbd.log", "/var/log/diskhb-quorumd.log"):
                    if node.log_text(path):
                        print(f"--- {node.name} {path}\n{node.log_tail(path, 10)}",
                              file=sys.stderr)
            lab.stop()
            raise
        _show(lab)

    _run(main)


def down():
    """tests/lab/down"""
    options = _parser("Ends the lab and removes all of it.").parse_args()
    _run(lambda: Lab.load(options.dir).stop())


def enter():
    """tests/lab/in"""
    parser = _parser("Runs a command (default: a shell) in a node.")
    parser.add_argument("node")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()

    def main():
        lab = Lab.load(options.dir)
        node = lab.node(options.node)
        os.environ.update(lab.environment())
        argv = node.holder.enter() + (options.command or ["bash"])
        os.execvp(argv[0], argv)

    _run(main)


def cut():
    """tests/lab/cut"""
    parser = _parser("Cuts the network: all of it, a node's port, one direction of it, or between "
                     "groups of nodes.")
    parser.add_argument("what", metavar="all|NODE|NODE:in|NODE:out|NODE,NODE|NODE,NODE...")
    options = parser.parse_args()
    _run(lambda: Lab.load(options.dir).cut(options.what))


def heal():
    """tests/lab/heal"""
    parser = _parser("Takes a cut back.")
    parser.add_argument("what", nargs="?", default="all", help="as it was cut (default: all)")
    options = parser.parse_args()
    _run(lambda: Lab.load(options.dir).heal(options.what))


def volume_fault():
    """tests/lab/volume-fault"""
    parser = _parser("Makes the volume (of kind nbd) fail or hang, and heals it.")
    parser.add_argument("node", metavar="NODE|all")
    parser.add_argument("fault", choices=FAULTS)
    parser.add_argument("--quorum", type=int, metavar="N",
                        help="of the quorum volume N (1, 2 ...; 0: of all), not of the ring's")
    options = parser.parse_args()

    def main():
        lab = Lab.load(options.dir)
        nodes = None if options.node == "all" else [lab.node(options.node)]
        if options.quorum is None:
            lab.volume_fault(options.fault, nodes)
        elif not lab.quorum or options.quorum > len(lab.quorum.volumes):
            raise LabError(f"there is no quorum volume {options.quorum}")
        else:
            chosen = lab.quorum.volumes[options.quorum - 1:options.quorum or None]
            lab.quorum.fault(options.fault, nodes, chosen if options.quorum else None)

    _run(main)


def status():
    """tests/lab/status"""
    options = _parser("Shows the nodes, their memberships and links.").parse_args()
    _run(lambda: _show(Lab.load(options.dir)))


def _show(lab):
    print(f"lab {lab.dir}: {len(lab.nodes)} nodes, "
          + (f"volume {lab.volume.kind} {lab.volume.device}" if lab.ring else "no ring")
          + (f", cut: {' '.join(lab.cuts)}" if lab.cuts else ""))
    for node in lab.nodes:
        links = node.links()
        words = []
        for link in (0, 1) if lab.ring else (0,):
            states = " ".join(f"n{peer}:{'up' if found.get(link, {}).get('connected') else 'DOWN'}"
                              for peer, found in sorted(links.items()))
            words.append(f"{'network' if link == 0 else 'ring'} {states}")
        members = " ".join(f"n{member}" for member in node.members())
        print(f"  {node.name}: {'quorate' if node.is_quorate() else 'NOT quorate'}, "
              f"members {members or '-'}; {'; '.join(words)}"
              + ("" if not lab.ring or node.is_up("diskhbd") else "; diskhbd DOES NOT RUN")
              + (_device(node) if lab.quorum else ""))


def _device(node):
    device = node.device()
    return ("; device " + ("votes" if device.votes else "alive" if device.alive else "away")
            + ("" if node.is_up("diskhb-quorumd") else "; diskhb-quorumd DOES NOT RUN"))
