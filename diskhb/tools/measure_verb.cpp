// SPDX-License-Identifier: BSD-3-Clause
// diskhb measure: what the volume takes for a read and a write, the timers of knet and totem that
// follow, and what is unsafe in those of the present corosync.conf. Of a ring between two sites the
// running diskhbd tells how long the copies take.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "diskhb/copy.hpp"
#include "diskhb/node.hpp"
#include "plugin/corosync/timer_advice.hpp"
#include "tools/copy_lag.hpp"
#include "tools/interrupt.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"
#include "tools/volume_meter.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;
using corosync::timer_warning;

constexpr const char* conf_path_default = "/etc/corosync/corosync.conf";

struct measure_command {
    std::string path;
    std::string conf_path;  // empty: the default, if it is there
    std::string socket = control_socket_default;
    unsigned seconds = 10;
    unsigned link = 1;
    unsigned nodes = 0;  // 0: as many as corosync.conf lists, or as the volume has slots
    bool read_only = false;
    bool json = false;
};

struct findings {
    volume_times volume;
    bool write_assumed = false;
    std::optional<copy_lag> copies;  // if the ring has receive volumes
    unsigned nodes = 0;
    corosync::ring_times ring;
    corosync::timers advised;
    std::string conf_path;  // empty: none was looked at
    std::vector<timer_warning> warnings;
};

// A bar on a terminal once it lasts; the measuring ends early when it is interrupted.
class progress_bar {
  public:
    explicit progress_bar(std::chrono::milliseconds all) : all_(all) { catch_signals({SIGINT}); }
    ~progress_bar() {
        if (shown_) {
            fmt::print(stderr, "\r{:60}\r", "");
        }
    }
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;

    bool show(std::chrono::milliseconds passed) {
        constexpr std::chrono::seconds worth_it{2};
        constexpr int width = 40;
        if (on_terminal_ && all_ > worth_it) {
            const auto done = static_cast<int>(width * passed / all_);
            fmt::print(stderr, "\rmeasuring [{:<{}}] {:>3} s",
                       std::string(static_cast<std::size_t>(done), '#'), width,
                       (all_ - passed).count() / 1000 + 1);
            (void)std::fflush(stderr);
            shown_ = true;
        }
        return !interrupted;
    }

  private:
    const std::chrono::milliseconds all_;
    const bool on_terminal_ = isatty(STDERR_FILENO) == 1;
    bool shown_ = false;
};

std::optional<corosync::corosync_conf> read_conf(const measure_command& command) {
    if (!command.conf_path.empty()) {
        return corosync::read_corosync_conf(command.conf_path);
    }
    if (access(conf_path_default, F_OK) != 0) {
        return std::nullopt;
    }
    return corosync::read_corosync_conf(conf_path_default);
}

findings gather(const measure_command& command) {
    const auto conf = read_conf(command);  // first: its errors need no measuring
    findings found;
    {
        progress_bar bar{std::chrono::seconds(command.seconds)};
        found.volume =
            measure_volume({command.path, std::chrono::seconds(command.seconds), command.read_only,
                            [&](auto passed) { return bar.show(passed); }});
    }
    const auto listed = conf ? static_cast<unsigned>(conf->nodes.size()) : 0U;
    found.nodes = command.nodes != 0 ? command.nodes
                  : listed >= 2      ? listed
                                     : found.volume.volume.measures.slots;
    // Writes that were not measured are taken to be slower than reads, as they mostly are.
    constexpr double write_to_read = 3;
    found.write_assumed = !found.volume.write;
    const auto& read = found.volume.read;
    const double factor = found.write_assumed ? write_to_read : 1;
    const auto& write = found.volume.write ? *found.volume.write : read;
    const auto poll_idle_us = static_cast<std::uint64_t>(
        std::chrono::microseconds(
            std::chrono::duration_cast<std::chrono::microseconds>(node_options().poll_idle))
            .count());
    const auto one_way = [&](double write_us, double read_us) {
        return corosync::one_way_us(static_cast<std::uint64_t>(factor * write_us),
                                    static_cast<std::uint64_t>(read_us), poll_idle_us);
    };
    found.ring = {one_way(write.p999_us, read.p999_us), one_way(write.max_us, read.max_us)};
    // What rests on the ordinary lag is made of round trips, so half of one is one way; what rests
    // on the longest may have been spent on one way alone.
    found.copies = ask_copy_lag(command.socket, command.path);
    if (found.copies) {
        auto& ring = found.ring;
        ring.one_way_us_p999 = std::max(ring.one_way_us_p999, found.copies->us_p99 / 2);
        ring.one_way_us_max = std::max(ring.one_way_us_max, found.copies->us_max);
    }
    found.advised = corosync::advise_timers(found.ring, found.nodes);
    if (conf) {
        found.conf_path = conf->path;
        found.warnings = corosync::check_timers(*conf, command.link, found.ring, found.advised);
    }
    return found;
}

