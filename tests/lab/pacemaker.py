# SPDX-License-Identifier: BSD-3-Clause
"""Pacemaker on the nodes of a lab, with diskhb's agents where its packages put them, and what can be
asked of it. Nothing is installed: /usr/sbin and /usr/lib/ocf are overlays in each node.
"""
import os
import re
import xml.etree.ElementTree as xml

from lab import SOURCE
from sandbox import wait_until

LOG = "/var/log/pacemaker/pacemaker.log"
FENCED = "fenced"
ALERTS = "alerts"
# Fencing is on, as it must be, with a device that writes down whom it was asked to fence.
FENCE_AGENT = """#!/bin/sh
while read -r line; do
    case $line in
        action=*) action=${line#action=} ;;
        nodename=* | port=* | plug=*) node=${line#*=} ;;
    esac
done
case $action in
    metadata) cat <<XML
<?xml version="1.0"?>
<resource-agent name="fence_lab" shortdesc="writes down what it is asked">
<parameters><parameter name="plug"><content type="string"/></parameter></parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="monitor"/>
<action name="metadata"/><action name="list"/><action name="status"/></actions>
</resource-agent>
XML
    ;;
    off | reboot) echo "$action $node" >>RECORD ;;
esac
exit 0
"""
SETUP = """
overlay() {{
    mkdir -p /run/layers/$1/upper /run/layers/$1/work
    mount -t overlay -o lowerdir=$2,upperdir=/run/layers/$1/upper,workdir=/run/layers/$1/work overlay $2
}}
overlay sbin /usr/sbin
overlay ocf /usr/lib/ocf
mkdir -p /var/lib/pacemaker
mount -t tmpfs tmpfs /var/lib/pacemaker
mkdir -p /var/lib/pacemaker/cib /var/lib/pacemaker/pengine /var/lib/pacemaker/blackbox
mkdir -p /var/lib/pacemaker/cores /var/log/pacemaker /run/crm /run/resource-agents /var/log/crmsh
cat >/var/lib/pacemaker/cib/cib.xml <<'XML'
{cib}
XML
chmod 600 /var/lib/pacemaker/cib/cib.xml
chown -R hacluster:haclient /var/lib/pacemaker /var/log/pacemaker /run/crm
chmod 750 /var/lib/pacemaker /run/crm
ln -s {diskhb} /usr/sbin/diskhb
ln -s {copyd} /usr/sbin/diskhb-copyd
install -D -m 755 -t /usr/lib/ocf/resource.d/diskhb {agents}/ring {agents}/quorum {agents}/copy
install -D -m 644 {agents}/diskhb-agent.sh /usr/lib/ocf/lib/diskhb/diskhb-agent.sh
install -m 755 {agents}/diskhb-alert /usr/sbin/diskhb-alert
"""
# The nodes are up at once: nobody need wait 20 s for others before a DC is elected.
CIB = """<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">
<nvpair id="cib-bootstrap-options-dc-deadtime" name="dc-deadtime" value="5s"/>
</cluster_property_set></crm_config><nodes/><resources/><constraints/></configuration><status/></cib>"""
ENVIRONMENT = {"PCMK_logfile": LOG, "PCMK_logfacility": "none", "PCMK_debug": "no"}


class Pacemaker:
    """Pacemaker on all nodes of a lab that is up."""

    def __init__(self, lab):
        self.lab = lab
        self.record = os.path.join(lab.dir, "shared", FENCED)
        self.alert_file = os.path.join(lab.dir, "shared", ALERTS)

    def start(self):
        """Returns when all nodes are online."""
        # Alerts are run as hacluster.
        self.lab.hub_run(["install", "-m", "666", "/dev/null", self.alert_file])
        for node in self.lab.nodes:
            node.run(["sh", "-ec", SETUP.format(diskhb=self.lab.binary("diskhb/tools/diskhb"),
                                                copyd=self.lab.binary("plugin/replication/diskhb-copyd"),
                                                cib=CIB, agents=os.path.join(SOURCE, "resource-agents"))])
            agent = FENCE_AGENT.replace("RECORD", self.record)
            with open(node.holder.path("/usr/sbin/fence_lab"), "w", encoding="utf-8") as file:
                file.write(agent)
                os.fchmod(file.fileno(), 0o755)
            words = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
            node.start_process("pacemakerd", ["env", *words, "pacemakerd", "-f"])
        wait_until(self.all_online, 90, "Pacemaker with all nodes online", 0.5)

    def any_node(self):
        """A node to ask."""
        return self.lab.nodes[0]

    def state(self, node=None):
        """What crm_mon shows, as XML; None if it cannot be asked."""
        done = (node or self.any_node()).run(["crm_mon", "--output-as=xml"], check=False)
        try:
            return xml.fromstring(done.stdout) if done.returncode == 0 else None
        except xml.ParseError:
            return None

    def all_online(self):
        """Whether there is a DC and every node is online."""
        state = self.state()
        if state is None or state.find("summary/current_dc[@present='true']") is None:
            return False
        online = [each for each in state.findall("nodes/node") if each.get("online") == "true"
                  and each.get("pending") == "false"]
        return len(online) == len(self.lab.nodes)

    def configure(self, *lines):
        """Through crmsh, in one step."""
        node = self.any_node()
        with open(node.holder.path("/run/crm.commands"), "w", encoding="utf-8") as file:
            file.write("configure\n" + "\n".join(lines) + "\ncommit\n")
        return node.run(["crm", "-f", "/run/crm.commands"], timeout_s=120)

    def attributes(self, name):
        """{node: value} of a node attribute, as attrd has it."""
        done = self.any_node().run(["attrd_updater", "-Q", "-A", "-n", name], check=False)
        return dict(re.findall(r'host="([^"]+)" value="([^"]*)"', done.stdout))

    def written_attributes(self, name):
        """{node: value} as the CIB has it, on which Pacemaker acts."""
        state = self.state()
        if state is None:
            return {}
        return {node.get("name"): each.get("value")
                for node in state.findall("node_attributes/node")
                for each in node.findall("attribute") if each.get("name") == name}

    def where(self, resource):
        """The nodes that a resource runs on."""
        state = self.state()
        found = state.findall(f"resources//resource[@id='{resource}']") if state is not None else []
        return [node.get("name") for each in found for node in each.findall("node")
                if each.get("role") in ("Started", "Promoted")]

    def failures(self):
        """The failed actions that crm_mon lists: {(operation, node): (code, reason)}."""
        state = self.state()
        return {(each.get("op_key"), each.get("node")): (int(each.get("exitcode")),
                                                         each.get("exitreason"))
                for each in (state.findall("failures/failure") if state is not None else [])}

    def starts(self, resource):
        """How often the resource was started, over all nodes, by their logs."""
        return sum(len(re.findall(rf"Result of start operation for {resource}\b", node.log_text(LOG)))
                   for node in self.lab.nodes)

    def fenced(self):
        """What the fence device was asked to do."""
        return self._lines(self.record)

    def alerts(self):
        """What diskhb-alert has told: (event, node), oldest first."""
        return [tuple(re.match(r".* ([a-z-]+) (n\d): ", line).groups())
                for line in self._lines(self.alert_file)]

    def _lines(self, path):
        try:
            with open(self.lab.hub.path(path), encoding="utf-8") as file:
                return file.read().split("\n")[:-1]
        except OSError:
            return []
