// SPDX-License-Identifier: BSD-3-Clause
#include "tools/cluster_status.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "tools/cluster_session.hpp"
#include "tools/text.hpp"

namespace diskhb::tools {

namespace {

using json = nlohmann::ordered_json;
using steady = std::chrono::steady_clock;
constexpr std::chrono::seconds corosync_patience{5};
constexpr std::chrono::milliseconds answer_patience{3000};

// A question to the group, and what came in answer to it.
class question {
  public:
    question(const std::string& config, const std::string& socket)
        : session_(options_of(config, socket), handlers()) {
        picture_.cluster_name = session_.conf().totem.cluster_name;
    }

    cluster_picture ask() {
        began_ = steady::now();
        session_.run();
        if (token_ == 0) {
            throw setup_error(exit_no_daemon, fmt::format("Corosync has not answered for {} s; "
                                                          "does it run?",
                                                          corosync_patience.count()));
        }
        picture_.local_node_id = session_.state().local_node_id;
        picture_.names = session_.names();
        return std::move(picture_);
    }

  private:
    static cluster_session::options options_of(const std::string& config,
                                               const std::string& socket) {
        cluster_session::options how;
        how.config = config;
        how.socket = socket;
        how.in_group = true;
        return how;
    }

    cluster_session::handlers handlers() {
        cluster_session::handlers call;
        call.on_tick = [this] { look(); };
        call.group.on_view = [this](const auto& from, const auto& view) {
            if (view.token == token_ && token_ != 0) {
                take(from, view);
            }
        };
        return call;
    }

    // A node that serves says more of itself than a passing question there.
    void take(const corosync::group_member& from, const watch::view& view) {
        const auto found = picture_.views.find(from.node_id);
        if (found == picture_.views.end() || found->second.is_passing) {
            picture_.views[from.node_id] = view;
        }
    }

    void look() {
        const auto now = steady::now();
        if (token_ == 0) {
            if (session_.has_started() && !session_.agent().members().empty()) {
                std::random_device source;
                token_ = (std::uint64_t{source()} << 32) | source() | 1;
                asked_at_ = now;
                session_.agent().run({watch::send_to_group{watch::view_request{token_}}});
            } else if (now - began_ > corosync_patience) {
                session_.stop();
            }
            return;
        }
        // Who answers late answers within the time that a node gives its diskhbd.
        const auto& nodes = session_.conf().nodes;
        const bool all_serve = std::all_of(nodes.begin(), nodes.end(), [&](const auto& node) {
            const auto found = picture_.views.find(node.node_id);
            return found != picture_.views.end() && !found->second.is_passing;
        });
        if (all_serve || now - asked_at_ > answer_patience) {
            session_.stop();
        }
    }

    cluster_picture picture_;
    cluster_session session_;
    steady::time_point began_;
    steady::time_point asked_at_;
    std::uint64_t token_ = 0;
};

// "n2 n3", or "all", of the other nodes.
std::string others_text(const cluster_picture& picture, std::uint32_t node_id,
                        const std::vector<std::uint32_t>& reached) {
    std::vector<std::string> missing;
    for (const auto& [other, name] : picture.names) {
        if (other != node_id && std::find(reached.begin(), reached.end(), other) == reached.end()) {
            missing.push_back(watch::name_of_node(other, picture.names));
        }
    }
    return missing.empty() ? "all"
                           : in_colour(colour::bad, fmt::format("not {}", fmt::join(missing, " ")));
}

std::vector<std::uint32_t> reached(const watch::view& view, bool corosync::node_view::*way) {
    std::vector<std::uint32_t> nodes;
    for (const auto& other : view.others) {
        if (other.*way) {
            nodes.push_back(other.node_id);
        }
    }
    return nodes;
}

std::string view_text(const cluster_picture& picture, std::uint32_t node_id,
                      const watch::view& view) {
    const auto state = view.corosync != corosync::corosync_state::running
                           ? in_colour(colour::bad, fmt::format("Corosync is {}",
                                                                corosync::name_of(view.corosync)))
                       : view.is_quorate ? in_colour(colour::good, "quorate")
                                         : in_colour(colour::bad, "NOT quorate");
    std::string text = fmt::format(
        "  {}: {}, runs on {}; reaches over the network {}, over the ring {}; hears {}\n",
        in_colour(colour::bold, watch::name_of_node(node_id, picture.names)), state,
        corosync::name_of(view.runs_on),
        others_text(picture, node_id, reached(view, &corosync::node_view::on_network)),
        others_text(picture, node_id, reached(view, &corosync::node_view::on_ring)),
        others_text(picture, node_id, view.heard));
    for (const auto& ring : view.rings) {
        if (!ring.works) {
            text += "    " + in_colour(colour::bad, printable(ring.problem)) + "\n";
        }
    }
    return text;
}

}  // namespace

cluster_picture ask_cluster(const std::string& config, const std::string& socket) {
    return question(config, socket).ask();
}

std::string cluster_text(const cluster_picture& picture) {
    std::string text =
        fmt::format("cluster {}, as each node sees it\n", printable(picture.cluster_name));
    for (const auto& [node_id, name] : picture.names) {
        const auto found = picture.views.find(node_id);
        if (found == picture.views.end()) {
            text += fmt::format("  {}: {}\n", watch::name_of_node(node_id, picture.names),
                                in_colour(colour::bad,
                                          "no answer: down, or no diskhb-watch runs "
                                          "there"));
        } else {
            text += view_text(picture, node_id, found->second);
        }
    }
    return text;
}

json cluster_json(const cluster_picture& picture) {
    json value = {{"cluster_name", picture.cluster_name}, {"node", picture.local_node_id}};
    value["nodes"] = json::array();
    for (const auto& [node_id, name] : picture.names) {
        json node = {{"node", node_id}, {"name", watch::name_of_node(node_id, picture.names)}};
        const auto found = picture.views.find(node_id);
        node["answers"] = found != picture.views.end();
        if (found != picture.views.end()) {
            const auto& view = found->second;
            corosync::interconnect_state state;
            state.corosync = view.corosync;
            state.runs_on = view.runs_on;
            state.is_quorate = view.is_quorate;
            state.local_node_id = node_id;
            state.members = view.members;
            state.others = view.others;
            node.update(watch::state_json(state, picture.names));
            node["heard"] = view.heard;
            node["serves"] = !view.is_passing;
            node["rings"] = json::array();
            for (const auto& ring : view.rings) {
                node["rings"].push_back({{"interface", ring.interface},
                                         {"link", ring.link},
                                         {"works", ring.works},
                                         {"round_trip_us", ring.round_trip_us},
                                         {"problem", ring.problem}});
            }
        }
        value["nodes"].push_back(std::move(node));
    }
    return value;
}

}  // namespace diskhb::tools