json times_json(const io_times& times) {
    return {{"count", times.count},
            {"p50", times.p50_us},
            {"p99", times.p99_us},
            {"p999", times.p999_us},
            {"max", times.max_us}};
}

const char* severity_text(const timer_warning& warning) {
    return warning.how_bad == timer_warning::severity::unsafe ? "unsafe" : "advice";
}

json copies_json(const copy_lag& copies) {
    return {{"ring", copies.ring},
            {"nodes", copies.nodes},
            {"unheard", copies.unheard},
            {"lag_us", {{"p99", copies.us_p99}, {"max", copies.us_max}}}};
}

void print_json(const measure_command& command, const findings& found) {
    const auto& advised = found.advised;
    json report{
        {"volume", printable(command.path)},
        {"cluster_name", printable(found.volume.volume.cluster_name)},
        {"nodes", found.nodes},
        {"read_us", times_json(found.volume.read)},
        {"write_us", found.volume.write ? times_json(*found.volume.write) : json()},
        {"write_assumed", found.write_assumed},
        {"copies", found.copies ? copies_json(*found.copies) : json()},
        {"one_way_us", {{"p999", found.ring.one_way_us_p999}, {"max", found.ring.one_way_us_max}}}};
    report["timers"] = {
        {"token", advised.token_ms},
        {"token_retransmits_before_loss_const", advised.token_retransmits_before_loss},
        {"join", advised.join_ms},
        {"network",
         {{"knet_ping_interval", advised.network_ping_interval_ms},
          {"knet_ping_timeout", advised.network_ping_timeout_ms},
          {"knet_pong_count", advised.pong_count}}},
        {"ring",
         {{"knet_ping_interval", advised.ring_ping_interval_ms},
          {"knet_ping_timeout", advised.ring_ping_timeout_ms},
          {"knet_pong_count", advised.pong_count}}},
        {"survived_stall_ms", advised.survived_stall_ms},
        {"node_death_ms", advised.node_death_ms}};
    report["corosync_conf"] = found.conf_path.empty() ? json() : json(printable(found.conf_path));
    report["warnings"] = json::array();
    for (const auto& each : found.warnings) {
        report["warnings"].push_back({{"severity", severity_text(each)},
                                      {"key", each.key},
                                      {"value", each.value},
                                      {"problem", each.problem},
                                      {"fix", each.fix}});
    }
    fmt::print("{}\n", report.dump(2, ' ', false, json::error_handler_t::replace));
}

void print_times(const findings& found) {
    const auto line = [](const char* name, const io_times& times) {
        fmt::print("{:<16}{:>10.0f}{:>10.0f}{:>10.0f}{:>10.0f}{:>10}\n", name, times.p50_us,
                   times.p99_us, times.p999_us, times.max_us, times.count);
    };
    fmt::print("{:<16}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "microseconds", "p50", "p99", "p99.9",
               "max", "count");
    line("read the table", found.volume.read);
    if (found.volume.write) {
        line("write a block", *found.volume.write);
    } else {
        fmt::print(
            "write a block   not measured, taken as 3 reads (leave out --read-only: it "
            "writes to a\n                block that belongs to nobody, and harms no "
            "cluster)\n");
    }
    if (found.copies) {
        fmt::print("to nodes {} and back by copies: {:.1f} ms (p99), {:.1f} ms (max)\n",
                   fmt::join(found.copies->nodes, ", "),
                   static_cast<double>(found.copies->us_p99) / 1000,
                   static_cast<double>(found.copies->us_max) / 1000);
    }
    if (found.copies && !found.copies->unheard.empty()) {
        fmt::print("{}\n",
                   in_colour(colour::bad,
                             fmt::format("nodes {} have acknowledged nothing yet: what follows "
                                         "does not know of their copies",
                                         fmt::join(found.copies->unheard, ", "))));
    }
    fmt::print("one way over the ring, from idle: {:.1f} ms (p99.9), {:.1f} ms (max)\n",
               static_cast<double>(found.ring.one_way_us_p999) / 1000,
               static_cast<double>(found.ring.one_way_us_max) / 1000);
}

