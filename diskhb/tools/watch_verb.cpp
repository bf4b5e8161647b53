// SPDX-License-Identifier: BSD-3-Clause
// diskhb watch: says within a fraction of a second what the cluster runs on.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>

#include "plugin/daemon/process.hpp"
#include "plugin/watch/event_hook.hpp"
#include "plugin/watch/event_text.hpp"
#include "tools/cluster_session.hpp"
#include "tools/verbs.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;

struct watch_command {
    std::string config = daemon::config_path_default;
    std::string socket = control_socket_default;
    std::string hook;
    unsigned hook_timeout_s = 10;
    unsigned interval_ms = 100;
    bool serve = false;
    bool no_cut = false;
    bool json = false;
};

class watcher {
  public:
    explicit watcher(const watch_command& command)
        : command_(command), session_(options_of(command), handlers()) {
        if (!command.hook.empty()) {
            hook_.emplace(session_.loop(), command.hook,
                          std::chrono::seconds(command.hook_timeout_s),
                          [](const std::string& problem) { complain(problem); });
        }
    }

    int run() {
        // Corosync may come later.
        daemon::notify_ready("watching");
        session_.run();
        daemon::notify_stopping();
        return exit_code_;
    }

  private:
    static cluster_session::options options_of(const watch_command& command) {
        cluster_session::options how;
        how.config = command.config;
        how.socket = command.socket;
        how.poll_interval = std::chrono::milliseconds(command.interval_ms);
        how.in_group = how.serves = command.serve;
        how.may_cut = command.serve && !command.no_cut;
        return how;
    }

    cluster_session::handlers handlers() {
        cluster_session::handlers call;
        call.on_event = [this](const auto& event) { tell(event); };
        call.group.on_deed = [this](const auto& deed) { tell_deed(deed); };
        return call;
    }

    static void complain(const std::string& problem) {
        fmt::print(stderr, "diskhb: {}\n", problem);
    }

    void tell(const corosync::interconnect_event& event) {
        const auto at = std::chrono::system_clock::now();
        const auto& state = session_.state();
        const auto& names = session_.names();
        print(at, watch::event_text(event, state, names),
              watch::event_json(event, state, names, at));
        if (hook_) {
            hook_->run(watch::event_environment(event, state, names, at));
        }
    }

    void tell_deed(const std::string& deed) {
        const auto at = std::chrono::system_clock::now();
        print(at, "drill: " + deed,
              {{"event", "drill"}, {"time", watch::time_text(at)}, {"text", deed}});
    }

    void print(watch::wall_time at, const std::string& text, const json& value) {
        if (command_.json) {
            fmt::print("{}\n", value.dump(-1, ' ', false, json::error_handler_t::replace));
        } else {
            fmt::print("{} {}\n", watch::time_text(at), text);
        }
        // Whoever reads a pipe wants to know now, and without a reader there is nothing to do.
        if (std::fflush(stdout) != 0) {
            exit_code_ = exit_failed;
            session_.stop();
        }
    }

    watch_command command_;
    cluster_session session_;
    std::optional<watch::event_hook> hook_;
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
    auto* const serve = command->add_flag(
        "--serve", options->serve, "answer status --cluster, and take part in drills of others");
    command
        ->add_flag("--no-cut", options->no_cut,
                   "with --serve: never take this node's network away, whatever a drill asks for")
        ->needs(serve);
    command->add_option("--socket", options->socket, "the control socket of diskhbd")
        ->capture_default_str();
    command->add_flag("--json", options->json, "a line of JSON for each event");
    return {command, [options] { return run_watch(*options); }};
}

}  // namespace diskhb::tools
