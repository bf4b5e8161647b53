// SPDX-License-Identifier: BSD-3-Clause
#include "tools/capture_file.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstring>

#include "diskhb/error.hpp"
#include "tools/pcapng.hpp"
#include "tools/slot_report.hpp"
#include "tools/text.hpp"
#include "tools/volume_json.hpp"

namespace diskhb::tools {
namespace {

// Gaps listed for each interface; the sum counts all.
constexpr std::size_t gaps_listed = 100;

std::string this_machine() {
    utsname name{};
    return uname(&name) == 0 ? std::string(name.machine) : std::string();
}

bool is_ip(std::span<const std::byte> packet) {
    const auto version = packet.empty() ? 0U : std::to_integer<unsigned>(packet.front()) >> 4;
    return (version == 4 && packet.size() >= 20) || (version == 6 && packet.size() >= 40);
}

std::vector<std::string> comments_on(const captured_frame& frame) {
    std::vector<std::string> comments;
    if (frame.missing_before > 0) {
        comments.push_back(
            fmt::format("diskhb: {} frames before this one are missing", frame.missing_before));
    }
    if (!frame.is_announced) {
        comments.emplace_back("diskhb: written, but not announced to other nodes");
    }
    return comments;
}

std::string time_of(std::uint64_t time_ns) {
    const auto text = time_text(time_ns / 1'000'000'000);
    return fmt::format("{}.{:09}Z", text.substr(0, text.size() - 1), time_ns % 1'000'000'000);
}

}  // namespace

const char* clock_text(node_clock::source known_by) noexcept {
    switch (known_by) {
        case node_clock::source::host:
            return "host";
        case node_clock::source::observed:
            return "observed";
        case node_clock::source::unknown:
            break;
    }
    return "unknown";
}

capture_file::capture_file(const std::string& path, const std::string& volume,
                           const std::string& cluster)
    : path_(path) {
    file_ = path == "-" ? stdout : std::fopen(path.c_str(), "wbe");
    if (file_ == nullptr) {
        throw setup_error(errno == EACCES || errno == EPERM ? exit_permission : exit_failed,
                          fmt::format("cannot write {}: {}", printable(path), strerror(errno)));
    }
    write(pcapng::section(
        this_machine(), "diskhb " DISKHB_VERSION,
        fmt::format("volume {} of cluster {}", printable(volume), printable(cluster))));
}

capture_file::~capture_file() {
    if (file_ != nullptr && file_ != stdout) {
        std::fclose(file_);
    }
}

void capture_file::write(const std::vector<std::byte>& bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
        throw setup_error(exit_failed,
                          fmt::format("cannot write {}: {}", printable(path_), strerror(errno)));
    }
}

std::size_t capture_file::open_interface(const interface_facts& facts) {
    const char* const clocks[] = {"times since the boot of its node: its clock is not known",
                                  "times by its clock, as seen from here: right to a beat or so",
                                  "times by the clock of this host"};
    write(pcapng::interface(printable(facts.name),
                            fmt::format("node {}, incarnation {}; {}", facts.node_id,
                                        incarnation_text(facts.incarnation),
                                        clocks[static_cast<std::size_t>(facts.clock.known_by)]),
                            format::max_payload_bytes));
    interfaces_.push_back({.facts = facts, .gaps = {}});
    return interfaces_.size() - 1;
}

void capture_file::add(std::size_t number, const captured_frame& frame) {
    auto& on = interfaces_[number];
    on.missing += frame.missing_before;
    on.unannounced += frame.is_announced ? 0 : 1;
    if (frame.missing_before > 0 && on.gaps.size() < gaps_listed) {
        on.gaps.emplace_back(frame.sequence - frame.missing_before, frame.missing_before);
    }
    if (frame.kind != format::frame_kind::datagram) {
        ++(frame.kind == format::frame_kind::message ? on.messages : on.echoes);
        return;
    }
    if (!is_ip(frame.payload)) {
        ++on.not_ip;
        return;
    }
    const auto time_ns = frame.submitted_ns + static_cast<std::uint64_t>(on.facts.clock.offset_ns);
    on.first_ns = on.packets == 0 ? time_ns : on.first_ns;
    on.last_ns = time_ns;
    ++on.packets;
    ++packets_;
    write(pcapng::packet(static_cast<std::uint32_t>(number), time_ns, frame.payload,
                         comments_on(frame)));
}

void capture_file::note_missing(std::size_t number, std::uint64_t frames) {
    interfaces_[number].missing += frames;
}

void capture_file::flush() { std::fflush(file_); }

void capture_file::finish() {
    for (std::size_t i = 0; i < interfaces_.size(); ++i) {
        const auto& one = interfaces_[i];
        write(pcapng::statistics(
            static_cast<std::uint32_t>(i), one.last_ns, one.packets, one.missing,
            one.missing == 0 ? std::string()
                             : fmt::format("diskhb: {} frames are missing", one.missing)));
    }
    const bool is_written = std::fflush(file_) == 0;
    const bool is_closed = file_ == stdout || std::fclose(std::exchange(file_, nullptr)) == 0;
    if (!is_written || !is_closed) {
        throw setup_error(exit_failed,
                          fmt::format("cannot write {}: {}", printable(path_), strerror(errno)));
    }
}

std::uint64_t capture_file::missing() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& one : interfaces_) {
        sum += one.missing;
    }
    return sum;
}

nlohmann::ordered_json capture_file::report() const {
    auto list = nlohmann::ordered_json::array();
    for (const auto& one : interfaces_) {
        nlohmann::ordered_json json = {{"interface", printable(one.facts.name)},
                                       {"node", one.facts.node_id},
                                       {"incarnation", incarnation_text(one.facts.incarnation)},
                                       {"clock", clock_text(one.facts.clock.known_by)},
                                       {"packets", one.packets},
                                       {"message_pieces", one.messages},
                                       {"echoes", one.echoes},
                                       {"not_ip", one.not_ip},
                                       {"unannounced", one.unannounced},
                                       {"missing", one.missing}};
        json["first_ns"] = nullptr;
        json["last_ns"] = nullptr;
        if (one.packets > 0) {
            json["first_ns"] = one.first_ns;
            json["last_ns"] = one.last_ns;
        }
        json["gaps"] = nlohmann::ordered_json::array();
        for (const auto& [sequence, frames] : one.gaps) {
            json["gaps"].push_back({{"sequence", sequence}, {"frames", frames}});
        }
        list.push_back(std::move(json));
    }
    return list;
}

std::string capture_file::text() const {
    std::string all;
    for (const auto& one : interfaces_) {
        all += fmt::format("{}: {} packets", printable(one.facts.name), one.packets);
        if (one.packets > 0) {
            all += fmt::format(", {} to {}", time_of(one.first_ns), time_of(one.last_ns));
        }
        if (one.facts.clock.known_by == node_clock::source::unknown) {
            all += " (since the boot of its node; see --here)";
        }
        if (one.missing > 0) {
            all += fmt::format("; {} frames MISSING", one.missing);
        }
        if (one.unannounced > 0) {
            all += fmt::format("; {} not announced", one.unannounced);
        }
        if (one.messages + one.echoes + one.not_ip > 0) {
            all += fmt::format("; not written: {} pieces of messages, {} echoes, {} not IP",
                               one.messages, one.echoes, one.not_ip);
        }
        all += "\n";
    }
    return all;
}

}  // namespace diskhb::tools
