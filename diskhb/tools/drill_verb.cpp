// SPDX-License-Identifier: BSD-3-Clause
// diskhb drill: takes the network away from a running cluster for some seconds, and says whether
// the ring has carried it.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "plugin/watch/drill_script.hpp"
#include "plugin/watch/network_cut.hpp"
#include "tools/cluster_session.hpp"
#include "tools/corosync_answer.hpp"
#include "tools/drill_check.hpp"
#include "tools/drill_text.hpp"
#include "tools/pacemaker_health.hpp"
#include "tools/reply_text.hpp"
#include "tools/setup_check.hpp"
#include "tools/verbs.hpp"

namespace diskhb::tools {
namespace {

using json = nlohmann::ordered_json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using steady = std::chrono::steady_clock;

constexpr milliseconds step_interval{20};
constexpr seconds corosync_patience{10};
// All nodes answer at once, after asking their diskhbd, and one round trip.
constexpr milliseconds answer_patience{3500};

struct drill_command {
    std::string config = daemon::config_path_default;
    std::string socket = control_socket_default;
    unsigned seconds = 10;
    unsigned settle_seconds = 12;
    unsigned messages_per_s = 100;
    unsigned message_bytes = 1024;
    bool for_all = false;
    bool check_only = false;
    bool json = false;
    std::vector<std::string> guard;  // we are the guard of a cut
};

std::uint64_t random_number() {
    std::random_device source;
    return (std::uint64_t{source()} << 32) | source();
}

// diskhbd's slowest percent is of its whole life, in which the host may have stood still once. The
// timers are checked with what is usual; how quick the ring is now, each node measures.
json with_usual_latencies(json status) {
    const auto rings = status.find("rings");
    if (rings == status.end() || !rings->is_array()) {
        return status;
    }
    for (auto& ring : *rings) {
        if (ring.is_object()) {
            ring["write_latency_us_p99"] = number_of(ring, "write_latency_us_p50");
            ring["read_latency_us_p99"] = number_of(ring, "read_latency_us_p50");
        }
    }
    return status;
}

class drill_run {
  public:
    explicit drill_run(const drill_command& command)
        : command_(command), session_(options_of(command), handlers()), timer_(session_.loop()) {
        facts_.conf = session_.conf();
        facts_.ring_links = session_.ring_links();
        facts_.limits = limits_of(facts_.conf, facts_.ring_links);
        facts_.for_all = command.for_all;
    }

    int run() {
        say("looking at the cluster");
        facts_.setup = check_files();
        facts_.pacemaker_problem = pacemaker_problem();
        began_ = steady::now();
        step();
        session_.run();
        return exit_code_;
    }

  private:
    static cluster_session::options options_of(const drill_command& command) {
        cluster_session::options how;
        how.config = command.config;
        how.socket = command.socket;
        how.in_group = true;
        how.may_cut = true;
        return how;
    }

    cluster_session::handlers handlers() {
        cluster_session::handlers call;
        call.on_event = [this](const auto& event) {
            if (script_) {
                say(watch::event_text(event, session_.state(), session_.names()));
            }
        };
        call.on_signal = [this] {
            // The network first, then the report; whoever insists has the network only.
            if (script_ && !std::exchange(is_interrupted_, true)) {
                script_->stop("interrupted");
            } else {
                finish(exit_failed);
            }
        };
        call.group.on_view = [this](const auto& from, const auto& view) {
            if (view.token == token_ && token_ != 0) {
                take_view(from, view);
            }
        };
        call.group.on_report = [this](const auto& from, const auto& report) {
            if (script_) {
                script_->on_report(from, report);
            }
        };
        call.group.on_deed = [this](const auto& deed) { say(deed); };
        return call;
    }

    std::vector<finding> check_files() {
        setup_check_input input;
        input.conf = facts_.conf;
        input.ring_links = facts_.ring_links;
        try {
            control_client client(command_.socket);
            input.status = with_usual_latencies(client.demand({{"verb", "status"}}, seconds(5)));
        } catch (const setup_error& problem) {
            input.status_problem = problem.what();
        }
        // Which nodes are reached is asked of each of them.
        input.links = ask_corosync();
        return check_setup(input);
    }

    void say(const std::string& what) {
        if (!command_.json) {
            fmt::print("[{:6.1f} s] {}\n",
                       std::chrono::duration<double>(steady::now() - began_).count(), what);
            (void)std::fflush(stdout);
        }
    }

    // Ours on our node, else the first that will stay.
    void take_view(const corosync::group_member& from, const watch::view& view) {
        const bool is_on_our_node = from.node_id == session_.state().local_node_id;
        const bool is_ours = is_on_our_node && from.pid == static_cast<std::uint32_t>(getpid());
        if (is_ours ||
            (!is_on_our_node && !view.is_passing && answered_.count(from.node_id) == 0)) {
            answered_[from.node_id] = from;
            facts_.views[from.node_id] = view;
        }
    }

    void step() {
        if (script_) {
            advance();
        } else {
            prepare();
        }
        timer_.expires_after(step_interval);
        timer_.async_wait([this](const boost::system::error_code& error) {
            if (!error && !is_over_) {
                step();
            }
        });
    }

