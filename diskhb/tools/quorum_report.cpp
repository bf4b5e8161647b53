// SPDX-License-Identifier: BSD-3-Clause
#include "tools/quorum_report.hpp"

#include <fmt/format.h>

#include "plugin/quorum/quorum_status.hpp"
#include "tools/text.hpp"
#include "tools/volume_access.hpp"
#include "tools/volume_json.hpp"

namespace diskhb::tools {

using json = nlohmann::ordered_json;
using format::grant_state;
using format::quorum_block;

namespace {

json grant_json(const quorum_block& block) {
    if (block.granting == grant_state::none) {
        return nullptr;
    }
    return {{"state", name_of(block.granting)},
            {"epoch", block.value.epoch},
            {"ring", quorum::ring_text(block.value.ring)},
            {"members", quorum::nodes_of(block.value.members)},
            {"renewals", block.renewal},
            {"granted_at_ns", block.granted_at_ns},
            {"successor", quorum::ring_text(block.successor)}};
}

json heard_json(const quorum_block& block) {
    json list = json::array();
    for (std::size_t peer = 0; peer < block.echoes.size(); ++peer) {
        const auto& each = block.echoes[peer];
        if (each.incarnation != 0) {
            list.push_back({{"node", peer + 1},
                            {"incarnation", incarnation_text(each.incarnation)},
                            {"sequence", each.sequence}});
        }
    }
    return list;
}

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }

std::string nodes_text(const format::slot_set& slots) {
    return or_none(fmt::format("{}", fmt::join(quorum::nodes_of(slots), " ")));
}

std::string grant_line(const quorum_block& block) {
    std::string line = fmt::format("grant {}: {}, for ring {} of nodes {}", block.value.epoch,
                                   name_of(block.granting), quorum::ring_text(block.value.ring),
                                   nodes_text(block.value.members));
    if (block.granting == grant_state::granted && block.clock_ns >= block.granted_at_ns) {
        line += fmt::format(", held for {:.1f} s, renewed {} times",
                            static_cast<double>(block.clock_ns - block.granted_at_ns) / 1e9,
                            block.renewal);
    }
    if (block.successor.known()) {
        line += fmt::format(", given up to ring {}", quorum::ring_text(block.successor));
    }
    return line;
}

}  // namespace

quorum_slot_report report_quorum_slot(std::span<const std::byte> block,
                                      const format::superblock& volume, format::slot_index slot) {
    quorum_slot_report report;
    report.slot = slot;
    auto decoded = format::decode_quorum(block, volume.measures, volume.cluster, slot);
    if (decoded) {
        report.block = *decoded;
    } else {
        report.error = decoded.error();
    }
    return report;
}

std::vector<quorum_slot_report> read_quorum_table(const std::string& path,
                                                  const io::opened_volume& volume) {
    const auto& measures = volume.superblock.measures;
    volume_reader reader(path, *volume.device, measures.table_bytes());
    const auto table = reader.read(measures.quorum_offset(), measures.table_bytes());
    std::vector<quorum_slot_report> slots;
    for (format::slot_index slot = 0; slot < measures.slots; ++slot) {
        slots.push_back(report_quorum_slot(
            table.subspan(std::size_t{slot} * measures.block_bytes, measures.block_bytes),
            volume.superblock, slot));
    }
    return slots;
}

const char* name_of(format::quorum_state state) noexcept {
    switch (state) {
        case format::quorum_state::starting:
            return "starting";
        case format::quorum_state::running:
            return "running";
        case format::quorum_state::stopped:
            return "stopped";
    }
    return "unknown";
}

const char* name_of(format::heuristics_result result) noexcept {
    switch (result) {
        case format::heuristics_result::off:
            return "off";
        case format::heuristics_result::passed:
            return "passed";
        case format::heuristics_result::failed:
            return "failed";
    }
    return "unknown";
}

const char* name_of(grant_state state) noexcept {
    switch (state) {
        case grant_state::none:
            return "none";
        case grant_state::claimed:
            return "claimed";
        case grant_state::accepted:
            return "accepted";
        case grant_state::granted:
            return "granted";
        case grant_state::revoked:
            return "revoked";
    }
    return "unknown";
}

const char* name_of(format::vote_state state) noexcept {
    switch (state) {
        case format::vote_state::no:
            return "no";
        case format::vote_state::yes:
            return "yes";
        case format::vote_state::undecided:
            return "undecided";
    }
    return "unknown";
}

json to_json(const quorum_slot_report& report) {
    json content = {{"node", report.slot + 1U}, {"block", block_state_text(report.error)}};
    if (report.error) {
        return content;
    }
    const quorum_block& block = report.block;
    content["state"] = name_of(block.state);
    content["incarnation"] = incarnation_text(block.incarnation);
    content["sequence"] = block.sequence;
    content["ready"] = block.ready;
    content["score"] = block.score;
    content["heuristics"] = name_of(block.heuristics);
    content["ring"] = quorum::ring_text(block.ring);
    content["members"] = quorum::nodes_of(block.ring_members);
    content["vote"] = name_of(block.vote);
    content["vote_epoch"] = block.vote_epoch;
    content["grant"] = grant_json(block);
    content["joined"] = block.joined.number;
    content["joined_incarnation"] = incarnation_text(block.joined.incarnation);
    content["accepted"] = block.accepted;
    content["linger_ms"] = block.linger_ms;
    content["clock_ns"] = block.clock_ns;
    content["device_domain"] = incarnation_text(block.device.domain);
    content["device_value"] = incarnation_text(block.device.value);
    content["heard"] = heard_json(block);
    return content;
}

std::vector<std::string> to_lines(const quorum_slot_report& report) {
    const auto name = fmt::format("node {:<3}  ", report.slot + 1U);
    if (report.error) {
        return {name + (report.error == errc::empty_block
                            ? std::string("never seen")
                            : in_colour(colour::bad, block_state_text(report.error)))};
    }
    const quorum_block& block = report.block;
    const bool votes = block.vote == format::vote_state::yes;
    const auto vote = votes ? fmt::format("yes, under grant {}", block.vote_epoch)
                            : std::string(name_of(block.vote));
    std::vector<std::string> lines;
    lines.push_back(fmt::format(
        "{}{}{}  ring {} of nodes {}  vote {}", name,
        in_colour(block.state == format::quorum_state::running ? colour::good : colour::bold,
                  name_of(block.state)),
        block.ready ? "" : in_colour(colour::bad, ", not ready"),
        or_none(quorum::ring_text(block.ring)), nodes_text(block.ring_members),
        votes ? in_colour(colour::good, vote) : vote));
    if (block.granting != grant_state::none) {
        lines.push_back("    " + grant_line(block));
    }
    lines.push_back(fmt::format("    incarnation {}  block {}  has joined ballot {}",
                                incarnation_text(block.incarnation), block.sequence,
                                block.joined.number));
    lines.push_back(
        fmt::format("    score {}  heuristics {}  its vote may outlive a block by {} ms",
                    block.score, name_of(block.heuristics), block.linger_ms));
    std::string heard;
    for (std::size_t peer = 0; peer < block.echoes.size(); ++peer) {
        if (block.echoes[peer].incarnation != 0 && peer != report.slot) {
            heard += fmt::format("  node {} block {}", peer + 1, block.echoes[peer].sequence);
        }
    }
    if (!heard.empty()) {
        lines.push_back("    has read" + heard);
    }
    return lines;
}

}  // namespace diskhb::tools
