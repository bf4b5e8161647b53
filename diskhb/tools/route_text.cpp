// SPDX-License-Identifier: BSD-3-Clause
#include "tools/route_text.hpp"

#include <fmt/format.h>

#include <string>

#include "tools/reply_text.hpp"
#include "tools/text.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

std::string joined(const json& list) {
    std::string text;
    for (const auto& each : list) {
        text += (text.empty() ? "" : ", ") +
                (each.is_string() ? printable(each.get<std::string>()) : each.dump());
    }
    return text.empty() ? "none" : text;
}

std::string way_text(const json& route) {
    const auto way = text_of(route, "way");
    const auto gateway = text_of(route, "gateway");
    if (way == "gateway") {
        return in_colour(colour::good, "by gateway " + gateway);
    }
    if (way == "ring") {
        return in_colour(colour::bold,
                         fmt::format("over ring {} by node {:.0f}", text_of(route, "ring"),
                                     number_of(route, "carrier")));
    }
    return in_colour(colour::bad, "nowhere: the gateway does not answer, no carrier is ready");
}

void print_use(const json& route) {
    const auto changes = number_of(route, "changes");
    fmt::print("  from {} {}{}\n", text_of(route, "source"), way_text(route),
               changes == 0
                   ? std::string()
                   : fmt::format(" for {}, {:.0f} changes",
                                 duration_text(number_of(route, "since_ms") / 1000), changes));
    const auto interface = text_of(route, "gateway_interface");
    fmt::print(
        "  gateway {} on {} {}; ready to carry: {}\n", text_of(route, "gateway"),
        interface.empty() ? "an interface not known yet" : interface,
        flag_of(route, "gateway_answers") ? "answers" : in_colour(colour::bad, "does not answer"),
        joined(list_of(route, "carriers_ready")));
}

void print_carried(const json& route) {
    for (const auto& each : list_of(route, "carried_for")) {
        fmt::print("  carried for node {:.0f} from {}: {}\n", number_of(each, "node"),
                   text_of(each, "source"), flag_of(each, "now") ? "now" : "not now");
    }
    if (route.contains("can_carry") && !flag_of(route, "can_carry")) {
        fmt::print("  {}\n", in_colour(colour::bad,
                                       "cannot be carried now: this host does not "
                                       "forward, or its own gateway does not answer"));
    }
}

}  // namespace

void print_routes(const json& reply) {
    for (const auto& route : list_of(reply, "routes")) {
        if (!route.contains("way") && !route.contains("carried_for")) {
            continue;
        }
        fmt::print("\nroute {}: {}\n", in_colour(colour::bold, text_of(route, "name")),
                   joined(list_of(route, "prefixes")));
        if (route.contains("way")) {
            print_use(route);
        }
        print_carried(route);
    }
}

}  // namespace diskhb::tools