void print_timers(const measure_command& command, const findings& found) {
    const auto& advised = found.advised;
    fmt::print("\n{}\n",
               in_colour(colour::bold, fmt::format("corosync.conf for {} nodes", found.nodes)));
    fmt::print(
        "totem {{\n    link_mode: passive\n    token: {}\n"
        "    token_retransmits_before_loss_const: {}\n    join: {}\n",
        advised.token_ms, advised.token_retransmits_before_loss, advised.join_ms);
    const auto interface = [&](const std::string& number, unsigned priority,
                               std::uint32_t interval_ms, std::uint32_t timeout_ms) {
        fmt::print(
            "    interface {{\n        linknumber: {}\n        knet_link_priority: {}\n"
            "        knet_ping_interval: {}\n        knet_ping_timeout: {}\n"
            "        knet_pong_count: {}\n    }}\n",
            number, priority, interval_ms, timeout_ms, advised.pong_count);
    };
    interface(command.link == 0 ? "1" : "0", 10, advised.network_ping_interval_ms,
              advised.network_ping_timeout_ms);
    interface(std::to_string(command.link), 1, advised.ring_ping_interval_ms,
              advised.ring_ping_timeout_ms);
    fmt::print(
        "}}\nOn the ring alone it survives stalls of the volume of {:.1f} s; a dead node is "
        "given up after {:.1f} s.\n",
        advised.survived_stall_ms / 1000.0, advised.node_death_ms / 1000.0);
}

void print_warnings(const measure_command& command, const findings& found) {
    if (found.conf_path.empty()) {
        fmt::print("\nThere is no {}: name one with --corosync to have it checked.\n",
                   conf_path_default);
        return;
    }
    fmt::print(
        "\n{}: {}\n", printable(found.conf_path),
        found.warnings.empty()
            ? in_colour(colour::good, fmt::format("safe with the ring on link {}", command.link))
            : fmt::format("with the ring on link {}", command.link));
    for (const auto& each : found.warnings) {
        const bool unsafe = each.how_bad == timer_warning::severity::unsafe;
        fmt::print("  {} {}, {}: {}\n         fix: {}\n",
                   in_colour(unsafe ? colour::bad : colour::bold, unsafe ? "UNSAFE" : "advice"),
                   each.key, printable(each.value), each.problem, each.fix);
    }
}

int run_measure(const measure_command& command) {
    const auto found = gather(command);
    if (command.json) {
        print_json(command, found);
        return exit_ok;
    }
    fmt::print("volume {}, cluster {}\n\n", printable(command.path),
               in_colour(colour::bold, printable(found.volume.volume.cluster_name)));
    print_times(found);
    print_timers(command, found);
    print_warnings(command, found);
    return exit_ok;
}

}  // namespace

verb add_measure(CLI::App& app) {
    auto options = std::make_shared<measure_command>();
    CLI::App* const command = app.add_subcommand(
        "measure", "Time the volume's reads and writes, and check corosync.conf against them");
    command->add_option("VOLUME", options->path, "a block device or a file")->required();
    command->add_option("--seconds", options->seconds, "how long to measure")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    command->add_flag("--read-only", options->read_only, "time no writes");
    command->add_option("--corosync", options->conf_path,
                        fmt::format("the file to check (default: {})", conf_path_default));
    command->add_option("--link", options->link, "Corosync's number of the ring's link")
        ->check(CLI::Range(0, 7))
        ->capture_default_str();
    command->add_option("--nodes", options->nodes, "nodes of the cluster (default: as listed)")
        ->check(CLI::Range(2, 128));
    command
        ->add_option("--socket", options->socket,
                     "the control socket of diskhbd, which knows the copies' lag")
        ->capture_default_str();
    command->add_flag("--json", options->json, "print JSON");
    return {command, [options] { return run_measure(*options); }};
}

}  // namespace diskhb::tools
