// SPDX-License-Identifier: BSD-3-Clause
// The host of a process's channels: one thread, a listening socket for each path, and who is meant
// by the hellos that come. What it does with a connection is the channel's business (core.hpp).
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "channel/greeting.hpp"
#include "diskhb/channel.hpp"

namespace diskhb::channels {

class core;

// The address of that path as a number. Throws setup_error(exit_config).
boost::asio::ip::address parse_address(const std::string& text, const char* what);
void check_name(const std::string& name, const char* what);
void open_on(tcp::acceptor& acceptor, const tcp::endpoint& where);

// Which of our endpoints, and whose.
struct channel_key {
    std::string name;
    endpoint peer;
    auto operator<=>(const channel_key&) const = default;
};

}  // namespace diskhb::channels

namespace diskhb {

class channel_host::implementation {
  public:
    explicit implementation(channel_host_options options);
    ~implementation();
    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;

    const channel_host_options& options() const noexcept { return options_; }
    boost::asio::io_context& context() noexcept { return context_; }
    bool is_our_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }
    std::optional<boost::asio::ip::address> address(channels::path which) const noexcept {
        return addresses_[channels::index_of(which)];
    }
    std::uint64_t refused() const noexcept { return refused_; }

    // Any thread. Throws setup_error(exit_in_use) if the key is taken.
    void add(const channels::channel_key& key, std::weak_ptr<channels::core> added);
    void remove(const channels::channel_key& key);

  private:
    void accept(channels::path which);
    void greet(channels::path which, channels::tcp::socket socket, bool is_answer);
    void introduce(channels::path which, channels::tcp::socket socket, const channels::hello& said,
                   bool is_answer);

    channel_host_options options_;
    std::array<std::optional<boost::asio::ip::address>, channels::path_count> addresses_;
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
        context_.get_executor()};
    std::vector<channels::tcp::acceptor> acceptors_;
    std::size_t greeting_now_ = 0;
    std::atomic<std::uint64_t> refused_{0};
    std::mutex lock_;  // guards channels_
    std::map<channels::channel_key, std::weak_ptr<channels::core>> channels_;
    std::thread thread_;
};

}  // namespace diskhb