    void prepare() {
        const auto now = steady::now();
        if (!session_.has_started() || session_.agent().members().empty()) {
            if (now - began_ > corosync_patience) {
                fmt::print(stderr, "diskhb: Corosync has not answered for {} s; does it run?\n",
                           corosync_patience.count());
                finish(exit_no_daemon);
            }
            return;
        }
        if (token_ == 0) {
            token_ = random_number() | 1;
            asked_at_ = now;
            session_.agent().run({watch::send_to_group{watch::view_request{token_}}});
            return;
        }
        const bool all_have_answered = facts_.views.size() >= facts_.conf.nodes.size();
        if (all_have_answered || now - asked_at_ > answer_patience) {
            decide();
        }
    }

    void decide() {
        facts_.state = session_.state();
        facts_.names = session_.names();
        checks_ = check_drill(facts_);
        const bool is_safe_now = is_safe(checks_);
        if (!command_.json) {
            fmt::print("{}", checks_text(checks_));
        }
        if (!is_safe_now || command_.check_only) {
            if (command_.json) {
                print_json({{"refused", !is_safe_now}, {"checks", checks_json(checks_)}});
            } else {
                fmt::print("{}\n", is_safe_now ? "a drill would be safe now"
                                               : "refused: nothing was touched");
            }
            finish(is_safe_now ? exit_ok : exit_unsafe);
            return;
        }
        start();
    }

    void start() {
        watch::drill_plan plan;
        plan.drill = random_number();
        plan.messages_per_s = command_.messages_per_s;
        plan.message_bytes = command_.message_bytes;
        plan.for_all = command_.for_all;
        plan.during = seconds(command_.seconds);
        plan.silence = milliseconds(facts_.limits.silence_ms);
        plan.after = seconds(command_.settle_seconds);
        // Long enough to miss the stream of a node that does not take part.
        plan.before = std::max<milliseconds>(plan.after, plan.silence + step_interval * 10);
        plan.latency_max = milliseconds(facts_.limits.latency_max_ms);
        for (const auto& [node_id, member] : answered_) {
            plan.participants.push_back(member);
        }
        script_.emplace(plan);
        say(fmt::format("{} nodes stream {} messages of {} B a second each, for {} s",
                        plan.participants.size(), plan.messages_per_s, plan.message_bytes,
                        command_.settle_seconds));
        session_.agent().run(script_->start(steady::now()));
    }

    void advance() {
        const auto before = script_->stage();
        session_.agent().run(
            script_->tick(session_.state(), session_.agent().problem(), steady::now()));
        if (script_->stage() == before) {
            return;
        }
        states_[watch::name_of(before)] = watch::state_json(session_.state(), session_.names());
        if (script_->stage() == watch::drill_stage::during) {
            say(fmt::format(
                "{} for {} s",
                command_.for_all ? "every node loses its network" : "this node loses its network",
                command_.seconds));
        } else if (script_->stage() == watch::drill_stage::after) {
            say("the network is given back");
        } else if (script_->stage() == watch::drill_stage::done) {
            report();
        }
    }

    void report() {
        const auto result = script_->result();
        if (command_.json) {
            json value = {{"refused", false}};
            value.update(result_json(result, session_.names()));
            value["for_all"] = command_.for_all;
            value["states"] = states_;
            value["checks"] = checks_json(checks_);
            print_json(value);
        } else {
            fmt::print("{}", result_text(result, session_.names()));
        }
        finish(result.has_passed ? exit_ok : exit_failed);
    }

    static void print_json(const json& value) {
        fmt::print("{}\n", value.dump(2, ' ', false, json::error_handler_t::replace));
    }

    void finish(int exit_code) {
        exit_code_ = exit_code;
        is_over_ = true;
        session_.stop();
    }

    drill_command command_;
    cluster_session session_;
    boost::asio::steady_timer timer_;
    drill_facts facts_;
    std::vector<drill_check> checks_;
    std::map<std::uint32_t, corosync::group_member> answered_;
    std::optional<watch::drill_script> script_;
    json states_ = json::object();  // at the end of each stage
    steady::time_point began_ = steady::now();
    steady::time_point asked_at_;
    std::uint64_t token_ = 0;
    bool is_interrupted_ = false;
    bool is_over_ = false;
    int exit_code_ = exit_failed;
};

int run_drill(const drill_command& command) {
    if (!command.guard.empty()) {
        return watch::cut_guard_main(command.guard);
    }
    return drill_run(command).run();
}

}  // namespace

verb add_drill(CLI::App& app) {
    auto options = std::make_shared<drill_command>();
    CLI::App* const command = app.add_subcommand(
        "drill", "Take the network away for some seconds, and say whether the ring has carried");
    command->add_flag("--all", options->for_all,
                      "every node loses its network; default: this node alone");
    command->add_flag("--check", options->check_only, "only say whether it would be safe now");
    command->add_option("--seconds", options->seconds, "for how long the network is away")
        ->check(CLI::Range(3, 60))
        ->capture_default_str();
    command
        ->add_option("--settle", options->settle_seconds, "for how long to stream before and after")
        ->check(CLI::Range(2, 60))
        ->capture_default_str();
    command->add_option("--rate", options->messages_per_s, "messages a second of each node")
        ->check(CLI::Range(10, 1000))
        ->capture_default_str();
    command->add_option("--size", options->message_bytes, "bytes of a message")
        ->check(CLI::Range(1, 16384))
        ->capture_default_str();
    command->add_option("--config", options->config, "diskhb.toml")->capture_default_str();
    command->add_option("--socket", options->socket, "the control socket of diskhbd")
        ->capture_default_str();
    command->add_flag("--json", options->json, "print the result as JSON");
    command->add_option("--guard", options->guard, "")->group("");
    return {command, [options] { return run_drill(*options); }};
}

}  // namespace diskhb::tools
