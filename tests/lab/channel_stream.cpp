// SPDX-License-Identifier: BSD-3-Clause
// One end of a channel under test: sends numbered messages at an even rate, checks each that comes
// (number, size, every byte), and prints JSON lines: which path is used, gaps in what came, and at
// the end a verdict. Times are those of CLOCK_MONOTONIC in s, one clock for the whole machine.
//
// A line on stdin: send no more than are wanted, then an empty message that ends the stream. The
// end of stdin: leave. So it is the test that says when, and no end leaves the other without the
// acknowledgements it waits for.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "diskhb/channel.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using json = nlohmann::ordered_json;

struct settings {
    diskhb::channel_host_options host;
    diskhb::channel_options channel;
    std::uint64_t send = 0;  // at least
    double rate = 1000;
    std::size_t size_max = 1024;
    double gap_ms = 50;
    double patience_s = 60;
};

double seconds(clock_type::time_point when) {
    return std::chrono::duration<double>(when.time_since_epoch()).count();
}

void print(const json& line) {
    static std::mutex lock;
    const std::lock_guard guard(lock);
    std::cout << line.dump() << std::endl;
}

std::uint64_t mix(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
}

// A message: its number, when it was sent in ns, then bytes that follow from the number, as many as
// follow from the number. One in 4096 is large, one of those of the largest size.
constexpr std::size_t head_bytes = 16;

std::size_t size_of(std::uint64_t number, std::size_t most) {
    if (number % 4096 == 4095) {
        return number % 8192 == 8191 ? diskhb::max_message_bytes
                                     : head_bytes + mix(number) % (diskhb::max_message_bytes / 2);
    }
    return head_bytes + mix(number) % (most - head_bytes + 1);
}

class pattern {
  public:
    pattern() : words_(2 * diskhb::max_message_bytes / sizeof(std::uint64_t)) {
        for (std::size_t i = 0; i < words_.size(); ++i) {
            words_[i] = mix(i + 1);
        }
    }
    const std::uint64_t* of(std::uint64_t number) const {
        return words_.data() + mix(number) % (words_.size() / 2);
    }

  private:
    std::vector<std::uint64_t> words_;
};

const pattern& fillings() {
    static const pattern one;
    return one;
}

class receiver {
  public:
    explicit receiver(const settings& wanted) : wanted_(wanted) {}

    void on_message(std::span<const std::byte> message) {
        if (message.empty()) {
            if (++ends_ == 1) {
                ended_.set_value();
            }
            return;
        }
        const auto now = clock_type::now();
        std::uint64_t head[2] = {};
        if (message.size() >= head_bytes) {
            std::memcpy(head, message.data(), head_bytes);
        }
        const auto number = head[0];
        if (number != next_ || ends_ > 0) {
            ++(number < next_ ? doubled_or_late_ : skipped_);
        }
        const auto body = message.subspan(std::min(head_bytes, message.size()));
        if (message.size() != size_of(number, wanted_.size_max) ||
            std::memcmp(body.data(), fillings().of(number), body.size()) != 0) {
            ++damaged_;
        }
        next_ = number + 1;
        latency_us_.push_back(
            static_cast<float>(
                std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch())
                    .count() -
                static_cast<std::int64_t>(head[1])) /
            1e3F);
        const auto gap = std::chrono::duration<double, std::milli>(now - last_).count();
        if (received_ > 0 && gap > wanted_.gap_ms) {
            print({{"event", "gap"}, {"from", seconds(last_)}, {"to", seconds(now)}, {"ms", gap}});
        }
        last_ = now;
        ++received_;
    }
    // When the other end has sent its last message.
    std::future<void> ended() { return ended_.get_future(); }

    // After that.
    json verdict() {
        std::sort(latency_us_.begin(), latency_us_.end());
        const auto at = [&](double share) {
            return latency_us_.empty() ? 0.0F
                                       : latency_us_[static_cast<std::size_t>(
                                             share * static_cast<double>(latency_us_.size() - 1))];
        };
        return {
            {"received", received_},      {"skipped", skipped_},    {"doubled", doubled_or_late_},
            {"damaged", damaged_},        {"ends", ends_},          {"latency_us_p50", at(0.5)},
            {"latency_us_p99", at(0.99)}, {"latency_us_max", at(1)}};
    }

  private:
    const settings& wanted_;
    std::uint64_t next_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t skipped_ = 0;
    std::uint64_t doubled_or_late_ = 0;
    std::uint64_t damaged_ = 0;
    clock_type::time_point last_;
    std::vector<float> latency_us_;
    std::uint64_t ends_ = 0;
    std::promise<void> ended_;
};

class sender {
  public:
    sender(const settings& wanted, diskhb::channel& channel) : wanted_(wanted), channel_(channel) {}

    // Until it is to finish and so many are sent.
    void run(const std::atomic<bool>& is_to_finish);
    std::uint64_t sent() const { return number_; }
    std::uint64_t shut() const { return shut_; }  // how often the window was

  private:
    void send(std::span<const std::byte> message);

    const settings& wanted_;
    diskhb::channel& channel_;
    std::uint64_t number_ = 0;
    std::uint64_t shut_ = 0;
};

