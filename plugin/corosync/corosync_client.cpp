// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/corosync_client.hpp"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "plugin/corosync/cfg.hpp"
#include "plugin/corosync/quorum.hpp"

namespace diskhb::corosync {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds connect_again{500};
constexpr std::chrono::milliseconds send_again{2};
constexpr std::chrono::seconds end_patience{1};
// Signs of life are told no more often: they would be a post for each node and poll.
constexpr std::chrono::milliseconds life_interval{250};
constexpr const char* nodelist_prefix = "nodelist.node.";
constexpr const char* token_key = "runtime.config.totem.token";  // cmap_keys(7)

}  // namespace

// What the thread works with. It keeps itself alive until the thread has ended.
class corosync_client::worker : public std::enable_shared_from_this<worker> {
  public:
    worker(asio::io_context& loop, const options& how, handlers call)
        : loop_(&loop),
          how_(how),
          handlers_(std::move(call)),
          work_(asio::make_work_guard(context_)),
          timer_(context_),
          send_timer_(context_),
          map_(context_, {[this](const std::string& key) { read_config(key); }, lost()}),
          links_(context_, {lost()}),
          quorum_(context_,
                  {[this](bool is_quorate, const ring_id&, auto members) {
                       tell_input(quorum_report{is_quorate, {members.begin(), members.end()}});
                   },
                   lost()}),
          group_(context_,
                 {[this](const group_member& from, auto message) { tell_message(from, message); },
                  [this](auto members) { tell_group(members); }, lost()}) {}

