// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/copy_message.hpp"

#include <nlohmann/json.hpp>

#include "plugin/corosync/corosync_conf.hpp"
#include "plugin/daemon/control_reply.hpp"

namespace diskhb::daemon {

namespace {

using json = nlohmann::ordered_json;
constexpr const char* request_word = "copy_request";
constexpr const char* reply_word = "copy_reply";

std::optional<std::string> text_of(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) {
        return std::nullopt;
    }
    return found->get<std::string>();
}

std::optional<std::uint64_t> number_of(const json& object, const char* key, std::uint64_t least,
                                       std::uint64_t most) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number_unsigned()) {
        return std::nullopt;
    }
    const auto value = found->get<std::uint64_t>();
    if (value < least || value > most) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

std::string encode(const copy_message& message) {
    json object{{"diskhb", message.is_reply ? reply_word : request_word},
                {"cluster", message.cluster_name},
                {"from", message.from},
                {"to", message.to},
                {"link", message.link},
                {"token", message.token}};
    if (message.is_reply) {
        object["error"] = message.error.substr(0, copy_message_bytes_max / 4);
    }
    return to_line(object);
}

bool may_be_copy_message(std::span<const std::byte> bytes) noexcept {
    return !bytes.empty() && bytes.size() <= copy_message_bytes_max &&
           bytes.front() == static_cast<std::byte>('{');
}

std::optional<copy_message> parse_copy_message(std::span<const std::byte> bytes) {
    if (!may_be_copy_message(bytes)) {
        return std::nullopt;
    }
    const auto* const begin = reinterpret_cast<const char*>(bytes.data());
    const auto object = json::parse(begin, begin + bytes.size(), nullptr, false);
    if (!object.is_object()) {
        return std::nullopt;
    }
    const auto word = text_of(object, "diskhb");
    const auto cluster = text_of(object, "cluster");
    const auto from = number_of(object, "from", 1, corosync::node_id_max);
    const auto to = number_of(object, "to", 1, corosync::node_id_max);
    const auto link = number_of(object, "link", 0, corosync::link_count_max - 1);
    const auto token = number_of(object, "token", 0, UINT64_MAX);
    if (!word || (*word != request_word && *word != reply_word) || !cluster || !from || !to ||
        !link || !token) {
        return std::nullopt;
    }
    copy_message message;
    message.is_reply = *word == reply_word;
    message.cluster_name = *cluster;
    message.from = static_cast<std::uint32_t>(*from);
    message.to = static_cast<std::uint32_t>(*to);
    message.link = static_cast<std::uint32_t>(*link);
    message.token = *token;
    message.error = text_of(object, "error").value_or("");
    return message;
}

copy_request_gate::verdict copy_request_gate::judge(const copy_message& request,
                                                    std::uint64_t now_ns) {
    const auto [found, is_first] = last_.try_emplace({request.from, request.link});
    seen& last = found->second;
    if (!is_first && last.token == request.token) {
        return last.is_done ? verdict::answer_again : verdict::ignore;
    }
    if (!is_first && (!last.is_done || now_ns - last.at_ns < interval_ns)) {
        return verdict::ignore;
    }
    last = {request.token, now_ns, false, {}};
    return verdict::act;
}

void copy_request_gate::on_done(std::uint32_t from, std::uint32_t link, const std::string& error) {
    seen& last = last_.at({from, link});
    last.is_done = true;
    last.error = error;
}

const std::string& copy_request_gate::error_of(const copy_message& request) const {
    return last_.at({request.from, request.link}).error;
}

}  // namespace diskhb::daemon
