// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/pacemaker/pacemaker_state.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string_view>

#include <crm/cib.h>
#include <crm/common/ipc.h>
#include <crm/common/ipc_pacemakerd.h>
#include <crm/common/logging.h>
#include <crm/common/results.h>
// A parameter of its functions has the name of a C++ keyword (Pacemaker 2.1). Everything that it
// includes itself is already included above.
#include <dlfcn.h>
#define namespace namespace_
#include <crm/stonith-ng.h>
#undef namespace

namespace diskhb::pacemaker {

namespace {

constexpr const char* client_name = "diskhb";
constexpr int fencer_timeout_s = 3;

std::string text_of(const char* text) { return text == nullptr ? std::string() : text; }

void take_ping(pcmk_ipc_api_t*, enum pcmk_ipc_event event, crm_exit_t status, void* data,
               void* target) {
    auto& result = *static_cast<daemon_state*>(target);
    if (event == pcmk_ipc_event_disconnect) {
        result.error = result.state.empty() ? "pacemakerd closed the connection" : result.error;
        return;
    }
    const auto* const reply = static_cast<const pcmk_pacemakerd_api_reply_t*>(data);
    if (event != pcmk_ipc_event_reply || reply == nullptr ||
        reply->reply_type != pcmk_pacemakerd_reply_ping) {
        return;
    }
    if (status != CRM_EX_OK) {
        result.error = crm_exit_str(status);
        return;
    }
    const auto& ping = reply->data.ping;
    result.state = text_of(pcmk_pacemakerd_api_daemon_state_enum2text(ping.state));
    if (ping.last_good > 0) {
        result.last_good_ago_s = std::max<std::int64_t>(0, std::time(nullptr) - ping.last_good);
    }
}

// An attribute of an element; empty if it has none of that name.
std::string attribute(const xmlNode* element, const char* name) {
    xmlChar* const value = xmlGetProp(element, reinterpret_cast<const xmlChar*>(name));
    const std::string text = text_of(reinterpret_cast<const char*>(value));
    xmlFree(value);
    return text;
}

const xmlNode* child_of(const xmlNode* parent, std::string_view name) {
    const xmlNode* each = parent == nullptr ? nullptr : parent->children;
    while (each != nullptr && name != reinterpret_cast<const char*>(each->name)) {
        each = each->next;
    }
    return each;
}

template <class Visit>
void for_each_child(const xmlNode* parent, std::string_view name, Visit visit) {
    for (const xmlNode* each = child_of(parent, name); each != nullptr; each = each->next) {
        if (name == reinterpret_cast<const char*>(each->name)) {
            visit(each);
        }
    }
}

void take_options(const xmlNode* configuration, cib_state& result) {
    constexpr std::array wanted = {"stonith-enabled", "no-quorum-policy", "maintenance-mode",
                                   "node-health-strategy", "have-watchdog"};
    for_each_child(child_of(configuration, "crm_config"), "cluster_property_set",
                   [&](const xmlNode* set) {
                       for_each_child(set, "nvpair", [&](const xmlNode* pair) {
                           const auto name = attribute(pair, "name");
                           if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) {
                               result.options.emplace_back(name, attribute(pair, "value"));
                           }
                       });
                   });
}

// Pacemaker 2.1 writes "true" and "online"; later releases the time since when it is so.
bool is_true(const std::string& text, std::string_view word) {
    return text == word || (text != "0" && !text.empty() &&
                            text.find_first_not_of("0123456789") == std::string::npos);
}

void take_cib(const xmlNode* cib, cib_state& result) {
    result.version = attribute(cib, "admin_epoch") + "." + attribute(cib, "epoch") + "." +
                     attribute(cib, "num_updates");
    result.is_quorate = attribute(cib, "have-quorum") == "1";
    const auto dc = attribute(cib, "dc-uuid");
    const xmlNode* const configuration = child_of(cib, "configuration");
    take_options(configuration, result);
    for_each_child(child_of(configuration, "nodes"), "node", [&](const xmlNode* node) {
        node_state state;
        state.name = attribute(node, "uname");
        const auto id = attribute(node, "id");
        result.dc = !dc.empty() && id == dc ? state.name : result.dc;
        for_each_child(child_of(cib, "status"), "node_state", [&](const xmlNode* seen) {
            if (attribute(seen, "id") == id) {
                state.is_member = is_true(attribute(seen, "in_ccm"), "true");
                state.is_online = state.is_member && is_true(attribute(seen, "crmd"), "online") &&
                                  attribute(seen, "join") == "member";
            }
        });
        result.nodes.push_back(state);
    });
}

fencing_action action_of(const stonith_history_t& entry) {
    fencing_action action;
    action.target = text_of(entry.target);
    action.action = text_of(entry.action);
    action.state = stonith_op_state_str(static_cast<enum op_state>(entry.state));
    action.origin = text_of(entry.origin);
    action.by = text_of(entry.delegate);
    action.client = text_of(entry.client);
    action.reason = text_of(entry.exit_reason);
    action.completed_at_s = entry.completed;
    return action;
}

}  // namespace

