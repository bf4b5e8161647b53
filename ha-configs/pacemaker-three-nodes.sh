#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Pacemaker on three nodes with a diskhb ring, by pcs: what pacemaker-three-nodes.crm does by crmsh, with
# the reasons. Run it once, on one node; adapt addresses. Fencing is not here, and is needed.
set -eu

pcs property set no-quorum-policy=stop node-health-strategy=progressive
pcs resource defaults update resource-stickiness=100

# What the ring says of each node, as attributes.
pcs resource create diskhb-ring ocf:diskhb:ring dampen=5s health=true \
    op monitor interval=5s timeout=20s clone

# A service that needs the network, and one that needs the storage.
pcs resource create web-ip ocf:heartbeat:IPaddr2 ip=192.0.2.101 cidr_netmask=24
pcs constraint location web-ip rule score=100000 diskhb-network eq 1
pcs resource create database-ip ocf:heartbeat:IPaddr2 ip=192.0.2.102 cidr_netmask=24
pcs constraint location database-ip rule score=100000 diskhb-storage eq 1

# Who is told.
pcs alert create id=diskhb path=/usr/sbin/diskhb-alert
pcs alert recipient add diskhb value=/var/log/diskhb-alerts.log
