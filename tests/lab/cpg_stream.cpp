// SPDX-License-Identifier: BSD-3-Clause
// Sends numbered messages to a CPG group and keeps book of what every member sent: nothing may be
// lost, doubled, out of order or damaged. One line of JSON an event and a second, and at the end
// {"event":"end",...} with the whole book. See cpg_initialize(3), quorum_initialize(3).
//
// The main thread receives. A second one sends: a call into Corosync waits while Corosync is busy,
// and that must not delay the receiving, whose time stamps are what is measured. libcpg allows one
// handle for both (corosync's own test/cpghum.c does the same).
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "plugin/corosync/stream_record.hpp"
#include "stream_message.hpp"

namespace lab {
namespace {

using json = nlohmann::json;
using diskhb::corosync::latency_histogram;
using diskhb::corosync::sender_record;
using namespace std::chrono_literals;

struct stream_options {
    std::string group = "diskhb-stream";
    std::size_t members = 1;  // begin when so many have joined
    double rate = 1000;       // messages a second
    std::size_t size_bytes = 1024;
    bool flood = false;         // as fast as CPG takes them
    double seconds = 0;         // 0: until SIGTERM
    double drain_seconds = 30;  // wait at most so long for the others' last messages
};

void check(cs_error_t error, const char* what) {
    if (error != CS_OK) {
        throw std::runtime_error(std::string(what) + ": " + cs_strerror(error));
    }
}

// Calls until Corosync has time for it; at start it may be busy with its own membership.
template <class Call>
void patiently(Call call, const char* what) {
    cs_error_t error = CS_ERR_TRY_AGAIN;
    for (int attempt = 0; attempt < 500 && error == CS_ERR_TRY_AGAIN; ++attempt) {
        error = call();
        if (error == CS_ERR_TRY_AGAIN) {
            std::this_thread::sleep_for(20ms);
        }
    }
    check(error, what);
}

double to_seconds(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }
double to_ms(std::int64_t ns) { return static_cast<double>(ns) / 1e6; }

// Sends on a thread of its own, from start() until stop() or the given time is over.
class sender {
  public:
    sender(cpg_handle_t handle, std::uint32_t node_id, const stream_options& options)
        : handle_(handle), node_id_(node_id), options_(options), message_(options.size_bytes) {}

    void start() {
        thread_ = std::jthread([this] { run(); });
    }
    void stop() { stopping_ = true; }
    bool finished() const { return finished_; }
    // Nothing more will be sent: Corosync has gone, or it refuses for too long.
    bool failed() const { return failed_; }
    std::uint64_t sent() const { return sent_; }
    std::uint64_t try_again() const { return try_again_; }

  private:
    void run() {
        const std::int64_t start_ns = now_ns();
        const auto end_ns = start_ns + static_cast<std::int64_t>(options_.seconds * 1e9);
        std::int64_t due_ns = start_ns;
        while (!stopping_ && !failed_ && (options_.seconds <= 0 || now_ns() < end_ns)) {
            if (options_.flood) {
                due_ns = now_ns();
            } else {
                // Due times are fixed beforehand: a message that Corosync delays does not delay
                // the due time of the next, so waiting shows in the latency.
                due_ns = start_ns + static_cast<std::int64_t>(static_cast<double>(sent_) * 1e9 /
                                                              options_.rate);
                sleep_until(due_ns);
            }
            if (send(message_kind::data, sent_, due_ns)) {
                ++sent_;
            }
        }
        ended_ns_ = now_ns();
        failed_ = !send(message_kind::last, sent_, ended_ns_);
        finished_ = true;
    }

    static void sleep_until(std::int64_t at_ns) {
        const timespec at{at_ns / 1'000'000'000, at_ns % 1'000'000'000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
    }

    // Offers a message until CPG takes it. The last message has to go out even while stopping.
    bool send(message_kind kind, std::uint64_t sequence, std::int64_t due_ns) {
        message_head head;
        head.kind = kind;
        head.node_id = node_id_;
        head.sequence = sequence;
        head.sent_ns = due_ns;
        encode(head, message_);
        iovec vector{message_.data(), message_.size()};
        while (true) {
            const cs_error_t error = cpg_mcast_joined(handle_, CPG_TYPE_AGREED, &vector, 1);
            if (error == CS_OK) {
                return true;
            }
            const bool give_up = kind == message_kind::data
                                     ? stopping_.load()
                                     : to_seconds(now_ns() - ended_ns_) > options_.drain_seconds;
            if (error != CS_ERR_TRY_AGAIN || give_up) {
                failed_ = error != CS_ERR_TRY_AGAIN;
                return false;
            }
            ++try_again_;
            std::this_thread::sleep_for(1ms);
        }
    }

    cpg_handle_t handle_;
    std::uint32_t node_id_;
    stream_options options_;
    std::vector<unsigned char> message_;
    std::int64_t ended_ns_ = 0;
    std::atomic<bool> stopping_ = false;  // no data is handed over by any of these
    std::atomic<bool> finished_ = false;
    std::atomic<bool> failed_ = false;
    std::atomic<std::uint64_t> sent_ = 0;
    std::atomic<std::uint64_t> try_again_ = 0;
    std::jthread thread_;  // last: it uses all of the above
};

// Everything that the main thread does.
class stream {
  public:
    explicit stream(const stream_options& options);
    ~stream();
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;
    int run();