    void start() {
        asio::post(context_, [this] { connect(); });
        std::promise<void> ended;
        ended_ = ended.get_future();
        std::thread([self = shared_from_this(), promise = std::move(ended)]() mutable {
            self->context_.run();
            self->close();
            promise.set_value_at_thread_exit();
        }).detach();
    }

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            loop_ = nullptr;
        }
        context_.stop();
        (void)ended_.wait_for(end_patience);
    }

    bool send(std::vector<std::byte> message) {
        if (waiting_.fetch_add(1) >= unsent_max) {
            --waiting_;
            return false;
        }
        asio::post(context_, [this, message = std::move(message)]() mutable {
            unsent_.push_back(std::move(message));
            if (unsent_.size() == 1) {
                send_unsent();
            }
        });
        return true;
    }

  private:
    std::function<void(const error_code&)> lost() {
        // Posted: what calls it is about to be closed.
        return [this](const error_code& error) {
            asio::post(context_, [this, error] { give_up(error); });
        };
    }

    void connect() {
        error_code error = map_.connect();
        for (const char* const prefix : {nodelist_prefix, token_key}) {
            if (!error) {
                error = map_.track(prefix);
            }
        }
        if (!error) {
            error = links_.connect();
        }
        if (!error) {
            error = links_.track();
        }
        if (!error) {
            error = quorum_.connect();
        }
        if (!error) {
            error = quorum_.track();
        }
        if (!error && !how_.group.empty()) {
            error = group_.connect();
        }
        if (!error) {
            is_connected_ = true;
            read_token();
            read_nodes();
            join();
        } else {
            give_up(error);
        }
    }

    void read_config(const std::string& changed_key) {
        if (changed_key == token_key) {
            read_token();
        } else if (changed_key.starts_with(nodelist_prefix)) {
            read_nodes();
        }
    }

    void read_token() {
        if (const auto token_ms = map_.number(token_key); token_ms) {
            tell_input(totem_report{std::chrono::milliseconds(*token_ms)});
        }
    }

    // The nodelist is small, and seldom changes; each of its keys is told of by itself.
    void read_nodes() {
        auto nodes = map_.nodes();
        if (!nodes) {
            return;
        }
        node_ids_.clear();
        for (const auto& node : *nodes) {
            node_ids_.push_back(node.node_id);
        }
        tell([nodes = std::move(*nodes)](const handlers& to) {
            if (to.on_nodes) {
                to.on_nodes(nodes);
            }
        });
    }

    // Refused while the membership changes.
    void join() {
        if (!is_connected_) {
            return;
        }
        if (!how_.group.empty()) {
            const auto error = group_.join(how_.group);
            if (error == to_error(CS_ERR_TRY_AGAIN)) {
                after(timer_, send_again, [this] { join(); });
                return;
            }
            if (error) {
                give_up(error);
                return;
            }
        }
        poll();
    }

    void poll() {
        if (!is_connected_) {
            return;
        }
        auto report = read_link_states(links_, node_ids_, [this] { tell_life(); });
        if (report) {
            tell_input(std::move(*report));
        } else if (report.error() != to_error(CS_ERR_TRY_AGAIN)) {
            give_up(report.error());
            return;
        }
        after(timer_, how_.poll_interval, [this] { poll(); });
    }

    void send_unsent() {
        while (!unsent_.empty()) {
            const auto error = group_.send(unsent_.front());
            if (error == to_error(CS_ERR_TRY_AGAIN)) {
                after(send_timer_, send_again, [this] { send_unsent(); });
                return;
            }
            unsent_.pop_front();
            --waiting_;
        }
    }

    void give_up(const error_code& error) {
        is_connected_ = false;
        close();
        waiting_ -= unsent_.size();
        unsent_.clear();
        tell_input(corosync_gone{error});
        after(timer_, connect_again, [this] { connect(); });
    }

    void close() {
        group_.close();
        quorum_.close();
        links_.close();
        map_.close();
    }

    template <class Function>
    static void after(asio::steady_timer& timer, std::chrono::milliseconds time,
                      Function function) {
        timer.expires_after(time);
        timer.async_wait([function = std::move(function)](const error_code& error) {
            if (!error) {
                function();
            }
        });
    }

    template <class Function>
    void tell(Function function) {
        const std::lock_guard lock(mutex_);
        if (loop_ != nullptr) {
            asio::post(*loop_, [weak = weak_from_this(), function = std::move(function)] {
                // Ended on the loop's own thread, so it cannot end while this runs.
                const auto self = weak.lock();
                if (self && self->is_wanted()) {
                    function(self->handlers_);
                }
            });
        }
    }
    bool is_wanted() {
        const std::lock_guard lock(mutex_);
        return loop_ != nullptr;
    }

    // Any answer is one, CS_ERR_TRY_AGAIN too.
    void tell_life() {
        const auto now = std::chrono::steady_clock::now();
        if (now - life_told_at_ >= life_interval) {
            life_told_at_ = now;
            tell_input(sign_of_life{});
        }
    }

    void tell_input(interconnect_input input) {
        tell([input = std::move(input)](const handlers& to) {
            if (to.on_input) {
                to.on_input(input);
            }
        });
    }

    void tell_group(std::span<const group_member> members) {
        tell(
            [list = std::vector<group_member>(members.begin(), members.end())](const handlers& to) {
                if (to.on_group) {
                    to.on_group(list);
                }
            });
    }

    void tell_message(const group_member& from, std::span<const std::byte> message) {
        tell_life();
        tell([from, bytes = std::vector<std::byte>(message.begin(), message.end()),
              delivered = std::chrono::steady_clock::now()](const handlers& to) {
            if (to.on_message) {
                to.on_message(from, bytes, delivered);
            }
        });
    }

    std::mutex mutex_;        // of loop_
    asio::io_context* loop_;  // the caller's; none: nobody listens any more
    const options how_;
    const handlers handlers_;   // called on the caller's thread only
    asio::io_context context_;  // what follows belongs to its thread
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    asio::steady_timer timer_;  // to connect, to join or to poll
    asio::steady_timer send_timer_;
    cmap map_;
    cfg links_;
    quorum quorum_;
    cpg group_;
    bool is_connected_ = false;
    std::vector<std::uint32_t> node_ids_;
    std::chrono::steady_clock::time_point life_told_at_{};
    std::deque<std::vector<std::byte>> unsent_;
    std::atomic<std::size_t> waiting_ = 0;  // in unsent_ or on the way there
    std::future<void> ended_;               // of the caller's thread
};

corosync_client::corosync_client(asio::io_context& loop, const options& how, handlers call)
    : worker_(std::make_shared<worker>(loop, how, std::move(call))) {
    worker_->start();
}

corosync_client::~corosync_client() { worker_->stop(); }

bool corosync_client::send(std::vector<std::byte> message) {
    return worker_->send(std::move(message));
}

}  // namespace diskhb::corosync
