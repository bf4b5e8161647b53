// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/volume_roles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>

#include "io/same_place.hpp"

namespace diskhb::daemon {

namespace {

constexpr std::uint32_t node_id_max = 128;
// Keys that belong to one mode only.
constexpr std::array<std::pair<std::string_view, copy_mode>, 5> mode_keys = {{
    {"copy_command", copy_mode::command},
    {"copy_interval_ms", copy_mode::command},
    {"copy_timeout_ms", copy_mode::command},
    {"copy_target", copy_mode::builtin},
    {"copy_rate_mib_s", copy_mode::builtin},
}};

void check_absolute(const toml_section& section, std::string_view key, const std::string& path) {
    if (path.front() != '/') {
        section.fail(key, "must be an absolute path, best one below /dev/disk/by-id");
    }
}

template <class Values>
void refuse_no_array(const toml_section& section, std::string_view key, const Values& values) {
    if (section.has(key) && !values) {
        section.fail(key, "must be an array in [ ]");
    }
}

copy_mode read_mode(toml_section& section) {
    const auto word = section.text("copy");
    if (!word) {
        return copy_mode::none;
    }
    for (const auto mode : {copy_mode::storage, copy_mode::command, copy_mode::builtin}) {
        if (*word == copy_mode_name(mode)) {
            return mode;
        }
    }
    section.fail("copy", "must be \"storage\", \"command\" or \"builtin\"");
}

copy_config read_copy(toml_section& section) {
    copy_config copy;
    copy.mode = read_mode(section);
    for (const auto& [key, mode] : mode_keys) {
        if (section.has(key) && copy.mode != mode) {
            section.fail(
                key, fmt::format("is for copy = \"{}\" only, and copy is {}", copy_mode_name(mode),
                                 copy.mode == copy_mode::none
                                     ? "not given"
                                     : fmt::format("\"{}\"", copy_mode_name(copy.mode))));
        }
    }
    auto command = section.texts("copy_command");
    refuse_no_array(section, "copy_command", command);
    copy.command = std::move(command).value_or(std::vector<std::string>());
    copy.interval = std::chrono::milliseconds(
        section.integer("copy_interval_ms", copy.interval.count(), 1, 3'600'000));
    copy.timeout = std::chrono::milliseconds(
        section.integer("copy_timeout_ms", copy.timeout.count(), 10, 3'600'000));
    copy.target = section.text("copy_target").value_or("");
    const auto rate_mib_s = section.number("copy_rate_mib_s", 0.1, 1e6);
    copy.rate_bytes_per_s =
        static_cast<std::uint64_t>(std::llround(rate_mib_s.value_or(0) * (1 << 20)));
    if (copy.mode == copy_mode::command) {
        if (copy.command.empty()) {
            section.fail("copy", "needs copy_command = [\"/path/to/program\", \"argument\", ...]");
        }
        check_absolute(section, "copy_command", copy.command.front());
    }
    if (copy.mode == copy_mode::builtin) {
        if (copy.target.empty()) {
            section.fail("copy", "needs copy_target, the device that diskhb-copyd writes to");
        }
        check_absolute(section, "copy_target", copy.target);
    }
    return copy;
}

// Where each peer is read: every one in exactly one place.
class reading_places {
  public:
    reading_places(std::uint32_t node_id, const std::vector<std::uint32_t>& peers)
        : node_id_(node_id), peers_(peers) {}

    void add(const toml_section& section, std::string_view key, std::int64_t node,
             const std::string& volume) {
        const auto id = static_cast<std::uint32_t>(node);
        if (std::find(peers_.begin(), peers_.end(), id) == peers_.end()) {
            section.fail(key, fmt::format("node {} is not in corosync.conf", id));
        }
        const auto [place, is_new] = places_.emplace(id, volume);
        if (!is_new) {
            section.fail(key, fmt::format("node {} is named twice: it is read from {} already", id,
                                          place->second));
        }
    }

    void refuse_missing(const toml_section& section) const {
        for (const std::uint32_t peer : peers_) {
            if (!places_.contains(peer)) {
                section.fail("send_volume",
                             fmt::format("node {} has no receive volume: name it in a "
                                         "[[ring.receive]], or in shared_with if it writes to the "
                                         "send volume too",
                                         peer));
            }
        }
    }

    bool is_us(std::int64_t node) const noexcept { return node == node_id_; }

