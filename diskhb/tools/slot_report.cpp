// SPDX-License-Identifier: BSD-3-Clause
#include "tools/slot_report.hpp"

#include <algorithm>

#include "tools/volume_json.hpp"

namespace diskhb::tools {
namespace {

std::vector<frame_report> report_frames(std::span<const std::byte> area) {
    std::vector<frame_report> frames;
    format::frame_reader reader(area);
    while (!reader.at_end()) {
        const auto frame = reader.next();
        if (!frame) {
            break;
        }
        frames.push_back(
            {frame->payload.size(), frame->destination, frame->kind, frame->submitted_ns});
    }
    return frames;
}

nlohmann::ordered_json acknowledgements_json(const slot_report& report) {
    auto list = nlohmann::ordered_json::array();
    for (std::size_t peer = 0; peer < report.acknowledgements.size(); ++peer) {
        const auto& each = report.acknowledgements[peer];
        if (each.incarnation != 0) {
            list.push_back({{"node", peer + 1},
                            {"incarnation", incarnation_text(each.incarnation)},
                            {"read_sequence", each.read_sequence},
                            {"message_sequence", each.message_sequence},
                            {"beat", each.beat}});
        }
    }
    return list;
}

nlohmann::ordered_json frames_json(const slot_report& report) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& each : report.inline_frames) {
        list.push_back({{"length_bytes", each.length_bytes},
                        {"destination", destination_text(each.destination)},
                        {"kind", frame_kind_text(each.kind)},
                        {"submitted_ns", each.submitted_ns}});
    }
    return list;
}

nlohmann::ordered_json batches_json(const slot_report& report) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& each : report.batches) {
        list.push_back({{"position", each.position},
                        {"first_sequence", each.first_sequence},
                        {"frames", each.frames},
                        {"length_bytes", each.length_bytes},
                        {"advance_bytes", each.advance_bytes}});
    }
    return list;
}

}  // namespace

slot_report report_table(std::span<const std::byte> block, const format::superblock& volume,
                         format::slot_index slot) {
    slot_report report;
    report.slot = slot;
    const auto decoded = format::decode_table(block, volume.measures, volume.cluster, slot);
    if (!decoded) {
        report.table_error = decoded.error();
        return report;
    }
    report.header = *decoded;
    for (format::slot_index peer = 0; peer < volume.measures.slots; ++peer) {
        report.acknowledgements.push_back(format::acknowledgement_of(*decoded, peer));
    }
    report.inline_frames = report_frames(decoded->inline_frames);
    return report;
}

void report_ring(slot_report& report, std::span<const std::byte> ring,
                 const format::superblock& volume) {
    const std::uint64_t log_bytes = report.header.head - report.header.tail;
    std::uint64_t walked_bytes = 0;
    while (walked_bytes < log_bytes) {
        const std::uint64_t position = report.header.tail + walked_bytes;
        const auto rest = ring.subspan(position & (ring.size() - 1));
        const auto batch = format::decode_batch(
            rest, volume.measures,
            {volume.cluster, report.slot, report.header.incarnation, position});
        if (batch) {
            report.batches.push_back({position, batch->first_sequence, batch->frame_count,
                                      batch->length_bytes, batch->advance_bytes});
            walked_bytes += batch->advance_bytes;
        } else {
            ++report.invalid[block_state_text(batch.error())];
            walked_bytes += volume.measures.block_bytes;
        }
    }
}

const char* node_state_text(format::node_state state) noexcept {
    switch (state) {
        case format::node_state::running:
            return "running";
        case format::node_state::stopped:
            return "stopped";
    }
    return "unknown";
}

const char* frame_kind_text(format::frame_kind kind) noexcept {
    switch (kind) {
        case format::frame_kind::datagram:
            return "datagram";
        case format::frame_kind::message:
            return "message";
        case format::frame_kind::echo_request:
            return "echo_request";
        case format::frame_kind::echo_reply:
            return "echo_reply";
    }
    return "unknown";
}

std::string destination_text(format::slot_index destination) {
    return destination == format::every_slot ? "all" : std::to_string(destination + 1U);
}

nlohmann::ordered_json to_json(const slot_report& report) {
    nlohmann::ordered_json json = {{"node", report.slot + 1U},
                                   {"block", block_state_text(report.table_error)}};
    if (report.table_error) {
        return json;
    }
    const auto& header = report.header;
    json["state"] = node_state_text(header.state);
    json["incarnation"] = incarnation_text(header.incarnation);
    json["beat"] = header.sequence;
    json["clock_ns"] = header.clock_ns;
    json["tail"] = header.tail;
    json["tail_sequence"] = header.tail_sequence;
    json["head"] = header.head;
    json["head_sequence"] = header.head_sequence;
    json["acknowledgements"] = acknowledgements_json(report);
    json["inline_frames"] = frames_json(report);
    json["batches"] = batches_json(report);
    json["invalid"] = report.invalid;
    return json;
}

}  // namespace diskhb::tools
