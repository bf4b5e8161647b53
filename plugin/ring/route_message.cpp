// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/route_message.hpp"

#include <nlohmann/json.hpp>

#include "plugin/corosync/corosync_conf.hpp"
#include "plugin/daemon/control_reply.hpp"
#include "plugin/ring/route_config.hpp"

namespace diskhb::daemon {

namespace {

using json = nlohmann::ordered_json;
constexpr const char* word = "route";

std::optional<std::uint32_t> node_id_of(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() == 0 ||
        found->get<std::uint64_t>() > corosync::node_id_max) {
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(found->get<std::uint64_t>());
}

std::optional<std::vector<std::string>> names_of(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_array() || found->size() > routes_most) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    for (const auto& name : *found) {
        if (!name.is_string()) {
            return std::nullopt;
        }
        names.push_back(name.get<std::string>());
    }
    return names;
}

}  // namespace

std::string encode(const route_message& message) {
    return to_line({{"diskhb", word},
                    {"cluster", message.cluster_name},
                    {"from", message.from},
                    {"to", message.to},
                    {"uses", message.uses},
                    {"carries", message.carries}});
}

std::optional<route_message> parse_route_message(std::span<const std::byte> bytes) {
    if (bytes.empty() || bytes.size() > route_message_bytes_max) {
        return std::nullopt;
    }
    const auto* const begin = reinterpret_cast<const char*>(bytes.data());
    const auto object = json::parse(begin, begin + bytes.size(), nullptr, false);
    if (!object.is_object() || object.value("diskhb", json()) != word) {
        return std::nullopt;
    }
    const auto cluster = object.find("cluster");
    const auto from = node_id_of(object, "from");
    const auto to = node_id_of(object, "to");
    auto uses = names_of(object, "uses");
    auto carries = names_of(object, "carries");
    if (cluster == object.end() || !cluster->is_string() || !from || !to || !uses || !carries) {
        return std::nullopt;
    }
    return route_message{cluster->get<std::string>(), *from, *to, std::move(*uses),
                         std::move(*carries)};
}

}  // namespace diskhb::daemon
