// SPDX-License-Identifier: BSD-3-Clause
// diskhb dump: what the nodes last wrote, for a volume with or without daemons at work.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/slot_report.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"
#include "tools/volume_access.hpp"
#include "tools/volume_json.hpp"

namespace diskhb::tools {
namespace {

// Batches listed for each node as text when no node was asked for; JSON has them all.
constexpr std::size_t batches_shown = 4;

struct dump_command {
    std::string path;
    unsigned node = 0;  // 0: all
    bool json = false;
};

void check_node(const dump_command& command, const format::geometry& measures) {
    if (command.node > measures.slots) {
        throw setup_error(exit_usage, fmt::format("--node {}: {} has slots for nodes 1 to {}",
                                                  command.node, command.path, measures.slots));
    }
}

std::vector<slot_report> gather(const dump_command& command, const io::opened_volume& volume) {
    const auto& measures = volume.superblock.measures;
    check_node(command, measures);
    volume_reader tables(command.path, *volume.device, measures.table_bytes());
    volume_reader rings(command.path, *volume.device, measures.ring_bytes);
    // One look at all nodes, then the rings that it speaks of.
    const auto table = tables.read(measures.table_offset(), measures.table_bytes());
    std::vector<slot_report> reports;
    for (format::slot_index slot = 0; slot < measures.slots; ++slot) {
        if (command.node != 0 && command.node != slot + 1U) {
            continue;
        }
        const auto block =
            table.subspan(std::size_t{slot} * measures.block_bytes, measures.block_bytes);
        auto report = report_table(block, volume.superblock, slot);
        if (!report.table_error && report.header.head != report.header.tail) {
            report_ring(report, rings.read(measures.ring_offset(slot), measures.ring_bytes),
                        volume.superblock);
        }
        reports.push_back(std::move(report));
    }
    return reports;
}

void print_acknowledgements(const slot_report& report) {
    for (std::size_t peer = 0; peer < report.acknowledgements.size(); ++peer) {
        const auto& each = report.acknowledgements[peer];
        if (each.incarnation != 0) {
            fmt::print(
                "    has read node {:<3}  incarnation {}  frames before {}  messages before {}  "
                "beat {}\n",
                peer + 1, incarnation_text(each.incarnation), each.read_sequence,
                each.message_sequence, each.beat);
        }
    }
}

void print_batches(const slot_report& report, bool all) {
    const std::size_t count = report.batches.size();
    const std::size_t hidden = all ? 0 : count - std::min(count, batches_shown);
    if (hidden > 0) {
        fmt::print("    {} earlier batches (--node {} lists them)\n", hidden, report.slot + 1U);
    }
    for (std::size_t index = hidden; index < count; ++index) {
        const auto& each = report.batches[index];
        const std::string what = each.frames == 0
                                     ? std::string("padding")
                                     : fmt::format("frames {} .. {}", each.first_sequence,
                                                   each.first_sequence + each.frames - 1);
        fmt::print("    batch at {:<12}  {:>8}  {}\n", each.position, size_text(each.length_bytes),
                   what);
    }
    for (const auto& [kind, blocks] : report.invalid) {
        fmt::print("    {}\n", in_colour(colour::bad, fmt::format("{} blocks {}", blocks, kind)));
    }
}

void print_slot(const slot_report& report, bool all) {
    const auto& header = report.header;
    if (report.table_error) {
        const auto state = block_state_text(report.table_error);
        fmt::print("node {:<3}  {}\n", report.slot + 1U,
                   report.table_error == errc::empty_block ? std::string("never seen")
                                                           : in_colour(colour::bad, state));
        return;
    }
    const bool running = header.state == format::node_state::running;
    fmt::print("node {:<3}  {}  incarnation {}  beat {}\n", report.slot + 1U,
               in_colour(running ? colour::good : colour::bold, node_state_text(header.state)),
               incarnation_text(header.incarnation), header.sequence);
    fmt::print("    log at {} .. {}, frames {} .. {}, then {} inline\n", header.tail, header.head,
               header.tail_sequence, header.head_sequence, report.inline_frames.size());
    print_acknowledgements(report);
    for (const auto& each : report.inline_frames) {
        fmt::print("    inline {} to {}, {} B\n", frame_kind_text(each.kind),
                   destination_text(each.destination), each.length_bytes);
    }
    print_batches(report, all);
}

void print_text(const dump_command& command, const std::vector<slot_report>& reports) {
    std::size_t never_seen = 0;
    for (const auto& each : reports) {
        const bool is_empty = each.table_error == errc::empty_block;
        if (command.node == 0 && is_empty) {
            ++never_seen;
        } else {
            print_slot(each, command.node != 0);
        }
    }
    if (never_seen > 0) {
        fmt::print("{} slots never used\n", never_seen);
    }
}

int run_dump(const dump_command& command) {
    const auto volume = open_for_reading(command.path);
    const auto reports = gather(command, volume);
    if (command.json) {
        nlohmann::ordered_json json = {{"volume", printable(command.path)}};
        json.update(superblock_json(volume.superblock));
        json["nodes"] = nlohmann::ordered_json::array();
        for (const auto& each : reports) {
            json["nodes"].push_back(to_json(each));
        }
        fmt::print("{}\n", json.dump(2));
    } else {
        print_text(command, reports);
    }
    return exit_ok;
}

}  // namespace

verb add_dump(CLI::App& app) {
    auto options = std::make_shared<dump_command>();
    CLI::App* const command =
        app.add_subcommand("dump", "Show what the nodes last wrote, with or without a daemon");
    command->add_option("VOLUME", options->path, "a block device or a file")->required();
    command->add_option("--node", options->node, "only this node id, with all of its batches")
        ->check(CLI::PositiveNumber);
    command->add_flag("--json", options->json, "print JSON");
    return {command, [options] { return run_dump(*options); }};
}

}  // namespace diskhb::tools
