// SPDX-License-Identifier: BSD-3-Clause
// The vote thread with a test in the lease's place: reads orders from its input, prints what
// Corosync says, one line of JSON an event, each with "t_ms" of CLOCK_BOOTTIME. Orders, for the
// ring of the last event:
//     yes MS      vote, for so long
//     no          do not
//     undecided   do not answer yet
//     counters    print them, and how long the vote thread has been in a call
//     stop        end the vote thread, print whether it ended, and end
// Beside it the quorum service, which tells what the rest of the stack is told.
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "plugin/corosync/quorum.hpp"
#include "plugin/quorum/quorum_status.hpp"
#include "plugin/quorum/vote_thread.hpp"

namespace lab {
namespace {

using namespace diskhb::quorum;
using diskhb::format::vote_state;
using json = nlohmann::json;
using boost::system::error_code;

class probe {
  public:
    explicit probe(const vote_thread_options& options)
        : input_(loop_, ::dup(STDIN_FILENO)),
          quorum_(loop_,
                  {[this](bool is_quorate, const diskhb::corosync::ring_id& ring, const auto&) {
                       print("quorum", {{"quorate", is_quorate},
                                        {"ring", ring_text({ring.node_id, ring.sequence})}});
                   },
                   [](const error_code&) {}}),
          votes_(options, clock_, listener()) {}

    void run(bool with_quorum) {
        votes_.start();
        if (with_quorum) {
            error_code error = quorum_.connect();
            error = error ? error : quorum_.track();
            if (error) {
                print("error", {{"what", error.message()}});
            }
        }
        read();
        loop_.run();
    }

  private:
    vote_listener listener() {
        // Each is called on the vote thread and handed over.
        const auto hand_over = [this](auto action) { boost::asio::post(loop_, std::move(action)); };
        return {
            [=, this](const ring_id& ring, const slot_set& members, bool is_waiting) {
                hand_over([=, this] {
                    ring_ = ring;
                    print("ring", {{"ring", ring_text(ring)},
                                   {"members", nodes_of(members)},
                                   {"waiting", is_waiting}});
                });
            },
            [=, this](const quorum_news& news) {
                hand_over([=, this] {
                    print("votes", {{"quorate", news.is_quorate},
                                    {"expected", news.expected_votes},
                                    {"total", news.total_votes},
                                    {"quorum", news.quorum},
                                    {"alive", news.is_device_alive},
                                    {"cast", news.has_device_vote}});
                });
            },
            [=, this](std::uint64_t generation) {
                hand_over([=, this] { print("accepted", {{"generation", generation}}); });
            },
            [=, this](const std::string& what, bool is_final) {
                hand_over([=, this] { print("failure", {{"what", what}, {"final", is_final}}); });
            }};
    }

    void read() {
        boost::asio::async_read_until(input_, line_, '\n', [this](const error_code& error, auto) {
            if (error) {
                loop_.stop();
                return;
            }
            std::istream stream(&line_);
            std::string line;
            std::getline(stream, line);
            obey(line);
        });
    }

    void obey(const std::string& line) {
        std::istringstream words(line);
        std::string verb;
        std::uint64_t duration_ms = 0;
        words >> verb >> duration_ms;
        if (verb == "stop") {
            print("stopped", {{"ended", votes_.stop()}});
            loop_.stop();
            return;
        }
        if (verb == "counters") {
            print_counters();
        } else {
            order(verb, duration_ms);
        }
        read();
    }

    void order(const std::string& verb, std::uint64_t duration_ms) {
        vote_order order;
        order.generation = ++generation_;
        order.ring = ring_;
        if (verb == "yes") {
            order.vote = vote_state::yes;
            order.valid_until_ns = clock_->now_ns() + duration_ms * 1'000'000;
        } else {
            order.vote = verb == "undecided" ? vote_state::undecided : vote_state::no;
        }
        print("ordered", {{"vote", verb}, {"generation", order.generation}});
        votes_.follow(order);
    }

    void print_counters() {
        const vote_counters& counters = votes_.counters();
        const std::uint64_t since_ns = votes_.in_call_since_ns();
        print("counters",
              {{"connected", counters.is_connected.load()},
               {"registered", counters.is_registered.load()},
               {"yes", counters.polls_yes.load()},
               {"no", counters.polls_no.load()},
               {"refused", counters.polls_refused.load()},
               {"withdrawals", counters.withdrawals.load()},
               {"call_us_max", counters.call_ns_max.load() / 1000},
               {"in_call_ms", since_ns == 0 ? 0 : (clock_->now_ns() - since_ns) / 1'000'000}});
    }

    void print(const char* event, json line) {
        line["event"] = event;
        line["t_ms"] = clock_->now_ns() / 1'000'000;
        std::cout << line.dump() << std::endl;
    }

    const std::shared_ptr<const diskhb::engine::clock> clock_ =
        std::make_shared<diskhb::engine::system_clock>();
    boost::asio::io_context loop_;
    boost::asio::posix::stream_descriptor input_;
    boost::asio::streambuf line_;
    diskhb::corosync::quorum quorum_;
    vote_thread votes_;
    ring_id ring_;
    std::uint64_t generation_ = 0;
};

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
    diskhb::quorum::vote_thread_options options;
    options.expected.model = "disk";
    bool with_quorum = true;
    std::int64_t timeout_ms = 10000;
    std::int64_t sync_timeout_ms = 30000;
    std::int64_t answer_ms = 25000;
    std::int64_t patience_ms = 10000;
    CLI::App app("The vote thread, by hand");
    app.add_option("--votes", options.expected.votes, "of the device");
    app.add_option("--name", options.device_name, "of the device");
    app.add_option("--timeout", timeout_ms, "quorum.device.timeout");
    app.add_option("--sync-timeout", sync_timeout_ms, "quorum.device.sync_timeout");
    app.add_option("--answer", answer_ms, "how long an order may take");
    app.add_option("--patience", patience_ms, "how long Corosync may take to start");
    app.add_flag("!--no-quorum-service", with_quorum, "do not ask the quorum service");
    CLI11_PARSE(app, argc, argv);
    options.expected.timeout = std::chrono::milliseconds(timeout_ms);
    options.expected.sync_timeout = std::chrono::milliseconds(sync_timeout_ms);
    options.answer_patience = std::chrono::milliseconds(answer_ms);
    options.registration_patience = std::chrono::milliseconds(patience_ms);
    options.stop_patience = std::chrono::milliseconds(1000);
    lab::probe(options).run(with_quorum);
    return EXIT_SUCCESS;
}
