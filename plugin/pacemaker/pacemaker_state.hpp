// SPDX-License-Identifier: BSD-3-Clause
// What Pacemaker says of itself on this node, by its C interfaces: pacemakerd's ping
// (crm/common/ipc_pacemakerd.h), the CIB as this node has it (crm/cib.h), and the fencer's history
// (crm/stonith-ng.h). Each may block for as long as the daemon behind it does not answer: the
// caller limits the life of the process. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace diskhb::pacemaker {

// Once, before the rest: the libraries' schemas, and no word of theirs to syslog or stderr.
void prepare();

struct daemon_state {
    std::string error;  // why it could not be asked; then the rest is empty
    std::string state;  // "running", "starting_daemons", ... as pacemakerd(8) calls it
    std::int64_t last_good_ago_s =
        -1;  // since all its daemons were seen well; -1: it never said so
};
daemon_state ask_pacemakerd();

struct node_state {
    std::string name;
    bool is_member = false;  // of Corosync's membership, as the CIB has it
    bool is_online = false;  // its controller has joined
};
struct cib_state {
    std::string error;
    std::string version;  // admin_epoch.epoch.num_updates
    bool is_quorate = false;
    std::string dc;  // the name of the designated controller; empty: none
    std::vector<node_state> nodes;
    // Those of the cluster's options that say what a loss of nodes leads to, where they are set.
    std::vector<std::pair<std::string, std::string>> options;
};
// CIB_file of the environment is honoured, as by Pacemaker's own tools.
cib_state ask_cib();

struct fencing_action {
    std::string target;
    std::string action;               // "reboot", "off", "on"
    std::string state;                // "completed", "failed", "pending"
    std::string origin;               // the node that asked for it
    std::string by;                   // the node that did it
    std::string client;               // the program that asked
    std::string reason;               // why it failed
    std::int64_t completed_at_s = 0;  // since 1970; 0: not yet
};
struct fencing_history {
    std::string error;
    std::vector<fencing_action> actions;  // the newest first, at most fencing_actions_max
};
inline constexpr std::size_t fencing_actions_max = 32;
fencing_history ask_fencer();

}  // namespace diskhb::pacemaker
