// SPDX-License-Identifier: BSD-3-Clause
// diskhb watch: says within a fraction of a second what the cluster runs on.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>

#include "plugin/corosync/corosync_client.hpp"
#include "plugin/daemon/cluster_config.hpp"
#include "plugin/daemon/process.hpp"
#include "plugin/watch/event_hook.hpp"
#include "plugin/watch/event_text.hpp"
#include "tools/configured_rings.hpp"
#include "tools/verbs.hpp"

namespace diskhb::tools {
namespace {

namespace asio = boost::asio;
using json = nlohmann::ordered_json;
constexpr std::chrono::milliseconds tick_interval{250};

struct watch_command {
    std::string config = daemon::config_path_default;
    std::string hook;
    unsigned hook_timeout_s = 10;
    unsigned interval_ms = 100;
    bool json = false;
};

class watcher {
  public:
    explicit watcher(const watch_command& command)
        : command_(command),
          state_(links_of(configured_rings(command.config))),
          signals_(loop_, SIGTERM, SIGINT),
          ticks_(loop_) {
        if (!command.hook.empty()) {
            hook_.emplace(loop_, command.hook, std::chrono::seconds(command.hook_timeout_s),
                          [](const std::string& problem) { complain(problem); });
        }
    }

    int run() {
        corosync::corosync_client::options how;
        how.poll_interval = std::chrono::milliseconds(command_.interval_ms);
        corosync::corosync_client::handlers call;
        call.on_input = [this](const auto& input) { take(input); };
        call.on_nodes = [this](const auto& nodes) {
            names_.clear();
            for (const auto& node : nodes) {
                names_[node.node_id] = node.name;
            }
        };
        client_.emplace(loop_, how, std::move(call));
        signals_.async_wait([this](const auto& error, int) {
            if (!error) {
                loop_.stop();
            }
        });
        // Corosync may come later.
        daemon::notify_ready("watching");
        tick();
        loop_.run();
        daemon::notify_stopping();
        return exit_code_;
    }

  private:
    static void complain(const std::string& problem) {
        fmt::print(stderr, "diskhb: {}\n", problem);
    }

    void tick() {
        take(corosync::tick{});
        ticks_.expires_after(tick_interval);
        ticks_.async_wait([this](const auto& error) {
            if (!error) {
                tick();
            }
        });
    }

    void take(const corosync::interconnect_input& input) {
        if (const auto* const gone = std::get_if<corosync::corosync_gone>(&input);
            gone != nullptr && (gone->why == corosync::to_error(CS_ERR_ACCESS) ||
                                gone->why == corosync::to_error(CS_ERR_SECURITY))) {
            complain(fmt::format("Corosync: {}", gone->why.message()));
            exit_code_ = exit_permission;
            loop_.stop();
            return;
        }
        const auto at = std::chrono::system_clock::now();
        for (const auto& event : state_.step(input, std::chrono::steady_clock::now())) {
            tell(event, at);
        }
    }

    void tell(const corosync::interconnect_event& event, watch::wall_time at) {
        const auto& state = state_.state();
        if (command_.json) {
            fmt::print("{}\n", watch::event_json(event, state, names_, at)
                                   .dump(-1, ' ', false, json::error_handler_t::replace));
        } else {
            fmt::print("{} {}\n", watch::time_text(at), watch::event_text(event, state, names_));
        }
        // Whoever reads a pipe wants to know now, and without a reader there is nothing to do.
        if (std::fflush(stdout) != 0) {
            exit_code_ = exit_failed;
            loop_.stop();
        }
        if (hook_) {
            hook_->run(watch::event_environment(event, state, names_, at));
        }
    }

    watch_command command_;
    asio::io_context loop_;
    corosync::interconnect state_;
    watch::node_names names_;
    asio::signal_set signals_;
    asio::steady_timer ticks_;
    std::optional<watch::event_hook> hook_;
    std::optional<corosync::corosync_client> client_;
    int exit_code_ = exit_ok;
};

int run_watch(const watch_command& command) {
    if (!command.hook.empty() &&
        (command.hook.front() != '/' || access(command.hook.c_str(), X_OK) != 0)) {
        throw setup_error(exit_usage,
                          fmt::format("--exec {}: name a program by its absolute path{}{}",
                                      command.hook, command.hook.front() == '/' ? ": " : "",
                                      command.hook.front() == '/' ? std::strerror(errno) : ""));
    }
    if (configured_rings(command.config).empty()) {
        throw setup_error(exit_config, fmt::format("{}: there is no [[ring]]", command.config));
    }
    // A reader of our lines that has gone is seen when we write.
    std::signal(SIGPIPE, SIG_IGN);
    return watcher(command).run();
}

}  // namespace

verb add_watch(CLI::App& app) {
    auto options = std::make_shared<watch_command>();
    CLI::App* const command = app.add_subcommand(
        "watch", "Say within a fraction of a second what the cluster runs on, network or ring");
    command->add_option("--config", options->config, "which of Corosync's links are rings")
        ->capture_default_str();
    command->add_option("--exec", options->hook,
                        "run this program for each event, with DISKHB_EVENT and more in its "
                        "environment");
    command->add_option("--exec-timeout", options->hook_timeout_s, "kill it after so many seconds")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    command->add_option("--interval", options->interval_ms, "how often to ask for the links, in ms")
        ->check(CLI::Range(20, 400))
        ->capture_default_str();
    command->add_flag("--json", options->json, "a line of JSON for each event");
    return {command, [options] { return run_watch(*options); }};
}

}  // namespace diskhb::tools