  private:
    std::uint32_t node_id_;
    const std::vector<std::uint32_t>& peers_;
    std::map<std::uint32_t, std::string> places_;
};

void read_receive_table(toml_section& section, reading_places& places, volume_roles& roles) {
    receive_volume area;
    area.path = section.required_text("volume");
    check_absolute(section, "volume", area.path);
    const auto nodes = section.integers("nodes", 1, node_id_max);
    if (!nodes || nodes->empty()) {
        section.fail(section.has("nodes") ? "nodes" : "",
                     "needs nodes = [ID, ...]: those whose writes this volume is a copy of");
    }
    section.refuse_unknown_keys();
    if (io::is_same_place(area.path, roles.send_volume)) {
        section.fail("volume",
                     "is the send volume: send and receive volume are the same place; nodes that "
                     "share the send volume are named in shared_with");
    }
    for (const auto& other : roles.receive_from) {
        if (io::is_same_place(area.path, other.path)) {
            section.fail("volume", "is a receive volume already; name all its nodes in one table");
        }
    }
    for (const std::int64_t node : *nodes) {
        if (places.is_us(node)) {
            section.fail("nodes",
                         fmt::format("node {} is this node: it reads nothing of its own", node));
        }
        places.add(section, "nodes", node, area.path);
        area.nodes.push_back(static_cast<std::uint32_t>(node));
    }
    roles.receive_from.push_back(std::move(area));
}

void check_copy(const toml_section& section, const volume_roles& roles) {
    if (roles.receive_from.empty()) {
        if (roles.copy.mode != copy_mode::none) {
            section.fail("copy", "there is no [[ring.receive]]: nobody reads a copy of this ring");
        }
        return;
    }
    if (roles.copy.mode == copy_mode::none) {
        section.fail("send_volume",
                     "'copy' is missing: \"storage\", \"command\" or \"builtin\"; it says how the "
                     "other nodes get what is written here");
    }
    if (roles.copy.mode != copy_mode::builtin) {
        return;
    }
    if (io::is_same_place(roles.copy.target, roles.send_volume)) {
        section.fail("copy_target", "is the send volume itself");
    }
    for (const auto& area : roles.receive_from) {
        if (io::is_same_place(roles.copy.target, area.path)) {
            section.fail("copy_target",
                         "is a volume that this node receives from: others write there");
        }
    }
}

volume_roles read_single_volume(toml_section& section) {
    volume_roles roles;
    roles.send_volume = section.required_text("volume");
    check_absolute(section, "volume", roles.send_volume);
    for (const std::string_view key : {"shared_with", "receive", "copy"}) {
        if (section.has(key)) {
            section.fail(key, "goes with send_volume; volume = PATH is one volume for all nodes");
        }
    }
    roles.copy = read_copy(section);
    return roles;
}

}  // namespace

const char* copy_mode_name(copy_mode mode) noexcept {
    switch (mode) {
        case copy_mode::storage:
            return "storage";
        case copy_mode::command:
            return "command";
        case copy_mode::builtin:
            return "builtin";
        case copy_mode::none:
            break;
    }
    return "none";
}

volume_roles read_volume_roles(toml_section& section, std::uint32_t node_id,
                               const std::vector<std::uint32_t>& peers) {
    if (!section.has("send_volume")) {
        return read_single_volume(section);
    }
    if (section.has("volume")) {
        section.fail("volume", "there is a send_volume too; a ring has one or the other");
    }
    volume_roles roles;
    roles.is_shared = false;
    roles.send_volume = section.required_text("send_volume");
    check_absolute(section, "send_volume", roles.send_volume);
    reading_places places(node_id, peers);
    // The same list for all nodes of a site, so our own id may be in it.
    const auto shared = section.integers("shared_with", 1, node_id_max);
    refuse_no_array(section, "shared_with", shared);
    for (const std::int64_t node : shared.value_or(std::vector<std::int64_t>())) {
        if (!places.is_us(node)) {
            places.add(section, "shared_with", node, roles.send_volume);
        }
    }
    for (toml_section& table : section.sections("receive", "[[ring.receive]]")) {
        read_receive_table(table, places, roles);
    }
    places.refuse_missing(section);
    roles.copy = read_copy(section);
    check_copy(section, roles);
    return roles;
}

std::vector<std::string> volume_paths(const volume_roles& roles) {
    std::vector<std::string> all{roles.send_volume};
    for (const auto& area : roles.receive_from) {
        all.push_back(area.path);
    }
    if (!roles.copy.target.empty()) {
        all.push_back(roles.copy.target);
    }
    return all;
}

std::string describe(const volume_roles& roles) {
    std::string text;
    for (const auto& area : roles.receive_from) {
        text +=
            fmt::format("  nodes {} are read from {}\n", fmt::join(area.nodes, ", "), area.path);
    }
    const auto& copy = roles.copy;
    switch (copy.mode) {
        case copy_mode::storage:
            text += "  our writes are copied by the storage\n";
            break;
        case copy_mode::command:
            text += fmt::format(
                "  our writes are copied by {}, every {} ms at most, killed after {} ms\n",
                fmt::join(copy.command, " "), copy.interval.count(), copy.timeout.count());
            break;
        case copy_mode::builtin:
            text += fmt::format("  our writes are copied to {} by diskhb-copyd{}\n", copy.target,
                                copy.rate_bytes_per_s == 0
                                    ? ""
                                    : fmt::format(", {} B/s at most", copy.rate_bytes_per_s));
            break;
        case copy_mode::none:
            break;
    }
    return text;
}

}  // namespace diskhb::daemon
