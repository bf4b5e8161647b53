# SPDX-License-Identifier: BSD-3-Clause
"""The configuration files of a lab's nodes."""

# What knet and totem wait for, in ms. Each can be changed by its name: Lab(timers={"token": 3000}).
# A link is down when no pong came for its ping_timeout, seen by a thread that looks every 200 ms
# (libknet/threads_heartbeat.c). The disk link's own timeout is longer than the network's: a shared
# volume that hesitates for a second is no reason to give up on it. No MTU is given: knet finds out
# that packets on the ring may be larger once the network is gone. Further keys of totem can be
# added, knet_mtu for example.
TIMERS = {
    "token": 5000,
    "token_retransmits_before_loss_const": 10,
    "join": 150,
    "link0_ping_interval": 400,
    "link0_ping_timeout": 1200,
    "link1_ping_interval": 1000,
    "link1_ping_timeout": 4000,
}
KNET_TICK_MS = 200
CLUSTER = "lab"


def network_address(node_id):
    """A node's address on the network link."""
    return f"10.77.0.{node_id}"


def ring_address(node_id):
    """A node's address on the disk link."""
    return f"10.77.1.{node_id}"


def corosync_conf(node_ids, ring, timers, encrypted=False, device=()):
    """corosync.conf for all nodes, with the disk link or without, with a quorum device or without.

    `device`: lines of the quorum section. Corosync takes no two_node beside a device.
    """
    links = [0, 1] if ring else [0]
    lines = [
        "totem {",
        "    version: 2",
        f"    cluster_name: {CLUSTER}",
        "    transport: knet",
        "    link_mode: passive",
        f"    crypto_cipher: {'aes256' if encrypted else 'none'}",
        f"    crypto_hash: {'sha256' if encrypted else 'none'}",
    ]
    lines += [f"    {key}: {value}" for key, value in timers.items()
              if not key.startswith("link") and value]
    for link in links:
        lines += [
            "    interface {",
            f"        linknumber: {link}",
            f"        knet_link_priority: {10 if link == 0 else 1}",
            f"        knet_ping_interval: {timers[f'link{link}_ping_interval']}",
            f"        knet_ping_timeout: {timers[f'link{link}_ping_timeout']}",
            "        knet_pong_count: 2",
            "    }",
        ]
    lines += ["}", "nodelist {"]
    for node_id in node_ids:
        lines += ["    node {", f"        name: n{node_id}", f"        nodeid: {node_id}",
                  f"        ring0_addr: {network_address(node_id)}"]
        if ring:
            lines += [f"        ring1_addr: {ring_address(node_id)}"]
        lines += ["    }"]
    lines += ["}", "quorum {", "    provider: corosync_votequorum"]
    if device:
        lines += device
    elif len(node_ids) == 2:
        lines += ["    two_node: 1", "    wait_for_all: 1"]
    # A container or a namespace has neither a real-time budget nor cgroups of its own.
    lines += [
        "}",
        "system {",
        "    sched_rr: no",
        "    move_to_root_cgroup: no",
        "    allow_knet_handle_fallback: yes",
        "}",
        "logging {",
        "    to_stderr: no",
        "    to_syslog: no",
        "    to_logfile: yes",
        "    logfile: /var/log/corosync/corosync.log",
        "    timestamp: hires",
        "}",
    ]
    return "\n".join(lines) + "\n"


def diskhb_toml(volume, extra="", quorum=""):
    """diskhb.toml of one node: a ring on `volume` unless that is None, then the text `quorum`.

    `extra` is appended to the ring's table.
    """
    ring = ("\n"
            "[[ring]]\n"
            'interface = "dhb0"\n'
            "link = 1\n"
            f'volume = "{volume}"\n'
            f"{extra}")
    return ("[corosync]\n"
            'conf = "/etc/corosync/corosync.conf"\n'
            + (ring if volume is not None else "")
            + quorum)
