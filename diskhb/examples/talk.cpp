// SPDX-License-Identifier: BSD-3-Clause
// An example of diskhb/channel.hpp: two people talk, each in a terminal, and see which way their
// lines go. On one machine, with no ring and no root:
//
//   talk 1          in one terminal
//   talk 2          in another
//
// On two nodes of a cluster, with the addresses of corosync.conf (ring0_addr and ring1_addr):
//
//   talk 1 --cluster prod --network 10.0.0.1,10.0.0.2 --volume 10.255.77.1,10.255.77.2
//   talk 2 --cluster prod --network 10.0.0.1,10.0.0.2 --volume 10.255.77.1,10.255.77.2
//
// Each line of the input is a message; at the input's end it waits until the other side has all.
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <string>

#include "diskhb/channel.hpp"

namespace {

// For one machine: all of 127.0.0.0/8 is there without being set up.
std::map<std::string, std::string> options = {{"--cluster", "try"},
                                              {"--network", "127.0.0.1,127.0.0.2"},
                                              {"--volume", "127.0.1.1,127.0.1.2"},
                                              {"--heartbeat-ms", "100"},
                                              {"--port", "5421"}};

[[noreturn]] void usage(const char* program) {
    std::fprintf(stderr,
                 "usage: %s 1|2 [--cluster NAME] [--network ADDRESS1,ADDRESS2] [--volume "
                 "ADDRESS1,ADDRESS2] [--heartbeat-ms MS] [--port PORT]\n",
                 program);
    std::exit(diskhb::exit_usage);
}

// The address of side 1 or 2 of "A,B".
std::string address_of(const std::string& both, int side) {
    const auto comma = both.find(',');
    return side == 1 ? both.substr(0, comma)
                     : (comma == std::string::npos ? std::string() : both.substr(comma + 1));
}

void say(const std::string& line) {
    std::cout << line << std::endl;  // flushed, for whoever reads it through a pipe
}

int talk(int us) {
    const int them = 3 - us;
    const auto port = static_cast<std::uint16_t>(std::stoi(options["--port"]));

    diskhb::channel_host_options here;
    here.cluster_name = options["--cluster"];
    here.node_id = static_cast<std::uint32_t>(us);
    here.network_address = address_of(options["--network"], us);
    here.volume_address = address_of(options["--volume"], us);
    here.port = port;
    diskhb::channel_host host(here);

    diskhb::channel_options how;
    how.name = how.peer_name = "talk";
    how.peer.node_id = static_cast<std::uint32_t>(them);
    how.peer.network_address = address_of(options["--network"], them);
    how.peer.volume_address = address_of(options["--volume"], them);
    how.peer.port = port;
    how.heartbeat = std::chrono::milliseconds(std::stoi(options["--heartbeat-ms"]));
    how.on_message = [](std::span<const std::byte> message) {
        say("< " + std::string(reinterpret_cast<const char*>(message.data()), message.size()));
    };
    how.on_path = [](diskhb::channel_path now) {
        say(std::string("* our lines go by: ") + diskhb::channel_path_name(now));
    };
    how.on_peer_restart = [](std::uint64_t given_up) {
        say("* the other side is a new process; messages given up: " + std::to_string(given_up));
    };
    diskhb::channel channel(host, how);

    say("* type lines; the end of the input (Ctrl-D) ends this side");
    for (std::string line; std::getline(std::cin, line);) {
        const auto bytes = std::as_bytes(std::span(line));
        // The window shuts when the other side is away for long: wait for it, and say so.
        while (const auto error = channel.send(bytes, std::chrono::seconds(5))) {
            if (error != diskhb::errc::window_shut) {
                std::fprintf(stderr, "talk: %s\n", error.message().c_str());
                return diskhb::exit_failed;
            }
            say("* the other side takes nothing; waiting");
        }
    }
    const auto error = channel.flush(std::chrono::seconds(10));
    if (error) {
        std::fprintf(stderr, "talk: the other side has not taken all: %s\n",
                     error.message().c_str());
    }
    return error ? diskhb::exit_failed : diskhb::exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || (std::strcmp(argv[1], "1") != 0 && std::strcmp(argv[1], "2") != 0)) {
        usage(argv[0]);
    }
    for (int i = 2; i < argc; i += 2) {
        if (options.count(argv[i]) == 0 || i + 1 == argc) {
            usage(argv[0]);
        }
        options[argv[i]] = argv[i + 1];
    }
    try {
        return talk(argv[1][0] - '0');
    } catch (const diskhb::setup_error& error) {
        std::fprintf(stderr, "talk: %s\n", error.what());
        return error.exit_code();
    } catch (const std::exception&) {
        usage(argv[0]);
    }
}
