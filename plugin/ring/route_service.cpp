// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/route_service.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "plugin/daemon/message_ids.hpp"
#include "plugin/daemon/process.hpp"

namespace diskhb::daemon {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds tick_interval{50};
// What others are told is told again so often, and believed for so long.
constexpr std::chrono::milliseconds upkeep_interval{1000};
constexpr std::chrono::milliseconds word_is_good_for{3500};
constexpr unsigned datagrams_most = 64;

std::chrono::nanoseconds clock_now() { return std::chrono::steady_clock::now().time_since_epoch(); }

running_ring* ring_of(const std::vector<std::unique_ptr<running_ring>>& rings,
                      const std::string& interface) {
    const auto found = std::find_if(rings.begin(), rings.end(), [&](const auto& ring) {
        return ring->config().interface == interface;
    });
    return found == rings.end() ? nullptr : found->get();
}

bool reads_one(const char* path) {
    std::ifstream file(path);
    int value = 0;
    return file >> value && value == 1;
}

route_policy::settings policy_settings(const route_config& route, std::uint32_t own_id) {
    route_policy::settings settings{route.down_after, route.up_after, route.carriers};
    std::erase(settings.carriers, own_id);
    return settings;
}

std::string prefixes_text(const route_config& route) {
    std::vector<std::string> texts;
    for (const auto& prefix : route.prefixes) {
        texts.push_back(to_string(prefix));
    }
    return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

route_service::used_route::used_route(asio::io_context& loop, const route_config& route,
                                      std::size_t position, const route_user& user,
                                      running_ring& over)
    : config(&route),
      index(position),
      source(user.source),
      ring(&over),
      policy(policy_settings(route, user.node_id)),
      probe(loop, route.probe, route.probe != route.gateway),
      interface(route.gateway_interface) {}

route_service::route_service(asio::io_context& loop, const daemon_config& config,
                             const std::vector<std::unique_ptr<running_ring>>& rings,
                             netlink& kernel, spdlog::logger& log)
    : loop_(loop),
      config_(config),
      rings_(rings),
      kernel_(kernel),
      log_(log),
      timer_(loop),
      inbox_(loop, datagrams_most, [this](std::uint32_t from, std::span<const std::byte> bytes) {
          on_datagram(from, bytes);
      }) {
    for (std::size_t index = 0; index < config.routes.size(); ++index) {
        const auto& route = config.routes[index];
        auto* ring = ring_of(rings, route.ring);
        if (const auto* user = route.user(config.node_id); user != nullptr) {
            used_.push_back(std::make_unique<used_route>(loop, route, index, *user, *ring));
        }
        if (route.is_carrier(config.node_id)) {
            for (const auto& user : route.users) {
                if (user.node_id != config.node_id) {
                    carried_.push_back({&route, user, ring, {}, false});
                }
            }
        }
    }
}

void route_service::start() {
    check_forwarding();
    for (auto& route : used_) {
        find_gateway_interface(*route);
        keep_gateway_route(*route);
    }
    if (!used_.empty() || !carried_.empty()) {
        wait_for_tick();
    }
}

void route_service::stop() {
    is_stopping_ = true;
    timer_.cancel();
    for (auto& route : used_) {
        route->ring->set_carrier(route->index, 0);
    }
    remove_all_carried(kernel_);
    send_messages();
}

void route_service::wait_for_tick() {
    timer_.expires_after(tick_interval);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error && !is_stopping_) {
            tick();
            wait_for_tick();
        }
    });
}

void route_service::tick() {
    const auto now = clock_now();
    for (auto& route : used_) {
        step(*route, now);
    }
    check_carried(now);
    if (now >= next_upkeep_) {
        next_upkeep_ = now + upkeep_interval;
        check_forwarding();
        check_interfaces();
        for (auto& route : used_) {
            find_gateway_interface(*route);
            keep_gateway_route(*route);
        }
        keep_carried();
        send_messages();
    }
}

void route_service::step(used_route& route, nanoseconds now) {
    route_policy::input seen;
    if (now >= route.next_probe) {
        route.next_probe = now + route.config->probe_interval;
        seen.probe = route.probe.ask(route.interface);
    }
    const auto before = route.policy.current();
    // Nobody asks for carriers while the gateway answers.
    if (!before.gateway_answers || seen.probe == false) {
        seen.usable = usable_carriers(route, now);
    }
    if (route.policy.step(seen, now)) {
        apply(route, before);
        tell(route, before);
    }
}