  private:
    void deliver(std::uint32_t node_id, std::span<const unsigned char> message);
    void change_members(std::span<const cpg_address> members, std::span<const cpg_address> left,
                        std::span<const cpg_address> joined);
    void change_ring(cpg_ring_id ring, std::span<const std::uint32_t> nodes);
    void change_quorum(bool quorate);
    void dispatch(const pollfd& cpg, const pollfd& quorum);
    bool is_complete() const;
    void report_second();
    void report_end();
    void print(json line);
    json senders() const;

    stream_options options_;
    cpg_handle_t cpg_ = 0;
    quorum_handle_t quorum_ = 0;
    std::uint32_t node_id_ = 0;
    std::unique_ptr<sender> sender_;
    bool streaming_ = false;
    bool connection_lost_ = false;
    std::map<std::uint32_t, sender_record> records_;
    std::set<std::uint32_t> members_;
    std::string ring_;
    std::uint64_t membership_changes_ = 0;
    std::uint64_t members_left_ = 0;
    std::uint64_t quorum_losses_ = 0;
    std::uint64_t quorum_changes_ = 0;
    std::optional<bool> quorate_;
    latency_histogram latency_;
    latency_histogram latency_second_;
    std::int64_t last_delivery_ns_ = 0;
    std::int64_t longest_gap_second_ns_ = 0;
};

stream::stream(const stream_options& options) : options_(options) {
    cpg_model_v1_data_t model{};
    model.model = CPG_MODEL_V1;
    model.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF;
    model.cpg_deliver_fn = [](cpg_handle_t handle, const cpg_name*, std::uint32_t node_id,
                              std::uint32_t, void* message, std::size_t size) {
        void* self = nullptr;
        cpg_context_get(handle, &self);
        static_cast<stream*>(self)->deliver(node_id,
                                            {static_cast<const unsigned char*>(message), size});
    };
    model.cpg_confchg_fn = [](cpg_handle_t handle, const cpg_name*, const cpg_address* members,
                              std::size_t member_count, const cpg_address* left,
                              std::size_t left_count, const cpg_address* joined,
                              std::size_t joined_count) {
        void* self = nullptr;
        cpg_context_get(handle, &self);
        static_cast<stream*>(self)->change_members({members, member_count}, {left, left_count},
                                                   {joined, joined_count});
    };
    model.cpg_totem_confchg_fn = [](cpg_handle_t handle, cpg_ring_id ring, std::uint32_t count,
                                    const std::uint32_t* nodes) {
        void* self = nullptr;
        cpg_context_get(handle, &self);
        static_cast<stream*>(self)->change_ring(ring, {nodes, count});
    };
    patiently(
        [&] {
            return cpg_model_initialize(&cpg_, CPG_MODEL_V1,
                                        reinterpret_cast<cpg_model_data_t*>(&model), this);
        },
        "cpg_model_initialize");

    quorum_model_v1_data_t quorum_model{};
    quorum_model.model = QUORUM_MODEL_V1;
    quorum_model.quorum_notify_fn = [](quorum_handle_t handle, std::uint32_t quorate,
                                       quorum_ring_id, std::uint32_t, const std::uint32_t*) {
        const void* self = nullptr;
        quorum_context_get(handle, &self);
        static_cast<stream*>(const_cast<void*>(self))->change_quorum(quorate != 0);
    };
    std::uint32_t type = 0;
    patiently(
        [&] {
            return quorum_model_initialize(&quorum_, QUORUM_MODEL_V1,
                                           reinterpret_cast<quorum_model_data_t*>(&quorum_model),
                                           &type, this);
        },
        "quorum_model_initialize");
    patiently([&] { return quorum_trackstart(quorum_, CS_TRACK_CURRENT | CS_TRACK_CHANGES); },
              "quorum_trackstart");
    patiently([&] { return cpg_local_get(cpg_, &node_id_); }, "cpg_local_get");
    cpg_name group{};
    group.length =
        static_cast<std::uint32_t>(options_.group.copy(group.value, CPG_MAX_NAME_LENGTH - 1));
    patiently([&] { return cpg_join(cpg_, &group); }, "cpg_join");
    sender_ = std::make_unique<sender>(cpg_, node_id_, options_);
}

stream::~stream() {
    sender_.reset();
    cpg_finalize(cpg_);
    quorum_finalize(quorum_);
}

void stream::deliver(std::uint32_t node_id, std::span<const unsigned char> message) {
    const std::int64_t at_ns = now_ns();
    sender_record& record = records_[node_id];
    const std::optional<message_head> head = decode(message, node_id);
    if (!head) {
        record.count_corrupt();
        return;
    }
    if (head->kind == message_kind::last) {
        record.accept_last(head->sequence, at_ns);
    } else {
        record.accept(head->sequence, at_ns);
        latency_.add(at_ns - head->sent_ns);
        latency_second_.add(at_ns - head->sent_ns);
    }
    if (last_delivery_ns_ != 0) {
        longest_gap_second_ns_ = std::max(longest_gap_second_ns_, at_ns - last_delivery_ns_);
    }
    last_delivery_ns_ = at_ns;
}

void stream::change_members(std::span<const cpg_address> members, std::span<const cpg_address> left,
                            std::span<const cpg_address> joined) {
    members_.clear();
    for (const cpg_address& member : members) {
        members_.insert(member.nodeid);
    }
    json gone = json::array();
    for (const cpg_address& member : left) {
        gone.push_back({{"node", member.nodeid}, {"reason", member.reason}});
        // A member that has said its last word may leave.
        const auto record = records_.find(member.nodeid);
        if (streaming_ && (record == records_.end() || !record->second.sent())) {
            ++members_left_;
        }
    }
    json come = json::array();
    for (const cpg_address& member : joined) {
        come.push_back({{"node", member.nodeid}, {"reason", member.reason}});
    }
    print({{"event", "members"}, {"members", members_}, {"left", gone}, {"joined", come}});
    if (!streaming_ && members_.size() >= options_.members) {
        streaming_ = true;
        sender_->start();
        print({{"event", "streaming"}});
    }
}

void stream::change_ring(cpg_ring_id ring, std::span<const std::uint32_t> nodes) {
    const std::string name = std::to_string(ring.nodeid) + "." + std::to_string(ring.seq);
    // The first ring is told after joining; it is no change.
    if (streaming_ && !ring_.empty() && name != ring_) {
        ++membership_changes_;
    }
    ring_ = name;
    print({{"event", "ring"}, {"ring", ring_}, {"nodes", std::vector(nodes.begin(), nodes.end())}});
}

void stream::change_quorum(bool quorate) {
    if (streaming_ && quorate_ && *quorate_ != quorate) {
        ++quorum_changes_;
        quorum_losses_ += quorate ? 0 : 1;
    }
    quorate_ = quorate;
    print({{"event", "quorum"}, {"quorate", quorate}});
}

void stream::dispatch(const pollfd& cpg, const pollfd& quorum) {
    const short gone = POLLHUP | POLLERR | POLLNVAL;
    if ((cpg.revents & POLLIN) != 0) {
        const cs_error_t error = cpg_dispatch(cpg_, CS_DISPATCH_ALL);
        connection_lost_ |= error != CS_OK && error != CS_ERR_TRY_AGAIN;
    }
    if ((quorum.revents & POLLIN) != 0) {
        const cs_error_t error = quorum_dispatch(quorum_, CS_DISPATCH_ALL);
        connection_lost_ |= error != CS_OK && error != CS_ERR_TRY_AGAIN;
    }
    connection_lost_ |= ((cpg.revents | quorum.revents) & gone) != 0;
}

bool stream::is_complete() const {
    // Who is no member any more will not say a last word.
    return std::all_of(members_.begin(), members_.end(), [this](std::uint32_t member) {
        const auto record = records_.find(member);
        return record != records_.end() && record->second.sent().has_value();
    });
}

int stream::run() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    const int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    // Shorter than a second: it also looks whether the end has been reached.
    const itimerspec tick{{0, 100'000'000}, {0, 100'000'000}};
    timerfd_settime(timer_fd, 0, &tick, nullptr);
    int cpg_fd = -1;
    int quorum_fd = -1;
    check(cpg_fd_get(cpg_, &cpg_fd), "cpg_fd_get");
    check(quorum_fd_get(quorum_, &quorum_fd), "quorum_fd_get");

