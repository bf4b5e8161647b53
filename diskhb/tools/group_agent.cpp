// SPDX-License-Identifier: BSD-3-Clause
#include "tools/group_agent.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "plugin/daemon/control_call.hpp"
#include "tools/reply_text.hpp"
#include "tools/verdict.hpp"

namespace diskhb::tools {

namespace {

using json = nlohmann::ordered_json;
constexpr std::chrono::milliseconds answer_timeout{700};
// No answer for so long counts as a round trip of so long.
constexpr std::chrono::milliseconds ping_timeout{1500};

watch::ring_view ring_view_of(const json& ring, const std::vector<ring_facts>& facts) {
    watch::ring_view view;
    view.interface = text_of(ring, "interface");
    view.link = static_cast<std::uint8_t>(number_of(ring, "link"));
    for (const auto& each : facts) {
        if (each.interface == view.interface) {
            view.works = each.works;
            view.problem = each.problem;
        }
    }
    return view;
}

}  // namespace

group_agent::group_agent(boost::asio::io_context& loop, options how, handlers call)
    : loop_(loop),
      options_(std::move(how)),
      handlers_(std::move(call)),
      participant_(static_cast<std::uint32_t>(getpid()), options_.name),
      ticks_(loop),
      life_(std::make_shared<int>()) {}

group_agent::~group_agent() = default;

void group_agent::on_events(std::span<const corosync::interconnect_event> events) {
    run(participant_.on_events(events, *options_.state, std::chrono::steady_clock::now()));
}

void group_agent::on_group(const std::vector<corosync::group_member>& members) {
    members_ = members;
    run(participant_.on_group(members));
}

void group_agent::on_message(const corosync::group_member& from, std::span<const std::byte> bytes,
                             corosync::steady_time delivered) {
    const auto message = watch::decode(bytes);
    if (!message) {
        return;
    }
    if (const auto* const request = std::get_if<watch::view_request>(&*message)) {
        answer(request->token);
    } else if (const auto* const view = std::get_if<watch::view>(&*message)) {
        if (handlers_.on_view) {
            handlers_.on_view(from, *view);
        }
    } else if (const auto* const report = std::get_if<watch::drill_report>(&*message)) {
        if (handlers_.on_report) {
            handlers_.on_report(from, *report);
        }
    } else {
        run(participant_.on_message(from, *message, *options_.state, delivered));
        keep_ticking();
    }
}

void group_agent::answer(std::uint64_t token) {
    daemon::control_call(
        loop_, options_.socket, R"({"verb": "status"})", answer_timeout,
        [this, token, life = std::weak_ptr<int>(life_)](const std::string& reply,
                                                        const std::string& problem) {
            if (!life.expired()) {
                measure_and_send(std::make_shared<watch::view>(make_view(token, reply, problem)));
            }
        });
}

// What diskhbd has counted is of its whole life; a drill wants to know how quick the ring is now.
// The last of the calls to end holds the last share of the view, and sends it.
void group_agent::measure_and_send(std::shared_ptr<watch::view> seen) {
    const std::shared_ptr<watch::view> complete(
        seen.get(), [this, seen, life = std::weak_ptr<int>(life_)](const watch::view*) {
            if (!life.expired()) {
                options_.send(watch::encode(*seen));
            }
        });
    for (auto& ring : seen->rings) {
        for (const auto node_id : ring.works ? seen->heard : std::vector<std::uint32_t>{}) {
            const json request = {{"verb", "ping"},
                                  {"ring", ring.interface},
                                  {"node", node_id},
                                  {"timeout_ms", ping_timeout.count()}};
            daemon::control_call(
                loop_, options_.socket, request.dump(), 2 * ping_timeout,
                [complete, &ring](const std::string& reply, const std::string&) {
                    const auto answered = json::parse(reply, nullptr, false);
                    const double none_us = 1000.0 * static_cast<double>(ping_timeout.count());
                    const auto us = answered.is_object() && answered.contains("rtt_us")
                                        ? std::clamp(number_of(answered, "rtt_us"), 0.0, none_us)
                                        : none_us;
                    ring.round_trip_us =
                        std::max(ring.round_trip_us, static_cast<std::uint32_t>(us));
                });
        }
    }
}

watch::view group_agent::make_view(std::uint64_t token, const std::string& reply,
                                   const std::string& problem) const {
    const auto& state = *options_.state;
    watch::view seen;
    seen.token = token;
    seen.corosync = state.corosync;
    seen.runs_on = state.runs_on;
    seen.is_quorate = state.is_quorate;
    seen.is_passing = !options_.serves;
    seen.name = options_.name;
    seen.members = state.members;
    seen.others = state.others;
    const auto status = json::parse(reply, nullptr, false);
    if (!status.is_object() || list_of(status, "rings").empty()) {
        for (const auto link : options_.ring_links) {
            watch::ring_view ring;
            ring.link = static_cast<std::uint8_t>(link);
            ring.problem = "diskhbd does not answer" + (problem.empty() ? "" : ": " + problem);
            seen.rings.push_back(ring);
        }
    } else {
        const auto facts = facts_of(status, links_, "");
        for (const auto& ring : list_of(status, "rings")) {
            seen.rings.push_back(ring_view_of(ring, facts.rings));
        }
        for (const auto& peer : facts.peers) {
            if (peer.heard) {
                seen.heard.push_back(peer.node_id);
            }
        }
    }
    seen.refusal = participant_.refusal(std::chrono::steady_clock::now());
    seen.cut_refusal =
        options_.may_cut ? watch::why_not_able_to_cut() : "was told not to (watch --no-cut)";
    return seen;
}

void group_agent::run(const watch::drill_actions& actions) {
    for (const auto& action : actions) {
        if (const auto* const message = std::get_if<watch::send_to_group>(&action)) {
            options_.send(watch::encode(message->message));
        } else if (const auto* const wanted = std::get_if<watch::cut_network>(&action)) {
            cut(wanted->hold);
        } else {
            give_back();
        }
    }
}

void group_agent::cut(std::chrono::milliseconds hold) {
    const auto deed = [this](const std::string& what) {
        if (handlers_.on_deed) {
            handlers_.on_deed(what);
        }
    };
    const auto done = [this, deed](const std::string& problem, corosync::steady_time at) {
        deed(problem.empty() ? "the network is away" : "the network is not away: " + problem);
        run(participant_.on_cut(problem, at));
    };
    const auto paths = watch::network_paths(links_, options_.conf, options_.ring_links);
    if (!options_.may_cut || paths.empty()) {
        done(options_.may_cut ? "knet has no addresses on it" : "it was not allowed to",
             std::chrono::steady_clock::now());
        return;
    }
    deed(fmt::format("a drill takes this node's network away for {} ms at most", hold.count()));
    cut_.emplace(loop_, std::vector<std::string>{"/proc/self/exe", "drill", "--guard"},
                 watch::network_cut::handlers{
                     done, [deed](bool is_clean) {
                         deed(is_clean ? "the network is back"
                                       : "the guard of the cut has died: the kernel gives the "
                                         "network back in time");
                     }});
    cut_->cut(paths, hold);
}

void group_agent::give_back() {
    if (cut_) {
        cut_->release();
    }
}

// Faster than the loop's own ticks, and only while a drill goes on.
void group_agent::keep_ticking() {
    if (is_ticking_ || !participant_.is_active()) {
        return;
    }
    is_ticking_ = true;
    ticks_.expires_after(watch::drill_participant::tick_interval);
    ticks_.async_wait([this](const boost::system::error_code& error) {
        is_ticking_ = false;
        if (!error) {
            run(participant_.tick(*options_.state, std::chrono::steady_clock::now()));
            keep_ticking();
        }
    });
}

}  // namespace diskhb::tools
