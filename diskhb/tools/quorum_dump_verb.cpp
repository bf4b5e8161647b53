// SPDX-License-Identifier: BSD-3-Clause
// diskhb quorum dump: the quorum table of each volume, with or without a daemon at work.
#include <fmt/format.h>

#include <memory>

#include "tools/quorum_commands.hpp"
#include "tools/quorum_report.hpp"
#include "tools/text.hpp"
#include "tools/volume_access.hpp"
#include "tools/volume_json.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

struct quorum_dump_command {
    std::vector<std::string> paths;
    bool json = false;
};

struct quorum_volume_report {
    std::string path;
    std::string error;  // empty: the fields below are known
    int exit_code = exit_ok;
    format::superblock content;
    std::vector<quorum_slot_report> slots;
};

// One look at the table. A volume that cannot be read does not keep the others from being shown.
quorum_volume_report look_at_volume(const std::string& path) {
    quorum_volume_report report;
    report.path = path;
    try {
        const auto volume = open_for_reading(path);
        report.content = volume.superblock;
        report.slots = read_quorum_table(path, volume);
    } catch (const setup_error& problem) {
        report.error = problem.what();
        report.exit_code = problem.exit_code();
    }
    return report;
}

json to_json(const quorum_volume_report& report) {
    json content = {{"volume", printable(report.path)}};
    if (!report.error.empty()) {
        content["error"] = printable(report.error);
        return content;
    }
    content.update(superblock_json(report.content));
    content["nodes"] = json::array();
    for (const auto& each : report.slots) {
        content["nodes"].push_back(tools::to_json(each));
    }
    return content;
}

void print_text(const quorum_volume_report& report) {
    fmt::print("volume {} of cluster {}\n", printable(report.path),
               in_colour(colour::bold, printable(report.content.cluster_name)));
    std::size_t never_seen = 0;
    for (const auto& each : report.slots) {
        if (each.error == errc::empty_block) {
            ++never_seen;
            continue;
        }
        for (const auto& line : to_lines(each)) {
            fmt::print("{}\n", line);
        }
    }
    if (never_seen > 0) {
        fmt::print("{} slots never used\n", never_seen);
    }
}

int run_quorum_dump(const quorum_dump_command& command) {
    int exit_code = exit_ok;
    auto volumes = json::array();
    for (const auto& path : command.paths) {
        const auto report = look_at_volume(path);
        exit_code = exit_code == exit_ok ? report.exit_code : exit_code;
        if (command.json) {
            volumes.push_back(to_json(report));
        } else if (report.error.empty()) {
            print_text(report);
        }
        if (!report.error.empty()) {
            fmt::print(stderr, "diskhb: {}\n", report.error);
        }
    }
    if (command.json) {
        fmt::print("{}\n", json{{"volumes", volumes}}.dump(2));
    }
    return exit_code;
}

}  // namespace

verb add_quorum_dump(CLI::App& quorum) {
    auto options = std::make_shared<quorum_dump_command>();
    CLI::App* const command = quorum.add_subcommand(
        "dump", "Show what the nodes last wrote to the quorum table, with or without a daemon");
    command->add_option("VOLUME", options->paths, "block devices or files")->required();
    command->add_flag("--json", options->json, "print JSON");
    return {command, [options] { return run_quorum_dump(*options); }};
}

}  // namespace diskhb::tools
