// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "diskhb/error.hpp"

namespace diskhb {

using json = nlohmann::ordered_json;

namespace {

constexpr std::size_t reply_bytes_max = 4 << 20;

}  // namespace

control_client::control_client(const std::string& path, std::string daemon)
    : path_(path), daemon_(std::move(daemon)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path) {
        throw setup_error(exit_usage, fmt::format("socket {}: the path is too long", path));
    }
    std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
    socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0 || connect(socket_, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) {
        const int error = errno;
        if (socket_ >= 0) {
            close(socket_);
        }
        const bool denied = error == EACCES || error == EPERM;
        throw setup_error(denied ? exit_permission : exit_no_daemon,
                          denied ? fmt::format("{}: {}; run as root", path, std::strerror(error))
                                 : fmt::format("no {0} answers on {1}: {2}; see systemctl "
                                               "status {0}",
                                               daemon_, path, std::strerror(error)));
    }
}

control_client::~control_client() { close(socket_); }

json control_client::ask(const json& request, std::chrono::milliseconds timeout) {
    send_line(request.dump() + "\n");
    const auto line = receive_line(std::chrono::steady_clock::now() + timeout);
    auto reply = json::parse(line, nullptr, false);
    if (!reply.is_object() || !reply.contains("ok") || !reply["ok"].is_boolean()) {
        fail("the answer is not one of " + daemon_);
    }
    return reply;
}

json control_client::demand(const json& request, std::chrono::milliseconds timeout) {
    auto reply = ask(request, timeout);
    if (!reply["ok"].get<bool>()) {
        throw setup_error(reply.value("exit_code", exit_failed),
                          reply.value("error", daemon_ + " gives no reason"));
    }
    return reply;
}

void control_client::send_line(const std::string& line) {
    std::size_t sent = 0;
    while (sent < line.size()) {
        const auto size = send(socket_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (size < 0 && errno != EINTR) {
            fail(std::strerror(errno));
        }
        sent += size < 0 ? 0 : static_cast<std::size_t>(size);
    }
}

std::string control_client::receive_line(std::chrono::steady_clock::time_point end) {
    while (true) {
        if (const auto feed = received_.find('\n'); feed != std::string::npos) {
            auto line = received_.substr(0, feed);
            received_.erase(0, feed + 1);
            return line;
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        if (left.count() <= 0 || received_.size() > reply_bytes_max) {
            fail("it does not answer");
        }
        pollfd waiting{socket_, POLLIN, 0};
        if (poll(&waiting, 1, static_cast<int>(left.count()) + 1) <= 0) {
            continue;
        }
        char buffer[65536];
        const auto size = recv(socket_, buffer, sizeof buffer, 0);
        if (size == 0 || (size < 0 && errno != EINTR)) {
            fail(size == 0 ? "it has closed the connection" : std::strerror(errno));
        }
        received_.append(buffer, size < 0 ? 0 : static_cast<std::size_t>(size));
    }
}

void control_client::fail(const std::string& reason) const {
    throw setup_error(exit_no_daemon, fmt::format("{} on {}: {}", daemon_, path_, reason));
}

}  // namespace diskhb