void sender::send(std::span<const std::byte> message) {
    auto error = channel_.send(message);
    if (error == diskhb::errc::window_shut) {
        ++shut_;
        error = channel_.send(message, std::chrono::duration_cast<std::chrono::nanoseconds>(
                                           std::chrono::duration<double>(wanted_.patience_s)));
    }
    if (error) {
        print({{"event", "send failed"}, {"number", number_}, {"error", error.message()}});
        std::exit(1);
    }
}

void sender::run(const std::atomic<bool>& is_to_finish) {
    std::vector<std::byte> bytes(diskhb::max_message_bytes);
    const auto begin = clock_type::now();
    for (; number_ < wanted_.send || !is_to_finish; ++number_) {
        const auto due =
            begin + std::chrono::duration_cast<clock_type::duration>(
                        std::chrono::duration<double>(static_cast<double>(number_) / wanted_.rate));
        if (due > clock_type::now() + 500us) {
            std::this_thread::sleep_until(due);
        }
        const auto size = size_of(number_, wanted_.size_max);
        const std::uint64_t head[] = {
            number_,
            static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                           clock_type::now().time_since_epoch())
                                           .count())};
        std::memcpy(bytes.data(), head, head_bytes);
        std::memcpy(bytes.data() + head_bytes, fillings().of(number_), size - head_bytes);
        send({bytes.data(), size});
    }
    send({});
}

json json_of(const diskhb::channel_statistics& all) {
    return {{"messages_sent", all.messages_sent},
            {"messages_delivered", all.messages_delivered},
            {"messages_resent", all.messages_resent},
            {"duplicates_dropped", all.duplicates_dropped},
            {"messages_waiting", all.messages_waiting},
            {"path_changes", all.path_changes},
            {"silences", all.silences},
            {"malformed", all.malformed},
            {"peer_restarts", all.peer_restarts}};
}

int run(settings wanted) {
    fillings();
    receiver incoming(wanted);
    auto all_received = incoming.ended();
    wanted.channel.on_message = [&](auto message) { incoming.on_message(message); };
    wanted.channel.on_path = [](diskhb::channel_path now) {
        print({{"event", "path"},
               {"at", seconds(clock_type::now())},
               {"path", diskhb::channel_path_name(now)}});
    };
    wanted.channel.on_peer_restart = [](std::uint64_t given_up) {
        print({{"event", "restart"}, {"given_up", given_up}});
    };
    diskhb::channel_host host(wanted.host);
    diskhb::channel channel(host, wanted.channel);
    std::atomic<bool> is_to_finish{false};
    std::thread commands([&is_to_finish] {
        std::string line;
        std::getline(std::cin, line);
        is_to_finish = true;
        while (std::getline(std::cin, line)) {
        }
    });
    const auto patience = std::chrono::duration<double>(wanted.patience_s);
    const auto began = clock_type::now();
    sender outgoing(wanted, channel);
    outgoing.run(is_to_finish);
    const auto flushed =
        channel.flush(std::chrono::duration_cast<std::chrono::nanoseconds>(patience));
    const bool has_ended = all_received.wait_for(patience) == std::future_status::ready;
    json end = {{"event", "end"},
                {"complete", has_ended && !flushed},
                {"flush", flushed.message()},
                {"took_s", std::chrono::duration<double>(clock_type::now() - began).count()},
                {"sent", outgoing.sent()},
                {"window_shut", outgoing.shut()}};
    end["statistics"] = json_of(channel.statistics());
    if (has_ended) {
        end.update(incoming.verdict());
    }
    print(end);
    commands.join();
    return has_ended && !flushed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    settings wanted;
    double heartbeat_ms = 100;
    CLI::App app("One end of a channel: sends, receives and checks numbered messages");
    wanted.channel.name = wanted.channel.peer_name = "stream";
    app.add_option("--cluster", wanted.host.cluster_name)->required();
    app.add_option("--node", wanted.host.node_id)->required();
    app.add_option("--network", wanted.host.network_address)->required();
    app.add_option("--volume", wanted.host.volume_address);
    app.add_option("--peer", wanted.channel.peer.node_id)->required();
    app.add_option("--peer-network", wanted.channel.peer.network_address)->required();
    app.add_option("--peer-volume", wanted.channel.peer.volume_address);
    app.add_option("--heartbeat-ms", heartbeat_ms)->capture_default_str();
    app.add_option("--send", wanted.send, "messages, at least");
    app.add_option("--rate", wanted.rate, "messages a second")->capture_default_str();
    app.add_option("--size", wanted.size_max, "of most messages, at most")->capture_default_str();
    app.add_option("--gap-ms", wanted.gap_ms, "report gaps longer than this")
        ->capture_default_str();
    app.add_option("--patience-s", wanted.patience_s, "for the last messages")
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    wanted.channel.heartbeat = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double, std::milli>(heartbeat_ms));
    try {
        return run(wanted);
    } catch (const diskhb::setup_error& error) {
        std::cerr << "channel_stream: " << error.what() << "\n";
        return error.exit_code();
    }
}
