// SPDX-License-Identifier: BSD-3-Clause
// The messages of the process group "diskhb": what each node sees, and the fire drill. Bytes of a
// stranger: decoded field by field, each length and count checked first; what is not as written
// here to the last byte is no message. Little-endian. Another version of the program may send kinds
// that this one does not know: they are left out.
//
// Each message: magic (4), kind (1), then the fields of its struct in order. Texts: length (2),
// bytes. Lists: count (2), elements. Flags: one byte, 0 or 1. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "plugin/corosync/cpg.hpp"
#include "plugin/corosync/interconnect.hpp"

namespace diskhb::watch {

inline constexpr const char* group_name = "diskhb";
inline constexpr std::size_t text_bytes_max = 300;
inline constexpr std::size_t nodes_max = 128;
inline constexpr std::size_t rings_max = 8;
inline constexpr std::size_t payload_bytes_max = 64 * 1024;

// Asks all members of the group for their view.
struct view_request {
    std::uint64_t token = 0;  // comes back in the answers
};

// A ring of the node, as its diskhbd says.
struct ring_view {
    std::uint8_t link = 0;
    bool works = false;
    std::uint32_t round_trip_us = 0;  // daemon to daemon, just now; of the slowest node heard there
    std::string interface;
    std::string problem;  // why it does not work
};

// What a node sees.
struct view {
    std::uint64_t token = 0;
    corosync::corosync_state corosync = corosync::corosync_state::unknown;
    corosync::carrier runs_on = corosync::carrier::nothing;
    bool is_quorate = false;
    bool is_passing = false;  // of a program that asks, and ends; not of one that serves
    std::string name;
    std::vector<std::uint32_t> members;
    std::vector<corosync::node_view> others;
    std::vector<std::uint32_t> heard;  // nodes whose beat it hears on a volume
    std::vector<ring_view> rings;
    std::string refusal;      // why it would not stream in a drill; empty: it would
    std::string cut_refusal;  // why it would not take its network away; empty: it would
};

// A drill begins: each participant streams to the group until it ends, for life_ms at most. Who
// hears nothing of another one for silence_ms gives the network back at once.
struct drill_begin {
    std::uint64_t drill = 0;  // random
    std::uint32_t messages_per_s = 0;
    std::uint32_t message_bytes = 0;
    std::uint32_t life_ms = 0;
    std::uint32_t silence_ms = 0;
    std::vector<corosync::group_member> participants;
};

// With `during` the one who sends this takes its network away, or, if for_all, every participant
// its own, for hold_ms at most; `after` gives it back.
enum class drill_part : std::uint8_t { before = 0, during = 1, after = 2 };
struct drill_phase {
    std::uint64_t drill = 0;
    drill_part part = drill_part::before;
    bool for_all = false;
    std::uint32_t hold_ms = 0;
};

// One of a participant's stream. `last`: sequence is how many there were.
struct drill_data {
    std::uint64_t drill = 0;
    bool is_last = false;
    std::uint64_t sequence = 0;
    std::int64_t sent_ns = 0;    // by the sender's clock: for the sender alone
    std::uint32_t checksum = 0;  // CRC32C of the payload
    std::vector<std::byte> payload;
};

// The sending ends; what was counted follows.
struct drill_end {
    std::uint64_t drill = 0;
};

// What a participant has received of one sender.
struct sender_book {
    std::uint32_t node_id = 0;
    std::uint64_t received = 0;
    std::uint64_t lost = 0;
    std::uint64_t duplicated = 0;
    std::uint64_t reordered = 0;
    std::uint64_t corrupt = 0;
    bool is_complete = false;  // its last message came
    std::uint64_t longest_gap_us = 0;
};
// From the sending of an own message to its delivery in the order of all: before the cut, from the
// cut until shortly after knet has noticed, then on the ring, and after it.
inline constexpr std::size_t latency_parts = 4;
struct part_latency {
    std::uint64_t messages = 0;
    std::uint64_t us_p50 = 0;
    std::uint64_t us_p99 = 0;
    std::uint64_t us_max = 0;
};
struct drill_report {
    std::uint64_t drill = 0;
    std::string name;
    std::vector<sender_book> senders;
    std::vector<part_latency> latency;  // of the three parts
    std::uint32_t quorum_losses = 0;    // since the drill began
    std::uint32_t membership_changes = 0;
    std::uint32_t ring_losses = 0;
    std::optional<std::uint32_t> detected_ms;  // the network was gone until that was recognised
    std::optional<std::uint32_t> back_ms;      // the network was given back until it was recognised
    std::string problem;                       // with taking the network away
};

using group_message =
    std::variant<view_request, view, drill_begin, drill_phase, drill_data, drill_end, drill_report>;

// Lists and texts that are too long are cut.
std::vector<std::byte> encode(const group_message& message);
std::optional<group_message> decode(std::span<const std::byte> bytes);

}  // namespace diskhb::watch
