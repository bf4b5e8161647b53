// SPDX-License-Identifier: BSD-3-Clause
// diskhb capture: the packets in the rings of a volume as pcapng, with or without daemons at work.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "plugin/corosync/corosync_conf.hpp"
#include "tools/capture_file.hpp"
#include "tools/interrupt.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"
#include "tools/volume_access.hpp"
#include "tools/volume_json.hpp"

namespace diskhb::tools {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

// How long nodes are watched for a new beat, to see how far their clocks are from ours; the longest
// interval between two beats that the ring's peer_timeout leaves room for by default.
constexpr auto watch_time = 400ms;
constexpr auto watch_interval = 2ms;
// A live capture looks as often as an idle node does.
constexpr auto live_interval = 10ms;
constexpr const char* corosync_conf_default = "/etc/corosync/corosync.conf";

struct capture_command {
    std::string path;
    std::string output;
    std::vector<std::string> nodes;  // ids or names; empty: all
    std::vector<std::uint32_t> here;
    std::string corosync_conf;
    bool live = false;
    bool json = false;
    std::uint64_t count = 0;  // 0: no end
    double duration_s = 0;    // 0: no end
};

std::int64_t clock_ns(clockid_t which) {
    timespec now{};
    clock_gettime(which, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The clock of all nodes' engines is CLOCK_BOOTTIME and 1 ns (engine/clock.cpp).
std::int64_t host_offset_ns() { return clock_ns(CLOCK_REALTIME) - (clock_ns(CLOCK_BOOTTIME) + 1); }

class capture {
  public:
    explicit capture(const capture_command& command)
        : command_(command),
          volume_(open_for_reading(command.path)),
          tables_(command.path, *volume_.device, measures().table_bytes()),
          rings_(command.path, *volume_.device, measures().ring_bytes) {
        read_names();
        choose_slots();
    }

    int run() {
        read_clocks();
        capture_file file(command_.output, command_.path, volume_.superblock.cluster_name);
        if (command_.live) {
            follow(file);
        } else {
            snapshot(file);
        }
        file.finish();
        report(file);
        return file.missing() == 0 && problems_.empty() ? exit_ok : exit_failed;
    }

  private:
    const format::geometry& measures() const { return volume_.superblock.measures; }
    std::span<const std::byte> read_table() {
        return tables_.read(measures().table_offset(), measures().table_bytes());
    }
    std::span<const std::byte> block_of(std::span<const std::byte> table,
                                        format::slot_index slot) const {
        return table.subspan(std::size_t{slot} * measures().block_bytes, measures().block_bytes);
    }

    void read_names();
    void choose_slots();
    void read_clocks();
    void snapshot(capture_file& file);
    void follow(capture_file& file);
    bool follow_slot(capture_file& file, slot_follower& of, format::slot_index slot,
                     std::span<const std::byte> table);
    bool is_over(const capture_file& file, steady::time_point begin) const;
    void report(const capture_file& file) const;
    std::string name_of(format::slot_index slot) const {
        const auto found = names_.find(slot + 1U);
        return found == names_.end() ? fmt::format("node{}", slot + 1U) : found->second;
    }

    const capture_command& command_;
    io::opened_volume volume_;
    volume_reader tables_;
    volume_reader rings_;
    std::map<std::uint32_t, std::string> names_;  // by node id
    std::set<std::uint32_t> here_;                // nodes with this host's clock
    std::vector<format::slot_index> slots_;
    std::map<format::slot_index, node_clock> clocks_;
    std::map<format::slot_index, std::size_t> live_interfaces_;  // of the present life
    nlohmann::ordered_json problems_ = nlohmann::ordered_json::array();
    std::string problems_text_;
};

// Names are a help, so a file that is not there or of another cluster is none; one that was asked
// for must be right.
void capture::read_names() {
    here_.insert(command_.here.begin(), command_.here.end());
    const bool is_asked = !command_.corosync_conf.empty();
    try {
        const auto conf =
            corosync::read_corosync_conf(is_asked ? command_.corosync_conf : corosync_conf_default);
        if (conf.totem.cluster_name != volume_.superblock.cluster_name) {
            if (is_asked) {
                throw setup_error(exit_cluster,
                                  fmt::format("{} is of cluster {}, the volume of {}",
                                              command_.corosync_conf, conf.totem.cluster_name,
                                              printable(volume_.superblock.cluster_name)));
            }
            return;
        }
        for (const auto& node : conf.nodes) {
            if (!node.name.empty()) {
                names_[node.node_id] = node.name;
            }
        }
        const auto* const local = corosync::find_local_node(conf, corosync::read_host_identity());
        if (local != nullptr && here_.empty()) {
            here_.insert(local->node_id);
        }
    } catch (const setup_error&) {
        if (is_asked) {
            throw;
        }
    }
}

void capture::choose_slots() {
    for (const auto& wanted : command_.nodes) {
        auto id = std::find_if(names_.begin(), names_.end(),
                               [&](const auto& each) { return each.second == wanted; });
        std::uint32_t number = id == names_.end() ? 0 : id->first;
        if (number == 0 && wanted.size() < 6 &&
            std::all_of(wanted.begin(), wanted.end(),
                        [](char c) { return c >= '0' && c <= '9'; })) {
            number = static_cast<std::uint32_t>(std::stoul("0" + wanted));
        }
        if (number == 0 || number > measures().slots) {
            throw setup_error(exit_usage,
                              fmt::format("--node {}: no name of corosync.conf, and no id of {}, "
                                          "which has slots for nodes 1 to {}",
                                          printable(wanted), command_.path, measures().slots));
        }
        slots_.push_back(static_cast<format::slot_index>(number - 1));
    }
    if (command_.nodes.empty()) {
        for (format::slot_index slot = 0; slot < measures().slots; ++slot) {
            slots_.push_back(slot);
        }
    }
}

// Watches the beats: a block that is new was encoded since our last look.
void capture::read_clocks() {
    std::map<format::slot_index, std::uint64_t> beats;
    std::set<format::slot_index> unseen;
    const auto end = steady::now() + watch_time;
    bool is_first = true;
    do {
        const auto before = clock_ns(CLOCK_REALTIME);
        const auto table = read_table();
        for (const auto slot : slots_) {
            const auto decoded = format::decode_table(block_of(table, slot), measures(),
                                                      volume_.superblock.cluster, slot);
            if (!decoded) {
                continue;
            }
            if (here_.count(slot + 1U) != 0) {
                clocks_[slot] = {node_clock::source::host, host_offset_ns()};
            } else if (is_first) {
                beats[slot] = decoded->sequence;
                unseen.insert(slot);
            } else if (beats[slot] != decoded->sequence) {
                const auto offset = before - static_cast<std::int64_t>(decoded->clock_ns);
                auto& known = clocks_[slot];
                // The least delay between writing and reading is the nearest to the truth.
                known.offset_ns = known.known_by == node_clock::source::unknown
                                      ? offset
                                      : std::min(known.offset_ns, offset);
                known.known_by = node_clock::source::observed;
                beats[slot] = decoded->sequence;
            }
        }
        is_first = false;
        std::this_thread::sleep_for(watch_interval);
    } while (!unseen.empty() && steady::now() < end && !interrupted);
}

void capture::snapshot(capture_file& file) {
    struct found {
        std::uint64_t time_ns;
        std::size_t interface;
        captured_frame frame;
    };
    std::vector<found> all;
    const auto table = read_table();
    const std::vector<std::byte> kept_table(table.begin(), table.end());
    for (const auto slot : slots_) {
        const auto block = block_of(kept_table, slot);
        if (command_.nodes.empty() && format::peek_stamp(block) == format::block_stamp()) {
            continue;  // never used; its ring may be large
        }
        const auto& clock = clocks_[slot];
        auto captured =
            capture_slot(block, rings_.read(measures().ring_offset(slot), measures().ring_bytes),
                         volume_.superblock, slot);
        if (captured.table_error && captured.table_error != errc::empty_block) {
            problems_.push_back(
                {{"node", slot + 1U}, {"table_block", block_state_text(captured.table_error)}});
            problems_text_ += fmt::format("{}: its table block is {}\n", name_of(slot),
                                          block_state_text(captured.table_error));
        }
        for (auto& life : captured.lives) {
            const auto name = life.is_latest
                                  ? name_of(slot)
                                  : fmt::format("{}/{}", name_of(slot),
                                                incarnation_text(life.incarnation).substr(0, 8));
            const auto number = file.open_interface({slot + 1U, name, life.incarnation, clock});
            std::uint64_t told = 0;
            for (auto& frame : life.frames) {
                told += frame.missing_before;
                const auto time_ns =
                    frame.submitted_ns + static_cast<std::uint64_t>(clock.offset_ns);
                all.push_back({time_ns, number, std::move(frame)});
            }
            file.note_missing(number, life.missing - told);
        }
    }
    std::stable_sort(all.begin(), all.end(), [](const found& left, const found& right) {
        return left.time_ns < right.time_ns;
    });
    const auto first =
        command_.count == 0 ? 0 : all.size() - std::min<std::size_t>(all.size(), command_.count);
    for (auto i = first; i < all.size(); ++i) {
        file.add(all[i].interface, all[i].frame);
    }
}

bool capture::is_over(const capture_file& file, steady::time_point begin) const {
    const std::chrono::duration<double> passed = steady::now() - begin;
    return interrupted || (command_.count != 0 && file.packets() >= command_.count) ||
           (command_.duration_s > 0 && passed.count() >= command_.duration_s);
}

bool capture::follow_slot(capture_file& file, slot_follower& of, format::slot_index slot,
                          std::span<const std::byte> table) {
    const auto before = of.incarnation();
    auto range = of.on_table(block_of(table, slot));
    while (range) {
        range =
            of.on_ring(rings_.read(measures().ring_offset(slot, range->position), range->bytes));
    }
    if (of.incarnation() == 0) {
        return true;
    }
    if (of.incarnation() != before) {
        const auto name = before == 0
                              ? name_of(slot)
                              : fmt::format("{}/{}", name_of(slot),
                                            incarnation_text(of.incarnation()).substr(0, 8));
        live_interfaces_[slot] =
            file.open_interface({slot + 1U, name, of.incarnation(), clocks_[slot]});
    }
    for (const auto& frame : of.take()) {
        file.add(live_interfaces_[slot], frame);
        if (command_.count != 0 && file.packets() >= command_.count) {
            return false;
        }
    }
    return true;
}

void capture::follow(capture_file& file) {
    std::vector<slot_follower> followers;
    for (const auto slot : slots_) {
        followers.emplace_back(volume_.superblock, slot);
    }
    const auto begin = steady::now();
    bool is_first = true;
    while (!is_over(file, begin)) {
        const auto table = read_table();
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            if (!follow_slot(file, followers[i], slots_[i], table)) {
                break;
            }
        }
        file.flush();
        if (is_first) {
            fmt::print(stderr, "diskhb: capturing; Ctrl-C ends it\n");
            is_first = false;
        }
        std::this_thread::sleep_for(live_interval);
    }
}

void capture::report(const capture_file& file) const {
    if (command_.json) {
        nlohmann::ordered_json json = {{"volume", printable(command_.path)},
                                       {"cluster", printable(volume_.superblock.cluster_name)},
                                       {"file", printable(command_.output)},
                                       {"packets", file.packets()},
                                       {"missing", file.missing()}};
        json["interfaces"] = file.report();
        json["problems"] = problems_;
        fmt::print("{}\n", json.dump(2));
        return;
    }
    // Where the packets go to stdout, people are told beside it.
    std::FILE* const where = command_.output == "-" ? stderr : stdout;
    fmt::print(where, "{}{}{} packets in {}{}\n", file.text(), problems_text_, file.packets(),
               printable(command_.output),
               file.missing() == 0 ? std::string()
                                   : fmt::format("; {} frames are missing", file.missing()));
}

int run_capture(const capture_command& command) {
    if (command.json && command.output == "-") {
        throw setup_error(exit_usage, "--json and --write - both want stdout: name a file");
    }
    if (command.output == "-" && isatty(STDOUT_FILENO) != 0) {
        throw setup_error(exit_usage,
                          "--write -: packets do not go to a terminal: name a file or a pipe");
    }
    catch_signals({SIGINT, SIGTERM});
    return capture(command).run();
}

}  // namespace

verb add_capture(CLI::App& app) {
    auto options = std::make_shared<capture_command>();
    CLI::App* const command = app.add_subcommand(
        "capture", "Write the packets in the rings as pcapng, with or without a daemon");
    command->add_option("VOLUME", options->path, "a block device or a file")->required();
    command
        ->add_option("-w,--write", options->output, "the file to write, for Wireshark; -: stdout")
        ->required();
    command->add_option(
        "--node", options->nodes,
        "only what this node wrote (id, or name of corosync.conf); may be repeated");
    command->add_flag("--live", options->live, "what is written from now on, until Ctrl-C");
    command
        ->add_option("-c,--count", options->count,
                     "the last so many frames; with --live: end after so many packets")
        ->check(CLI::PositiveNumber);
    command->add_option("--duration", options->duration_s, "with --live: end after so many seconds")
        ->check(CLI::PositiveNumber);
    command
        ->add_option("--here", options->here,
                     "the id of a node that ran on this host since its boot: its times are exact")
        ->check(CLI::PositiveNumber);
    command->add_option("--corosync-conf", options->corosync_conf,
                        fmt::format("where the names are (default {})", corosync_conf_default));
    command->add_flag("--json", options->json, "print what was captured and what is missing");
    return {command, [options] { return run_capture(*options); }};
}

}  // namespace diskhb::tools
