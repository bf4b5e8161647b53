// SPDX-License-Identifier: BSD-3-Clause
// diskhb info: whose volume it is and how it is laid out.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "format/quorum_block.hpp"
#include "format/table_block.hpp"
#include "tools/device_facts.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"
#include "tools/volume_access.hpp"
#include "tools/volume_json.hpp"

namespace diskhb::tools {
namespace {

struct info_command {
    std::string path;
    bool json = false;
};

struct volume_info {
    format::superblock content;
    std::string first_state;
    std::string copy_state;
    std::uint64_t device_bytes = 0;
    sector_sizes sectors;
    std::vector<std::uint32_t> written_nodes;  // ids of slots that were ever written
    boost::system::error_code unusable;        // why diskhbd would refuse it
};

sector_sizes sectors_of_path(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return {};
    }
    const auto sectors = sectors_of(fd);
    close(fd);
    return sectors;
}

std::vector<std::uint32_t> find_written_nodes(const std::string& path, io::block_device& device,
                                              const format::superblock& content) {
    const auto& measures = content.measures;
    // The tables lie side by side (doc/format.md, "Layout").
    volume_reader reader(path, device, 2 * measures.table_bytes());
    const auto tables = reader.read(measures.table_offset(), 2 * measures.table_bytes());
    const auto block_of = [&](std::size_t table, format::slot_index slot) {
        return tables.subspan(table * measures.table_bytes() + slot * measures.block_bytes,
                              measures.block_bytes);
    };
    const auto is_written = [](const auto& decoded) {
        return decoded || decoded.error() != errc::empty_block;
    };
    std::vector<std::uint32_t> nodes;
    for (format::slot_index slot = 0; slot < measures.slots; ++slot) {
        if (is_written(format::decode_table(block_of(0, slot), measures, content.cluster, slot)) ||
            is_written(format::decode_quorum(block_of(1, slot), measures, content.cluster, slot))) {
            nodes.push_back(slot + 1U);
        }
    }
    return nodes;
}

volume_info gather(const std::string& path) {
    const auto device = open_device(path, io::path_source::access::read_only);
    const auto pair = io::read_superblocks(*device, io_patience);
    if (!pair.best()) {
        throw volume_error(path, pair.best().error());
    }
    volume_info info;
    info.content = *pair.best();
    info.first_state =
        block_state_text(pair.first ? boost::system::error_code() : pair.first.error());
    info.copy_state = block_state_text(pair.copy ? boost::system::error_code() : pair.copy.error());
    if (pair.first && pair.copy && !(*pair.first == *pair.copy)) {
        info.copy_state = "differs";
    }
    info.device_bytes = device->size_bytes();
    info.sectors = sectors_of_path(path);
    info.unusable =
        io::check_superblock(info.content, info.device_bytes, device->block_bytes(), "");
    if (!info.unusable) {
        info.written_nodes = find_written_nodes(path, *device, info.content);
    }
    return info;
}

void print_json(const std::string& path, const volume_info& info) {
    nlohmann::ordered_json report = {{"volume", printable(path)}};
    report.update(superblock_json(info.content));
    report["superblock"] = info.first_state;
    report["superblock_copy"] = info.copy_state;
    report["device_bytes"] = info.device_bytes;
    report["logical_sector_bytes"] = info.sectors.logical_bytes;
    report["physical_sector_bytes"] = info.sectors.physical_bytes;
    report["nodes"] = info.written_nodes;
    report["usable"] = !info.unusable;
    fmt::print("{}\n", report.dump(2));
}

std::string superblock_line(const volume_info& info) {
    if (info.first_state == "ok") {
        return "ok";
    }
    return in_colour(colour::bad, info.first_state + " (the copy is used)");
}

void print_text(const std::string& path, const volume_info& info) {
    const auto& measures = info.content.measures;
    const auto line = [](const char* name, const std::string& value) {
        fmt::print("{:<17}{}\n", name, value);
    };
    line("volume", printable(path));
    line("cluster", in_colour(colour::bold, printable(info.content.cluster_name)));
    line("uuid", format::to_string(info.content.cluster));
    line("formatted", time_text(info.content.formatted_at_s));
    line("superblock", superblock_line(info));
    line("superblock copy",
         info.copy_state == "ok" ? "ok" : in_colour(colour::bad, info.copy_state));
    line("blocks", size_text(measures.block_bytes));
    line("slots", fmt::format("{}, written by node: {}", measures.slots,
                              info.written_nodes.empty()
                                  ? std::string("none")
                                  : fmt::format("{}", fmt::join(info.written_nodes, ", "))));
    line("rings", size_text(measures.ring_bytes));
    line("volume size", fmt::format("{} bytes", measures.volume_bytes));
    line("device size", fmt::format("{} bytes", info.device_bytes));
    if (info.sectors.logical_bytes != 0) {
        line("device sectors",
             fmt::format("{} logical, {} physical", size_text(info.sectors.logical_bytes),
                         size_text(info.sectors.physical_bytes)));
    }
}

int run_info(const info_command& command) {
    const auto info = gather(command.path);
    if (command.json) {
        print_json(command.path, info);
    } else {
        print_text(command.path, info);
    }
    if (info.unusable) {
        throw volume_error(command.path, info.unusable);
    }
    return exit_ok;
}

}  // namespace

verb add_info(CLI::App& app) {
    auto options = std::make_shared<info_command>();
    CLI::App* const command =
        app.add_subcommand("info", "Show whose volume it is and how it is laid out");
    command->add_option("VOLUME", options->path, "a block device or a file")->required();
    command->add_flag("--json", options->json, "print JSON");
    return {command, [options] { return run_info(*options); }};
}

}  // namespace diskhb::tools
