// SPDX-License-Identifier: BSD-3-Clause
// The steps from a running cluster to one with a ring, a quorum device and agents, by pcs or by
// crmsh: what an administrator would type, with the values of this cluster. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plugin/corosync/corosync_conf.hpp"
#include "tools/conf_edit.hpp"

namespace diskhb::tools {

enum class cluster_shell { pcs, crm };

struct setup_input {
    cluster_shell shell = cluster_shell::pcs;
    corosync::corosync_conf conf;
    std::string conf_text;
    std::vector<corosync::ip_address> local_addresses;  // of this host: their networks are taken
    std::string node_name;  // of this host; empty if it is none of the cluster's
    std::string volume;
    std::string interface = "dhb0";
    std::string network;  // "10.9.1.0/24"; empty: a free one is looked for
    std::string config_path;
    // A link of corosync.conf of which this host has no address yet: a ring added on another node.
    std::optional<unsigned> pending_link;
    bool has_config = false;    // there is a diskhb.toml already
    bool is_formatted = false;  // the volume is one of this cluster
    bool with_quorum = false;   // add a quorum device
    bool with_shim = false;     // the unit corosync-qdevice is installed
    bool with_agents = true;
    corosync::timers timers;
    device_values device;
};

struct setup_step {
    std::string what;                  // a sentence
    std::vector<std::string> command;  // empty: only said
    std::string file;                  // a file to be written with `content`, unless it is there
    std::string content;
    bool by_hand = false;   // not run by --apply: `what` says why
    bool may_fail = false;  // --apply goes on all the same: what it finds is for the reader
};

struct setup_plan {
    unsigned link = 0;
    std::vector<setup_step> steps;
    std::string new_conf;  // crm: what corosync.conf becomes; empty: no change
};

// Throws setup_error(exit_config) for a cluster that cannot have a ring, exit_usage for a network
// that cannot be used.
setup_plan plan_setup(const setup_input& input);

// As an administrator would write it into a terminal, with comments.
std::string to_text(const setup_plan& plan);
// A word as a shell takes it.
std::string quoted(const std::string& word);

}  // namespace diskhb::tools
