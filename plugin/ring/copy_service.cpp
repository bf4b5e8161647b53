// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/copy_service.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/clock.hpp"
#include "plugin/daemon/control_call.hpp"
#include "plugin/daemon/control_reply.hpp"

namespace diskhb::daemon {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds run_look_interval{5};
constexpr milliseconds copyd_interval{1000};
constexpr milliseconds copyd_patience{2000};
constexpr milliseconds repeat_interval{300};  // of a request that is not answered
constexpr unsigned datagrams_most = 16;

std::uint64_t clock_ns() {
    return static_cast<std::uint64_t>(steady_clock::now().time_since_epoch() /
                                      std::chrono::nanoseconds(1));
}

bool copies_on_request(const ring_config& ring) noexcept {
    return ring.roles.copy.mode == copy_mode::command || ring.roles.copy.mode == copy_mode::builtin;
}

std::string cannot_copy_text(const ring_config& ring) {
    return ring.roles.copy.mode == copy_mode::storage
               ? fmt::format(
                     "ring {}: copy = \"storage\": the storage copies by itself, diskhb "
                     "cannot make it",
                     ring.interface)
               : fmt::format("ring {}: has one volume for all nodes, nothing is copied",
                             ring.interface);
}

std::string copied_reply(bool copied, steady_clock::duration took) {
    nlohmann::ordered_json value{{"ok", true}, {"copied", copied}};
    value["took_ms"] = static_cast<double>(took / std::chrono::microseconds(1)) / 1000;
    return to_line(value);
}

}  // namespace

// A request to another node until it is answered; keeps itself alive by its timer.
class copy_service::errand : public std::enable_shared_from_this<errand> {
  public:
    errand(copy_service& of, copied_ring& ring, const control_request& request,
           control_server::answer_function answer)
        : service_(of),
          ring_(ring),
          wait_(request.wait),
          timeout_(request.timeout),
          timer_(of.loop_),
          answer_(std::move(answer)) {
        message_.cluster_name = of.config_.cluster_name;
        message_.from = of.config_.node_id;
        message_.to = request.node_id;
        message_.link = ring.access.config->link;
        message_.token = engine::random_incarnation();
    }

    std::uint64_t token() const noexcept { return message_.token; }

    void look() {
        if (!answer_) {
            return;
        }
        const auto took = steady_clock::now() - begun_;
        // What is read of that node from now on was copied after the request.
        if (wait_ && is_accepted_ && has_heard(steady_clock::now() - accepted_)) {
            finish(copied_reply(true, took));
            return;
        }
        if (took >= timeout_) {
            finish(error_reply(
                fmt::format("ring {}: node {} {} within {} ms", ring_.access.config->interface,
                            message_.to,
                            is_accepted_ ? "was asked to copy, but nothing new of it was read"
                                         : "did not answer, neither over the ring nor over the "
                                           "network",
                            timeout_.count()),
                exit_failed));
            return;
        }
        const bool repeats = !is_accepted_ && took >= repeat_interval * sent_;
        if (repeats) {
            ++sent_;
            service_.send(ring_, message_);
        }
        timer_.expires_after(run_look_interval);
        timer_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error) {
                self->look();
            }
        });
    }

    void on_reply(const copy_message& reply) {
        if (reply.from != message_.to || is_accepted_ || !answer_) {
            return;
        }
        if (!reply.error.empty()) {
            finish(error_reply(fmt::format("node {}: {}", reply.from, reply.error), exit_failed));
            return;
        }
        is_accepted_ = true;
        accepted_ = steady_clock::now();
        if (!wait_) {
            finish(copied_reply(false, accepted_ - begun_));
        }
    }

  private:
    bool has_heard(steady_clock::duration within) const {
        const auto now = ring_.access.statistics();
        return std::any_of(now.peers.begin(), now.peers.end(), [&](const peer_status& peer) {
            return peer.node_id == message_.to && peer.incarnation != 0 && peer.heard_ago < within;
        });
    }
    void finish(const std::string& reply) {
        service_.errands_.erase(message_.token);
        std::exchange(answer_, nullptr)(reply);
    }

    copy_service& service_;
    copied_ring& ring_;
    copy_message message_;
    bool wait_;
    milliseconds timeout_;
    asio::steady_timer timer_;
    control_server::answer_function answer_;
    const steady_clock::time_point begun_ = steady_clock::now();
    steady_clock::time_point accepted_{};
    bool is_accepted_ = false;
    unsigned sent_ = 0;
};