// First the way, then the word to the carriers, then the end of the old way: what is under way
// meanwhile is repeated by whoever sent it.
void route_service::apply(used_route& route, const route_policy::action& before) {
    const auto& now = route.policy.current();
    if (now.carrier == before.carrier) {
        return;
    }
    route.ring->set_carrier(route.index, now.carrier);
    if (now.carrier != 0) {
        keep_ring_route(route);
    } else {
        keep_gateway_route(route);
        remove_ring_route(route);
    }
    for (const auto node_id : {before.carrier, now.carrier}) {
        if (node_id != 0) {
            send_to(*route.ring, node_id);
        }
    }
}

void route_service::tell(const used_route& route, const route_policy::action& before) {
    const auto& now = route.policy.current();
    const auto& config = *route.config;
    if (now.carrier != 0) {
        log_event(
            log_, spdlog::level::warn,
            fmt::format("route {}: {} {}; {} over {} by node {} ({})", config.name,
                        corosync::to_string(config.probe),
                        before.carrier == 0 ? "does not answer" : "does not answer yet",
                        prefixes_text(config), config.ring, now.carrier, name_of(now.carrier)),
            message_id::route_by_ring);
    } else if (now.gateway_answers) {
        log_event(log_, spdlog::level::info,
                  fmt::format("route {}: {} answers; {} by gateway {}", config.name,
                              corosync::to_string(config.probe), prefixes_text(config),
                              corosync::to_string(config.gateway)),
                  message_id::route_by_gateway);
    } else {
        log_event(
            log_, spdlog::level::err,
            fmt::format("route {}: {} does not answer and no carrier is ready: nobody "
                        "reaches {}",
                        config.name, corosync::to_string(config.probe), prefixes_text(config)),
            message_id::route_lost);
    }
}

std::vector<std::uint32_t> route_service::usable_carriers(const used_route& route,
                                                          nanoseconds now) const {
    std::vector<std::uint32_t> usable;
    if (route.ready.empty()) {
        return usable;
    }
    for (const auto& peer : route.ring->engine().statistics().peers) {
        const auto word = route.ready.find(peer.node_id);
        if (peer.hears_us && word != route.ready.end() && word->second.holds(now)) {
            usable.push_back(peer.node_id);
        }
    }
    return usable;
}

bool route_service::is_source_carried(const ip_address& source) const {
    return std::any_of(carried_.begin(), carried_.end(), [&](const carried_route& each) {
        return each.is_carried && each.user.source == source;
    });
}

void route_service::check_carried(nanoseconds now) {
    bool has_changed = false;
    for (auto& each : carried_) {
        const bool wanted = each.wanted.holds(now) && can_carry(*each.config);
        if (wanted == each.is_carried) {
            continue;
        }
        each.is_carried = wanted;
        has_changed = true;
        log_event(log_, spdlog::level::info,
                  fmt::format("route {}: {} for node {} ({}): {}", each.config->name,
                              wanted ? "carrying" : "no longer carrying", each.user.node_id,
                              name_of(each.user.node_id), prefixes_text(*each.config)),
                  wanted ? message_id::route_carrying : message_id::route_not_carrying);
    }
    if (has_changed) {
        keep_carried();
    }
}

void route_service::check_interfaces() {
    for (const auto& ring : rings_) {
        try {
            if (!ring->check_route_interface()) {
                continue;
            }
            log_.warn("interface {} had vanished and was made again; repaired",
                      ring->config().route_interface);
        } catch (const setup_error& error) {
            log_.error("{}", error.what());
            continue;
        }
        for (auto& route : used_) {
            if (route->ring == ring.get() && route->policy.current().carrier != 0) {
                keep_ring_route(*route);
            }
        }
    }
}

void route_service::check_forwarding() {
    const std::map<corosync::ip_family, const char*> paths = {
        {corosync::ip_family::v4, "/proc/sys/net/ipv4/ip_forward"},
        {corosync::ip_family::v6, "/proc/sys/net/ipv6/conf/all/forwarding"}};
    for (const auto& each : carried_) {
        const auto family = each.user.source.family;
        const bool forwards = reads_one(paths.at(family));
        const auto [known, is_first] = forwards_.try_emplace(family, true);
        if (known->second != forwards) {
            known->second = forwards;
            if (forwards) {
                log_.info("{} is 1 now: routes can be carried", paths.at(family));
            } else {
                log_.warn(
                    "{} is not 1: this host forwards nothing, so it cannot carry route {} "
                    "for node {}",
                    paths.at(family), each.config->name, each.user.node_id);
            }
        }
    }
}

