// SPDX-License-Identifier: BSD-3-Clause
#include "tools/conf_edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <vector>

namespace diskhb::tools {

namespace {

// Lines of a file, with what comes after each; numbers as conf_item has them, from 1.
class line_editor {
  public:
    line_editor(std::string_view text, const corosync::corosync_conf& conf) : conf_(conf) {
        std::istringstream stream{std::string(text)};
        for (std::string line; std::getline(stream, line);) {
            lines_.push_back({line, {}, false});
        }
    }

    const corosync::conf_item* find(std::string_view path) const {
        const auto found = std::find_if(conf_.items.rbegin(), conf_.items.rend(),
                                        [&](const auto& item) { return item.path == path; });
        return found == conf_.items.rend() ? nullptr : &*found;
    }
    bool has_any(std::string_view prefix) const {
        return std::any_of(conf_.items.begin(), conf_.items.end(),
                           [&](const auto& item) { return item.path.starts_with(prefix); });
    }
    void add_after(const corosync::conf_item& item, const std::string& line) {
        auto& place = lines_.at(item.line - 1);
        place.after += indent_of(item) + line + "\n";
    }
    void replace(const corosync::conf_item& item, const std::string& line) {
        lines_.at(item.line - 1).text = indent_of(item) + line;
    }
    void remove(const corosync::conf_item& item) { lines_.at(item.line - 1).is_removed = true; }

    std::string text() const {
        std::string all;
        for (const auto& line : lines_) {
            all += (line.is_removed ? "" : line.text + "\n") + line.after;
        }
        return all;
    }

  private:
    struct edited_line {
        std::string text;
        std::string after;
        bool is_removed = false;
    };
    std::string indent_of(const corosync::conf_item& item) const {
        const auto& line = lines_.at(item.line - 1).text;
        return line.substr(0, line.find_first_not_of(" \t"));
    }

    const corosync::corosync_conf& conf_;
    std::vector<edited_line> lines_;
};

void add_addresses(line_editor& file, const corosync::corosync_conf& conf,
                   const conf_change& change) {
    for (std::size_t index = 0; index < conf.nodes.size(); ++index) {
        const auto address = change.ring_addrs.find(conf.nodes[index].node_id);
        const auto* const last = file.find(fmt::format("nodelist.node.{}.ring0_addr", index));
        if (address != change.ring_addrs.end() && last != nullptr) {
            file.add_after(*last,
                           fmt::format("ring{}_addr: {}", *change.ring_link, address->second));
        }
    }
}

void add_interface(line_editor& file, const corosync::conf_item& after, unsigned link,
                   unsigned priority, std::uint32_t interval_ms, std::uint32_t timeout_ms,
                   std::uint32_t pong_count) {
    if (file.has_any(fmt::format("totem.interface.{}.", link))) {
        return;
    }
    file.add_after(after, "interface {");
    for (const auto& [key, value] : {std::pair<const char*, std::uint32_t>("linknumber", link),
                                     {"knet_link_priority", priority},
                                     {"knet_ping_interval", interval_ms},
                                     {"knet_ping_timeout", timeout_ms},
                                     {"knet_pong_count", pong_count}}) {
        file.add_after(after, fmt::format("    {}: {}", key, value));
    }
    file.add_after(after, "}");
}

// Never shorter than an administrator has made it.
void raise(line_editor& file, const corosync::conf_item& after, const std::string& key,
           std::uint32_t value) {
    const auto* const given = file.find("totem." + key);
    if (given == nullptr) {
        file.add_after(after, fmt::format("{}: {}", key, value));
        return;
    }
    std::uint32_t present = 0;
    const auto& text = given->value;
    (void)std::from_chars(text.data(), text.data() + text.size(), present);
    if (present < value) {
        file.replace(*given, fmt::format("{}: {}", key, value));
    }
}

void add_device(line_editor& file, const device_values& device) {
    const auto* const provider = file.find("quorum.provider");
    if (provider == nullptr) {
        return;
    }
    // Corosync refuses them beside a device (exec/votequorum.c).
    for (const auto* const key : {"two_node", "auto_tie_breaker", "last_man_standing",
                                  "last_man_standing_window", "allow_downscale"}) {
        if (const auto* const given = file.find(fmt::format("quorum.{}", key)); given != nullptr) {
            file.remove(*given);
        }
    }
    file.add_after(*provider, "device {");
    file.add_after(*provider, "    model: disk");
    file.add_after(*provider, fmt::format("    votes: {}", device.votes));
    file.add_after(*provider, fmt::format("    timeout: {}", device.timeout_ms));
    file.add_after(*provider, fmt::format("    sync_timeout: {}", device.sync_timeout_ms));
    file.add_after(*provider, "}");
}

}  // namespace

std::string edited(std::string_view text, const corosync::corosync_conf& conf,
                   const conf_change& change) {
    line_editor file(text, conf);
    const auto* const place = file.find("totem.cluster_name");
    if (change.ring_link && place != nullptr) {
        const auto& timers = change.timers;
        add_addresses(file, conf, change);
        raise(file, *place, "token", timers.token_ms);
        raise(file, *place, "token_retransmits_before_loss_const",
              timers.token_retransmits_before_loss);
        raise(file, *place, "join", timers.join_ms);
        // A single section says something about the network only if there is none for it yet.
        add_interface(file, *place, 0, 10, timers.network_ping_interval_ms,
                      timers.network_ping_timeout_ms, timers.pong_count);
        add_interface(file, *place, *change.ring_link, 1, timers.ring_ping_interval_ms,
                      timers.ring_ping_timeout_ms, timers.pong_count);
    }
    if (change.device) {
        add_device(file, *change.device);
    }
    return file.text();
}

}  // namespace diskhb::tools