copy_service::copy_service(asio::io_context& loop, const daemon_config& config,
                           std::vector<ring_access> rings, spdlog::logger& log)
    : loop_(loop),
      config_(config),
      log_(log),
      copyd_timer_(loop),
      network_(loop, config, [this](const copy_message& message) { on_message(message); }),
      inbox_(loop, datagrams_most, [this](std::uint32_t from, std::span<const std::byte> bytes) {
          const auto message = parse_copy_message(bytes);
          if (message && message->from == from) {
              on_message(*message);
          }
      }) {
    for (auto& access : rings) {
        copied_ring ring;
        ring.access = std::move(access);
        const auto& ring_config = *ring.access.config;
        if (ring_config.roles.copy.mode == copy_mode::command) {
            ring.command = std::make_unique<copy_command>(
                loop_, config_, ring_config,
                [statistics = ring.access.statistics] {
                    return statistics()[counter::table_writes];
                },
                log_);
        }
        rings_.push_back(std::move(ring));
    }
}

copy_service::~copy_service() = default;

void copy_service::start() {
    bool has_builtin = false;
    for (auto& ring : rings_) {
        if (ring.command) {
            ring.command->start();
        }
        has_builtin = has_builtin || ring.access.config->roles.copy.mode == copy_mode::builtin;
    }
    if (has_builtin) {
        watch_copyd();
    }
    if (const auto error = network_.open(); !error.empty()) {
        log_.warn("requests of other nodes to copy are not taken over the network: {}", error);
    }
}

copy_report copy_service::report(const ring_config& ring) const {
    for (const auto& each : rings_) {
        if (each.access.config != &ring) {
            continue;
        }
        copy_report found;
        if (each.command) {
            found = command_report(each.command->status(), clock_ns());
        } else if (ring.roles.copy.mode == copy_mode::builtin) {
            found = each.builtin;
        }
        found.mode = ring.roles.copy.mode;
        found.requests = each.requests;
        found.peer_requests = each.peer_requests;
        return found;
    }
    return {};
}

void copy_service::watch_copyd() {
    control_call(loop_, config_.copy_socket, R"({"verb":"status"})", copyd_patience,
                 [this](const std::string& reply, const std::string& error) {
                     for (auto& ring : rings_) {
                         ring.builtin = builtin_report(reply, error, ring.access.config->interface);
                     }
                     copyd_timer_.expires_after(copyd_interval);
                     copyd_timer_.async_wait([this](const error_code& stopped) {
                         if (!stopped) {
                             watch_copyd();
                         }
                     });
                 });
}

// Copying here ------------------------------------------------------------------------------

void copy_service::handle(const control_request& request,
                          const control_server::answer_function& answer) {
    const bool is_known =
        request.ring.empty() || std::any_of(rings_.begin(), rings_.end(), [&](const auto& ring) {
            return ring.access.config->interface == request.ring;
        });
    if (!is_known) {
        answer(error_reply(fmt::format("no ring {}", request.ring), exit_usage));
    } else if (request.node_id == 0 || request.node_id == config_.node_id) {
        copy_here(request, answer);
    } else {
        ask_node(request, answer);
    }
}

void copy_service::copy_here(const control_request& request,
                             const control_server::answer_function& answer) {
    std::vector<copied_ring*> wanted;
    for (auto& ring : rings_) {
        const auto& ring_config = *ring.access.config;
        if (request.ring == ring_config.interface ||
            (request.ring.empty() && copies_on_request(ring_config))) {
            wanted.push_back(&ring);
        }
    }
    if (wanted.empty()) {
        answer(error_reply("no ring is copied by diskhb or by a command", exit_usage));
        return;
    }
    if (!copies_on_request(*wanted.front()->access.config)) {
        answer(error_reply(cannot_copy_text(*wanted.front()->access.config), exit_usage));
        return;
    }
    struct outcome {
        std::size_t left;
        std::string error;
        int exit_code = exit_ok;
    };
    auto all = std::make_shared<outcome>(outcome{wanted.size(), {}});
    for (copied_ring* ring : wanted) {
        ++ring->requests;
        copy_ring(*ring, request.wait, request.timeout,
                  [all, answer, wait = request.wait, begun = steady_clock::now()](
                      const std::string& error, int exit_code) {
                      if (!error.empty()) {
                          all->error = error;
                          all->exit_code = exit_code;
                      }
                      if (--all->left == 0) {
                          answer(all->error.empty()
                                     ? copied_reply(wait, steady_clock::now() - begun)
                                     : error_reply(all->error, all->exit_code));
                      }
                  });
    }
}