    std::int64_t next_report_ns = now_ns() + 1'000'000'000;
    std::int64_t drain_since_ns = 0;
    std::array<pollfd, 4> fds{{{cpg_fd, POLLIN, 0},
                               {quorum_fd, POLLIN, 0},
                               {signal_fd, POLLIN, 0},
                               {timer_fd, POLLIN, 0}}};
    while (!connection_lost_) {
        if (poll(fds.data(), fds.size(), -1) < 0) {
            continue;
        }
        dispatch(fds[0], fds[1]);
        if ((fds[2].revents & POLLIN) != 0) {
            signalfd_siginfo info;
            (void)!read(signal_fd, &info, sizeof info);
            sender_->stop();
            if (!streaming_) {
                break;
            }
        }
        if ((fds[3].revents & POLLIN) != 0) {
            std::uint64_t expirations = 0;
            (void)!read(timer_fd, &expirations, sizeof expirations);
        }
        if (now_ns() >= next_report_ns) {
            report_second();
            next_report_ns += 1'000'000'000;
        }
        if (sender_->finished()) {
            drain_since_ns = drain_since_ns == 0 ? now_ns() : drain_since_ns;
            if (is_complete() || sender_->failed() ||
                to_seconds(now_ns() - drain_since_ns) > options_.drain_seconds) {
                break;
            }
        }
    }
    report_end();
    return connection_lost_ || !is_complete() ? 1 : 0;
}

json stream::senders() const {
    json all = json::object();
    for (const auto& [node_id, record] : records_) {
        all[std::to_string(node_id)] = {
            {"received", record.received()},
            {"lost", record.lost()},
            {"duplicated", record.duplicated()},
            {"reordered", record.reordered()},
            {"corrupt", record.corrupt()},
            {"complete", record.sent().has_value()},
            {"longest_gap_ms", to_ms(record.longest_gap_ns())},
            {"longest_gap_at", to_seconds(record.longest_gap_at_ns())},
        };
    }
    return all;
}

void stream::report_second() {
    // A silence that still lasts is shown while it lasts.
    const std::int64_t silence_ns =
        streaming_ && last_delivery_ns_ != 0 ? now_ns() - last_delivery_ns_ : 0;
    print({{"event", "second"},
           {"sent", sender_->sent()},
           {"try_again", sender_->try_again()},
           {"senders", senders()},
           {"latency_us_p50", latency_second_.percentile_us(0.5)},
           {"latency_us_p99", latency_second_.percentile_us(0.99)},
           {"latency_us_max", latency_second_.max_us()},
           {"gap_ms", to_ms(std::max(longest_gap_second_ns_, silence_ns))},
           {"members", members_},
           {"quorate", quorate_.value_or(false)},
           {"membership_changes", membership_changes_}});
    latency_second_.clear();
    longest_gap_second_ns_ = 0;
}

void stream::report_end() {
    std::int64_t longest_gap_ns = 0;
    std::int64_t longest_gap_at_ns = 0;
    for (auto& [node_id, record] : records_) {
        record.close(now_ns());
        if (record.longest_gap_ns() > longest_gap_ns) {
            longest_gap_ns = record.longest_gap_ns();
            longest_gap_at_ns = record.longest_gap_at_ns();
        }
    }
    print({{"event", "end"},
           {"complete", !connection_lost_ && is_complete()},
           {"connection_lost", connection_lost_},
           {"sent", sender_->sent()},
           {"try_again", sender_->try_again()},
           {"senders", senders()},
           {"latency_us_p50", latency_.percentile_us(0.5)},
           {"latency_us_p99", latency_.percentile_us(0.99)},
           {"latency_us_max", latency_.max_us()},
           {"longest_gap_ms", to_ms(longest_gap_ns)},
           {"longest_gap_at", to_seconds(longest_gap_at_ns)},
           {"membership_changes", membership_changes_},
           {"members_left", members_left_},
           {"quorum_losses", quorum_losses_},
           {"quorum_changes", quorum_changes_},
           {"ring", ring_}});
}

void stream::print(json line) {
    line["node"] = node_id_;
    line["t"] = to_seconds(now_ns());
    std::cout << line.dump() << std::endl;
}

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
    lab::stream_options options;
    CLI::App app{"Streams numbered CPG messages and reports what was lost, doubled or disordered"};
    app.add_option("--group", options.group, "name of the CPG group");
    app.add_option("--members", options.members, "begin when so many have joined");
    app.add_option("--rate", options.rate, "messages a second")->check(CLI::PositiveNumber);
    app.add_option("--size", options.size_bytes, "bytes a message")
        ->check(CLI::Range(sizeof(lab::message_head), std::size_t{1} << 20));
    app.add_flag("--flood", options.flood, "send as fast as CPG takes the messages");
    app.add_option("--seconds", options.seconds, "end after this time (default: at SIGTERM)");
    app.add_option("--drain-seconds", options.drain_seconds, "wait for the others at the end");
    CLI11_PARSE(app, argc, argv);

    // Blocked before any thread exists, so that all threads inherit it and signalfd sees them.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_DFL);
    try {
        lab::stream stream(options);
        return stream.run();
    } catch (const std::exception& error) {
        std::cerr << "cpg_stream: " << error.what() << "\n";
        return 2;
    }
}
