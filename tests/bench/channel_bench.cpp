// SPDX-License-Identifier: BSD-3-Clause
// channel_bench: a channel against plain TCP, in turn, between two processes over loopback. Prints
// JSON: for each round the round trips a second of small messages, and MiB/s of large ones. An echo
// depends most on where the scheduler happens to put the two ends, which changes it threefold: so
// it is measured with both on one processor, where only the work counts, and as they are put.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>
#include <future>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "diskhb/channel.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct settings {
    int rounds = 10;
    int stretch_ms = 500;
    std::size_t small_bytes = 64;
    std::size_t large_bytes = 64 * 1024;
    std::uint16_t port = 5431;  // of TCP; the channel has the next one
};

constexpr const char* client_address = "127.0.0.1";
constexpr const char* server_address = "127.0.0.2";
constexpr std::byte echo_mark{'e'};
constexpr std::byte bulk_mark{'b'};

double seconds_since(clock_type::time_point begin) {
    return std::chrono::duration<double>(clock_type::now() - begin).count();
}

void require(bool condition, const char* what) {
    if (!condition) {
        throw std::runtime_error(std::string("channel_bench: ") + what + ": " + strerror(errno));
    }
}

sockaddr_in address_of(const char* text, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    inet_pton(AF_INET, text, &address.sin_addr);
    return address;
}