void copy_service::copy_ring(copied_ring& ring, bool wait, milliseconds timeout,
                             done_function done) {
    if (ring.command) {
        const std::uint64_t run = ring.command->request();
        if (wait) {
            wait_for_run(ring, run, steady_clock::now() + timeout, std::move(done));
        } else {
            done({}, exit_ok);
        }
        return;
    }
    const nlohmann::ordered_json request{{"verb", "copy"},
                                         {"ring", ring.access.config->interface},
                                         {"wait", wait},
                                         {"timeout_ms", timeout.count()}};
    control_call(loop_, config_.copy_socket, to_line(request), timeout + copyd_patience,
                 [done = std::move(done)](const std::string& reply, const std::string& error) {
                     if (!error.empty()) {
                         done("diskhb-copyd does not answer: " + error, exit_no_daemon);
                         return;
                     }
                     const auto object = nlohmann::ordered_json::parse(reply, nullptr, false);
                     if (object.is_object() && object.value("ok", false)) {
                         done({}, exit_ok);
                         return;
                     }
                     const bool is_told = object.is_object() && object.contains("error") &&
                                          object["error"].is_string();
                     done(is_told ? object["error"].get<std::string>()
                                  : std::string("diskhb-copyd gives no reason"),
                          exit_failed);
                 });
}

void copy_service::wait_for_run(copied_ring& ring, std::uint64_t run, steady_clock::time_point end,
                                done_function done) {
    const auto outcome = ring.command->outcome_of(run);
    const auto& interface = ring.access.config->interface;
    if (outcome == copy_runner::answer::succeeded) {
        done({}, exit_ok);
    } else if (outcome == copy_runner::answer::failed) {
        done(fmt::format("ring {}: {}", interface, ring.command->status().error), exit_failed);
    } else if (steady_clock::now() >= end) {
        done(fmt::format("ring {}: the copy command has not ended in time", interface),
             exit_failed);
    } else {
        auto timer = std::make_shared<asio::steady_timer>(loop_, run_look_interval);
        timer->async_wait(
            [this, &ring, run, end, done = std::move(done), timer](const error_code& error) {
                if (!error) {
                    wait_for_run(ring, run, end, done);
                }
            });
    }
}

// Other nodes ---------------------------------------------------------------------------------

copy_service::copied_ring* copy_service::find_link(std::uint32_t link) {
    const auto found = std::find_if(rings_.begin(), rings_.end(), [&](const auto& ring) {
        return ring.access.config->link == link;
    });
    return found == rings_.end() ? nullptr : &*found;
}

void copy_service::ask_node(const control_request& request,
                            const control_server::answer_function& answer) {
    copied_ring* chosen = nullptr;
    for (auto& ring : rings_) {
        const auto& ring_config = *ring.access.config;
        const auto& areas = ring_config.roles.receive_from;
        const bool reads_copies =
            std::any_of(areas.begin(), areas.end(), [&](const receive_volume& area) {
                return std::find(area.nodes.begin(), area.nodes.end(), request.node_id) !=
                       area.nodes.end();
            });
        if (reads_copies && (request.ring.empty() || request.ring == ring_config.interface)) {
            chosen = chosen == nullptr ? &ring : chosen;
        }
    }
    if (chosen == nullptr) {
        answer(error_reply(fmt::format("node {} is not read from a copy on {}", request.node_id,
                                       request.ring.empty() ? "any ring" : "ring " + request.ring),
                           exit_usage));
        return;
    }
    auto made = std::make_shared<errand>(*this, *chosen, request, answer);
    errands_[made->token()] = made;
    made->look();
}

void copy_service::send(const copied_ring& ring, const copy_message& message) {
    const auto text = encode(message);
    ring.access.send(message.to, std::as_bytes(std::span(text)));
    network_.send(message.to, text);
}

void copy_service::on_message(const copy_message& message) {
    if (message.cluster_name != config_.cluster_name || message.to != config_.node_id ||
        message.from == config_.node_id) {
        return;
    }
    if (!message.is_reply) {
        on_request(message);
        return;
    }
    const auto found = errands_.find(message.token);
    if (found == errands_.end()) {
        return;
    }
    if (const auto asked = found->second.lock()) {
        asked->on_reply(message);
    }
}

void copy_service::on_request(const copy_message& message) {
    copied_ring* const ring = find_link(message.link);
    copy_message reply = message;
    reply.is_reply = true;
    std::swap(reply.from, reply.to);
    if (ring == nullptr) {
        return;
    }
    if (!copies_on_request(*ring->access.config)) {
        reply.error = cannot_copy_text(*ring->access.config);
        send(*ring, reply);
        return;
    }
    using verdict = copy_request_gate::verdict;
    const auto judged = gate_.judge(message, clock_ns());
    if (judged == verdict::answer_again) {
        reply.error = gate_.error_of(message);
        send(*ring, reply);
    }
    if (judged != verdict::act) {
        return;
    }
    ++ring->peer_requests;
    log_.info("ring {}: node {} asks for a copy now", ring->access.config->interface, message.from);
    copy_ring(*ring, false, copy_timeout_default,
              [this, ring, reply](const std::string& error, int) mutable {
                  gate_.on_done(reply.to, reply.link, error);
                  reply.error = error;
                  send(*ring, reply);
              });
}

}  // namespace diskhb::daemon
