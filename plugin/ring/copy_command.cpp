// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/copy_command.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace diskhb::daemon {

namespace {

// How often the ring's counters are looked at: a fraction of the interval, within limits.
constexpr std::uint64_t look_ns_min = 1'000'000;
constexpr std::uint64_t look_ns_max = 20'000'000;

std::uint64_t clock_ns() {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                      std::chrono::nanoseconds(1));
}

template <class Duration>
std::uint64_t to_ns(Duration duration) {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(duration).count());
}

// What does not change from run to run.
std::vector<std::string> environment_of(const daemon_config& config, const ring_config& ring) {
    return {fmt::format("DISKHB_RING={}", ring.interface),
            fmt::format("DISKHB_LINK={}", ring.link),
            fmt::format("DISKHB_SEND_VOLUME={}", ring.roles.send_volume),
            fmt::format("DISKHB_CLUSTER={}", config.cluster_name),
            fmt::format("DISKHB_NODE={}", config.node_id),
            fmt::format("DISKHB_NODE_NAME={}", config.node_name)};
}

}  // namespace

copy_command::copy_command(boost::asio::io_context& loop, const daemon_config& config,
                           const ring_config& ring, std::function<std::uint64_t()> count_writes,
                           spdlog::logger& log)
    : loop_(loop),
      ring_(ring),
      count_writes_(std::move(count_writes)),
      log_(log),
      environment_(environment_of(config, ring)),
      runner_({to_ns(ring.roles.copy.interval), to_ns(ring.roles.copy.timeout)}),
      look_interval_ns_(std::clamp(to_ns(ring.roles.copy.interval) / 4, look_ns_min, look_ns_max)),
      timer_(loop) {}

copy_command::~copy_command() {
    if (child_) {
        child_->abandon();
    }
}

void copy_command::start() { look(); }

std::uint64_t copy_command::request() {
    const std::uint64_t run = runner_.request();
    look();
    return run;
}

void copy_command::look() {
    const std::uint64_t now_ns = clock_ns();
    runner_.on_flushes(count_writes_(), now_ns);
    const auto wanted = runner_.step(now_ns);
    if (wanted.what == copy_runner::action::kind::start) {
        run(wanted);
    } else if (wanted.what == copy_runner::action::kind::kill && child_) {
        log_.warn("ring {}: {} has not ended within {} ms and is killed", ring_.interface,
                  ring_.roles.copy.command.front(), ring_.roles.copy.timeout.count());
        child_->kill();
    }
    arm();
}

void copy_command::arm() {
    const std::uint64_t now_ns = clock_ns();
    const std::uint64_t next_ns = std::clamp(runner_.next_ns(), now_ns, now_ns + look_interval_ns_);
    timer_.expires_after(std::chrono::nanoseconds(next_ns - now_ns));
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            look();
        }
    });
}

void copy_command::run(const copy_runner::action& wanted) {
    auto environment = environment_;
    environment.push_back(fmt::format("DISKHB_REASON={}", copy_reason_name(wanted.reason)));
    environment.push_back(fmt::format("DISKHB_RUN={}", wanted.run));
    environment.push_back(fmt::format("DISKHB_FLUSHES={}", wanted.flushes));
    child_ = std::make_shared<child_process>(loop_);
    const auto why = child_->start(ring_.roles.copy.command, environment,
                                   [this](const child_process::outcome& how) {
                                       on_ended({true, how.exit_code, how.signal, how.last_line});
                                       arm();
                                   });
    if (!why.empty()) {
        on_ended({false, 0, 0, why});
    }
}

void copy_command::on_ended(const run_outcome& outcome) {
    child_.reset();
    const auto before = runner_.status();
    runner_.on_ended(outcome, clock_ns());
    tell(before);
}

// One line when it begins to fail, or fails otherwise than before, and one when it works again.
void copy_command::tell(const copy_runner_status& before) {
    const auto& now = runner_.status();
    const auto& program = ring_.roles.copy.command.front();
    if (!now.error.empty() && now.error != before.error) {
        log_.error("ring {}: copying by {} failed: {}; tried again", ring_.interface, program,
                   now.error);
    } else if (now.error.empty() && before.failures_in_row > 0) {
        log_.info("ring {}: copying by {} works again after {} failed runs", ring_.interface,
                  program, before.failures_in_row);
    }
}

}  // namespace diskhb::daemon