void prepare() { crm_log_preinit("diskhb", 0, nullptr); }

daemon_state ask_pacemakerd() {
    daemon_state result;
    pcmk_ipc_api_t* api = nullptr;
    int error = pcmk_new_ipc_api(&api, pcmk_ipc_pacemakerd);
    if (error == pcmk_rc_ok) {
        pcmk_register_ipc_callback(api, take_ping, &result);
        // The reply is waited for when the request is sent.
        error = pcmk_connect_ipc(api, pcmk_ipc_dispatch_sync);
    }
    if (error == pcmk_rc_ok) {
        error = pcmk_pacemakerd_api_ping(api, client_name);
    }
    if (error != pcmk_rc_ok) {
        result.error = pcmk_rc_str(error);
    } else if (result.state.empty() && result.error.empty()) {
        result.error = "pacemakerd gave no answer to a ping";
    }
    // Told of the end of the connection no more.
    pcmk_register_ipc_callback(api, nullptr, nullptr);
    pcmk_free_ipc_api(api);
    return result;
}

cib_state ask_cib() {
    cib_state result;
    const std::unique_ptr<cib_t, void (*)(cib_t*)> cib(cib_new(), cib_delete);
    if (cib == nullptr) {
        result.error = "no memory";
        return result;
    }
    int error = cib->cmds->signon(cib.get(), client_name, cib_query);
    if (error != pcmk_ok) {
        result.error = pcmk_strerror(error);
        return result;
    }
    xmlNode* document = nullptr;
    error = cib->cmds->query(cib.get(), nullptr, &document, cib_scope_local | cib_sync_call);
    if (error != pcmk_ok || document == nullptr) {
        result.error = error != pcmk_ok ? pcmk_strerror(error) : "the CIB is empty";
    } else {
        take_cib(document, result);
    }
    free_xml(document);
    (void)cib->cmds->signoff(cib.get());
    return result;
}

fencing_history ask_fencer() {
    fencing_history result;
    const std::unique_ptr<stonith_t, void (*)(stonith_t*)> fencer(stonith_api_new(),
                                                                  stonith_api_delete);
    if (fencer == nullptr) {
        result.error = "no memory";
        return result;
    }
    // With a descriptor to fill in, no main loop is asked for.
    int descriptor = -1;
    int error = fencer->cmds->connect(fencer.get(), client_name, &descriptor);
    if (error != pcmk_ok) {
        result.error = pcmk_strerror(error);
        return result;
    }
    stonith_history_t* history = nullptr;
    error =
        fencer->cmds->history(fencer.get(), st_opt_sync_call, nullptr, &history, fencer_timeout_s);
    if (error != pcmk_ok) {
        result.error = pcmk_strerror(error);
    }
    for (const stonith_history_t* each = history; each != nullptr; each = each->next) {
        result.actions.push_back(action_of(*each));
    }
    stonith_history_free(history);
    (void)fencer->cmds->disconnect(fencer.get());
    // What is not completed is the newest of all.
    std::stable_sort(
        result.actions.begin(), result.actions.end(),
        [](const fencing_action& one, const fencing_action& other) {
            return one.completed_at_s != other.completed_at_s && other.completed_at_s != 0 &&
                   (one.completed_at_s == 0 || one.completed_at_s > other.completed_at_s);
        });
    result.actions.resize(std::min(result.actions.size(), fencing_actions_max));
    return result;
}

}  // namespace diskhb::pacemaker