// A node that uses the route itself can carry it while its own gateway answers.
bool route_service::can_carry(const route_config& route) const {
    const auto forwards = forwards_.find(route.prefixes.front().address.family);
    if (is_stopping_ || forwards == forwards_.end() || !forwards->second) {
        return false;
    }
    return std::all_of(used_.begin(), used_.end(), [&](const auto& each) {
        return each->config != &route || each->policy.current().gateway_answers;
    });
}

void route_service::on_datagram(std::uint32_t from, std::span<const std::byte> bytes) {
    const auto message = parse_route_message(bytes);
    if (message && message->from == from && message->to == config_.node_id &&
        message->cluster_name == config_.cluster_name) {
        on_message(*message);
    }
}

void route_service::on_message(const route_message& message) {
    const auto now = clock_now();
    const auto names = [](const std::vector<std::string>& all, const std::string& name) {
        return std::find(all.begin(), all.end(), name) != all.end();
    };
    for (auto& route : used_) {
        if (route->config->is_carrier(message.from)) {
            route->ready[message.from].say(names(message.carries, route->config->name), now,
                                           word_is_good_for);
        }
    }
    for (auto& each : carried_) {
        if (each.user.node_id == message.from) {
            each.wanted.say(names(message.uses, each.config->name), now, word_is_good_for);
        }
    }
    check_carried(now);
}

void route_service::send_messages() {
    for (const auto& ring : rings_) {
        std::set<std::uint32_t> partners;
        for (const auto& route : used_) {
            if (route->ring == ring.get()) {
                partners.insert(route->config->carriers.begin(), route->config->carriers.end());
            }
        }
        for (const auto& each : carried_) {
            if (each.ring == ring.get()) {
                partners.insert(each.user.node_id);
            }
        }
        partners.erase(config_.node_id);
        for (const auto node_id : partners) {
            send_to(*ring, node_id);
        }
    }
}

void route_service::send_to(running_ring& ring, std::uint32_t node_id) {
    route_message message;
    message.cluster_name = config_.cluster_name;
    message.from = config_.node_id;
    message.to = node_id;
    for (const auto& route : used_) {
        if (!is_stopping_ && route->ring == &ring && route->policy.current().carrier == node_id) {
            message.uses.push_back(route->config->name);
        }
    }
    for (const auto& each : carried_) {
        if (each.ring == &ring && each.user.node_id == node_id && can_carry(*each.config)) {
            message.carries.push_back(each.config->name);
        }
    }
    const auto text = encode(message);
    (void)ring.engine().submit(node_id, packet_type::control, std::as_bytes(std::span(text)));
}

const char* route_service::name_of(std::uint32_t node_id) const {
    for (const auto& ring : config_.rings) {
        for (const auto& peer : ring.peers) {
            if (peer.node_id == node_id && !peer.name.empty()) {
                return peer.name.c_str();
            }
        }
    }
    return "-";
}

std::vector<route_report> route_service::report() const {
    const auto now = clock_now();
    std::vector<route_report> all;
    for (const auto& route : config_.routes) {
        route_report one;
        one.config = &route;
        for (const auto& used : used_) {
            if (used->config != &route) {
                continue;
            }
            one.is_user = true;
            one.carrier = used->policy.current().carrier;
            one.gateway_answers = used->policy.current().gateway_answers;
            one.source = used->source;
            one.interface = used->interface;
            one.changes = used->policy.changes();
            one.since = one.changes == 0 ? nanoseconds(0) : now - used->policy.since();
            one.ready = usable_carriers(*used, now);
        }
        one.is_carrier = route.is_carrier(config_.node_id);
        one.can_carry = one.is_carrier && can_carry(route);
        for (const auto& each : carried_) {
            if (each.config == &route) {
                one.carried_for.push_back({each.user.node_id, each.user.source, each.is_carried});
            }
        }
        all.push_back(std::move(one));
    }
    return all;
}

}  // namespace diskhb::daemon
