# SPDX-License-Identifier: BSD-3-Clause
"""What pcs and crmsh need on the nodes of a lab besides Pacemaker: pcsd, ssh, systemd.

pcsd is the real one, with tokens as "pcs host auth" leaves them. For systemctl and scp there are
stand-ins that do in a namespace what these would on a host: start the daemons of a unit, and
bring a file to another node.
"""
import json
import os

import config
from sandbox import wait_until

TOKEN = "bGFib3JhdG9yeSBvZiBkaXNraGIsIG5vIHNlY3JldA=="
STARTED = "/run/started"
SYSTEMCTL = """#!/bin/sh
# Stands in for systemctl(1): units are files, the daemons of diskhb are started as they are.
units= now= verb=
for word in "$@"; do
    case $word in
        --now) now=1 ;;
        -*) ;;
        *) if [ -z "$verb" ]; then verb=$word; else units="$units ${word%.service}"; fi ;;
    esac
done
is_there() { [ -e "/etc/systemd/system/$1.service" ] || [ -e "/lib/systemd/system/$1.service" ]; }
start() {
    case $1 in
        diskhbd | diskhb-quorumd)
            systemctl is-active $1 && return
            setsid /usr/sbin/$1 --config /etc/diskhb/diskhb.toml >>/var/log/$1.log 2>&1 &
            echo $! >/run/$1.pid
            ;;
        corosync-qdevice) start diskhb-quorumd ;;
        corosync | pacemaker) echo "$1" >>STARTED ;;  # they run
    esac
}
case $verb in
    list-unit-files) ls /etc/systemd/system /lib/systemd/system | grep '\\.service$' | sed 's/$/ disabled enabled/' ;;
    is-active) [ -e "/proc/$(cat /run/${units# }.pid 2>/dev/null || echo none)" ] ;;
    is-enabled) [ -e "/etc/systemd/system/corosync.service.wants/${units# }.service" ] ;;
    enable | start)
        for unit in $units; do
            is_there $unit || { echo "Unit $unit.service could not be found." >&2; exit 5; }
            if [ $verb = enable ]; then
                mkdir -p /etc/systemd/system/corosync.service.wants
                ln -sf /lib/systemd/system/$unit.service /etc/systemd/system/corosync.service.wants/
            fi
            if [ $verb = start ] || [ -n "$now" ]; then start $unit; fi
        done
        ;;
esac
""".replace("STARTED", STARTED)
SCP = """#!/bin/sh
# Stands in for scp(1): SOURCE NODE:TARGET, the last two words.
for word in "$@"; do source=$last last=$word; done
cp "$source" "FOLDER/${last%%:*}${last#*:}"
"""
SETUP = """
mount --bind /run/systemctl /usr/bin/systemctl
mount --bind /run/scp /usr/bin/scp
mkdir -p /run/systemd/system
for unit in diskhbd diskhb-quorumd; do
    install -m 644 {units}/$unit.service /etc/systemd/system/
done
ln -s {build}/plugin/ring/diskhbd {build}/plugin/quorum/diskhb-quorumd /usr/sbin/
"""
PCSD_SETUP = """
mkdir -p /var/log/pcsd
mount -t tmpfs tmpfs /var/lib/pcsd
mv /run/known-hosts /run/pcs_users.conf /var/lib/pcsd
chmod 600 /var/lib/pcsd/*
printf 'PCSD_WORKER_COUNT=1\\n' >>/etc/default/pcsd
"""


def _write(node, path, text, mode=0o644):
    with open(node.holder.path(path), "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)


def prepare(lab):
    """Gives all nodes their stand-ins and units, and each other's names."""
    hosts = "".join(f"{config.network_address(node.id)} {node.name}\n" for node in lab.nodes)
    for node in lab.nodes:
        _write(node, "/run/systemctl", SYSTEMCTL, 0o755)
        # The folders of /etc that nodes have of their own are in the lab's.
        _write(node, "/run/scp", SCP.replace("FOLDER", lab.dir), 0o755)
        _write(node, "/etc/hosts", "127.0.0.1 localhost\n" + hosts)
        node.run(["sh", "-ec", SETUP.format(units=os.path.join(lab.source(), "ha-configs"),
                                            build=lab.build())])


def start_pcsd(lab):
    """Starts pcsd on all nodes, each authenticated to all."""
    known = {node.name: {"dest_list": [{"addr": config.network_address(node.id), "port": 2224}],
                         "token": TOKEN} for node in lab.nodes}
    users = [{"creation_date": "2020-01-01 00:00:00 +0000", "username": "hacluster",
              "token": TOKEN}]
    for node in lab.nodes:
        _write(node, "/run/known-hosts", json.dumps({"format_version": 1, "data_version": 1,
                                                     "known_hosts": known}))
        _write(node, "/run/pcs_users.conf", json.dumps(users))
        node.run(["sh", "-ec", PCSD_SETUP])
        node.start_process("pcsd-ruby", ["/usr/share/pcsd/pcsd"])
        node.start_process("pcsd", ["sh", "-ac", ". /etc/default/pcsd; exec /usr/sbin/pcsd"])
    wait_until(lambda: all(":2224" in node.run(["ss", "-Hltn"]).stdout
                           and os.path.exists(node.holder.path("/run/pcsd-ruby.socket"))
                           for node in lab.nodes), 120, "pcsd on all nodes", 1)


def started(node):
    """Which of Corosync and Pacemaker systemctl was to start on a node, in that order."""
    return node.log_text(STARTED).splitlines()