void set_no_delay(int socket) {
    const int on = 1;
    require(setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
}

bool send_all(int socket, const std::byte* bytes, std::size_t size) {
    while (size > 0) {
        const auto sent = ::send(socket, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

bool receive_all(int socket, std::byte* bytes, std::size_t size) {
    return size == 0 || ::recv(socket, bytes, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

// -- the other process

// One connection after another: its first byte says what it is for.
void serve_tcp(int listener, const settings& wanted) {
    std::vector<std::byte> buffer(1 << 20);
    while (true) {
        const int socket = accept(listener, nullptr, nullptr);
        if (socket < 0) {
            return;
        }
        set_no_delay(socket);
        if (receive_all(socket, buffer.data(), 1) && buffer[0] == echo_mark) {
            while (receive_all(socket, buffer.data(), wanted.small_bytes) &&
                   send_all(socket, buffer.data(), wanted.small_bytes)) {
            }
        } else {
            while (::recv(socket, buffer.data(), buffer.size(), 0) > 0) {
            }
            send_all(socket, buffer.data(), 1);  // all has come
        }
        close(socket);
    }
}

diskhb::channel_host_options host_of(std::uint32_t node, const settings& wanted) {
    diskhb::channel_host_options options;
    options.cluster_name = "bench";
    options.node_id = node;
    options.network_address = node == 1 ? client_address : server_address;
    options.port = static_cast<std::uint16_t>(wanted.port + 1);
    return options;
}

diskhb::channel_options channel_to(std::uint32_t peer, const settings& wanted) {
    diskhb::channel_options options;
    options.name = options.peer_name = "bench";
    options.peer.node_id = peer;
    options.peer.network_address = peer == 1 ? client_address : server_address;
    options.peer.port = static_cast<std::uint16_t>(wanted.port + 1);
    return options;
}

[[noreturn]] void serve(int listener, const settings& wanted) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    diskhb::channel_host host(host_of(2, wanted));
    auto options = channel_to(1, wanted);
    diskhb::channel* self = nullptr;
    options.on_message = [&self](std::span<const std::byte> message) {
        if (!message.empty() && message.front() == echo_mark) {
            self->send(message);
        }
    };
    diskhb::channel channel(host, options);
    self = &channel;
    serve_tcp(listener, wanted);
    std::_Exit(0);
}

// -- what is measured

// All threads of both processes on one processor; or, on destruction, where they were.
class on_one_processor {
  public:
    explicit on_one_processor(pid_t other) : other_(other) {
        require(sched_getaffinity(0, sizeof before_, &before_) == 0, "sched_getaffinity");
        cpu_set_t one;
        CPU_ZERO(&one);
        for (std::size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
            if (CPU_ISSET(i, &before_)) {
                CPU_SET(i, &one);
            }
        }
        place(one);
    }
    ~on_one_processor() { place(before_); }
    on_one_processor(const on_one_processor&) = delete;
    on_one_processor& operator=(const on_one_processor&) = delete;

  private:
    void place(const cpu_set_t& where) const {
        for (const auto process : {getpid(), other_}) {
            const auto tasks = "/proc/" + std::to_string(process) + "/task";
            for (const auto& each : std::filesystem::directory_iterator(tasks)) {
                sched_setaffinity(std::stoi(each.path().filename()), sizeof where, &where);
            }
        }
    }

    pid_t other_;
    cpu_set_t before_{};
};

int connect_tcp(const settings& wanted, std::byte mark) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    const auto to = address_of(server_address, wanted.port);
    require(connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0, "connect");
    set_no_delay(socket);
    require(send_all(socket, &mark, 1), "send");
    return socket;
}

double tcp_echo(const settings& wanted) {
    const int socket = connect_tcp(wanted, echo_mark);
    std::vector<std::byte> bytes(wanted.small_bytes, echo_mark);
    const auto begin = clock_type::now();
    std::uint64_t turns = 0;
    while (clock_type::now() - begin < wanted.stretch_ms * 1ms) {
        require(send_all(socket, bytes.data(), bytes.size()) &&
                    receive_all(socket, bytes.data(), bytes.size()),
                "echo");
        ++turns;
    }
    const auto took = seconds_since(begin);
    close(socket);
    return static_cast<double>(turns) / took;
}

double tcp_bulk(const settings& wanted) {
    const int socket = connect_tcp(wanted, bulk_mark);
    std::vector<std::byte> bytes(wanted.large_bytes, bulk_mark);
    const auto begin = clock_type::now();
    std::uint64_t sent = 0;
    while (clock_type::now() - begin < wanted.stretch_ms * 1ms) {
        require(send_all(socket, bytes.data(), bytes.size()), "bulk");
        sent += bytes.size();
    }
    shutdown(socket, SHUT_WR);
    require(receive_all(socket, bytes.data(), 1), "the end of bulk");
    const auto took = seconds_since(begin);
    close(socket);
    return static_cast<double>(sent) / took / (1 << 20);
}

// Answers go back from where they arrive, as the plain echo's do.
struct echo_state {
    std::atomic<diskhb::channel*> channel{nullptr};
    std::atomic<std::uint64_t> turns{0};
    std::atomic<bool> goes_on{false};
    std::promise<void> ended;
};

double channel_echo(const settings& wanted, diskhb::channel& channel, echo_state& state) {
    const std::vector<std::byte> bytes(wanted.small_bytes, echo_mark);
    state.ended = {};
    state.turns = 0;
    state.goes_on = true;
    const auto begin = clock_type::now();
    require(!channel.send(bytes, 5s), "send on the channel");
    std::this_thread::sleep_for(wanted.stretch_ms * 1ms);
    state.goes_on = false;
    state.ended.get_future().wait();
    return static_cast<double>(state.turns) / seconds_since(begin);
}

double channel_bulk(const settings& wanted, diskhb::channel& channel) {
    const std::vector<std::byte> bytes(wanted.large_bytes, bulk_mark);
    const auto begin = clock_type::now();
    std::uint64_t sent = 0;
    while (clock_type::now() - begin < wanted.stretch_ms * 1ms) {
        require(!channel.send(bytes, 5s), "bulk on the channel");
        sent += bytes.size();
    }
    require(!channel.flush(10s), "flush");
    return static_cast<double>(sent) / seconds_since(begin) / (1 << 20);
}

void measure(const settings& wanted, pid_t server) {
    diskhb::channel_host host(host_of(1, wanted));
    echo_state state;
    auto options = channel_to(2, wanted);
    options.on_message = [&state](std::span<const std::byte> message) {
        ++state.turns;
        if (state.goes_on) {
            state.channel.load()->send(message);
        } else {
            state.ended.set_value();
        }
    };
    diskhb::channel channel(host, options);
    state.channel = &channel;
    const auto begin = clock_type::now();
    while (channel.path() != diskhb::channel_path::network) {
        require(clock_type::now() - begin < 10s, "the channel does not connect");
        std::this_thread::sleep_for(10ms);
    }
    nlohmann::ordered_json rounds = nlohmann::ordered_json::array();
    for (int i = 0; i < wanted.rounds; ++i) {
        nlohmann::ordered_json round;
        {
            const on_one_processor placed(server);
            round["tcp_echo_per_s"] = tcp_echo(wanted);
            round["channel_echo_per_s"] = channel_echo(wanted, channel, state);
        }
        round["tcp_free_echo_per_s"] = tcp_echo(wanted);
        round["channel_free_echo_per_s"] = channel_echo(wanted, channel, state);
        round["tcp_bulk_mib_per_s"] = tcp_bulk(wanted);
        round["channel_bulk_mib_per_s"] = channel_bulk(wanted, channel);
        rounds.push_back(round);
    }
    std::cout << nlohmann::ordered_json{{"rounds", rounds}}.dump() << "\n";
}

int run(const settings& wanted) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto here = address_of(server_address, wanted.port);
    require(bind(listener, reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0, "bind");
    require(listen(listener, 1) == 0, "listen");
    const auto child = fork();
    require(child >= 0, "fork");
    if (child == 0) {
        serve(listener, wanted);
    }
    measure(wanted, child);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    settings wanted;
    CLI::App app("A channel against plain TCP over loopback; prints JSON.", "channel_bench");
    app.add_option("--rounds", wanted.rounds)->capture_default_str();
    app.add_option("--stretch-ms", wanted.stretch_ms, "of each of the four in each round")
        ->capture_default_str();
    app.add_option("--small-bytes", wanted.small_bytes)->capture_default_str();
    app.add_option("--large-bytes", wanted.large_bytes)->capture_default_str();
    app.add_option("--port", wanted.port)->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        return run(wanted);
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
