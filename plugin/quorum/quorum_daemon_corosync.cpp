// SPDX-License-Identifier: BSD-3-Clause
// What Corosync tells diskhb-quorumd.
#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "plugin/quorum/quorum_daemon.hpp"

namespace diskhb::quorum {

std::unique_ptr<vote_thread> quorum_daemon::make_vote_thread() {
    const timings& times = config_.times;
    vote_thread_options options;
    options.expected = {config_.device.model, config_.device.votes, times.device_timeout,
                        times.sync_timeout};
    options.answer_patience = times.answer + (times.sync_timeout - times.answer) / 2;
    vote_listener listener;
    // Called on the vote thread: everything is handed to the loop.
    listener.on_ring = [this](const ring_id& ring, const slot_set& members, bool is_waiting) {
        boost::asio::post(loop_, [=, this] { handle_ring(ring, members, is_waiting); });
    };
    listener.on_quorum = [this](const quorum_news& news) {
        boost::asio::post(loop_, [=, this] { handle_quorum(news); });
    };
    listener.on_accepted = [this](std::uint64_t generation) {
        boost::asio::post(loop_, [=, this] { handle_accepted(generation); });
    };
    listener.on_failure = [this](const std::string& what, bool is_final) {
        boost::asio::post(loop_, [=, this] { handle_corosync_failure(what, is_final); });
    };
    return std::make_unique<vote_thread>(options, clock_, std::move(listener));
}

void quorum_daemon::handle_ring(const ring_id& ring, const slot_set& members, bool is_waiting) {
    const auto nodes = nodes_of(members);
    log_.info("Corosync: ring {} with nodes {}{}", ring_text(ring), fmt::join(nodes, ", "),
              is_waiting ? ", waiting for our answer" : "");
    if (!corosync_.ring.known()) {
        (void)corosync_process_.follow(corosync_pid_file, "corosync");
    }
    corosync_.ring = ring;
    corosync_.members = members;
    // A node that no slot was counted for could have a vote that nobody sees.
    const auto stranger = std::find_if(nodes.begin(), nodes.end(), [this](std::uint32_t node_id) {
        return std::none_of(config_.nodes.begin(), config_.nodes.end(),
                            [=](const cluster_node& each) { return each.node_id == node_id; });
    });
    if (stranger != nodes.end()) {
        log_.error("node {} is in the ring, but was not in {} at start: starting anew to read it",
                   *stranger, config_.corosync_conf_path);
        begin_stop(exit_failed);
        return;
    }
    heuristics_.ring_has_changed();
    step(ring_has_changed{ring, members, is_waiting});
}

void quorum_daemon::handle_quorum(const quorum_news& news) {
    if (news.is_quorate != corosync_.is_quorate) {
        log_.info("Corosync: {}, {} of {} votes, {} needed",
                  news.is_quorate ? "quorate" : "no quorum", news.total_votes, news.expected_votes,
                  news.quorum);
    }
    corosync_.is_quorate = news.is_quorate;
}

void quorum_daemon::handle_accepted(std::uint64_t generation) {
    become_ready();
    step(poll_was_accepted{generation});
}

void quorum_daemon::handle_corosync_failure(const std::string& what, bool is_final) {
    if (is_stopping_) {
        return;
    }
    if (!is_final) {
        log_.warn("{}", what);
        return;
    }
    // A broken connection is no proof that Corosync is gone, and with it every vote of this node.
    // Until there is one the others have to wait as long as a vote could stand.
    corosync_process_.when_ended([this] { step(ring_has_changed{}); });
    log_.error("{}", what);
    corosync_.ring = {};
    corosync_.members = {};
    begin_stop(exit_failed);
}

}  // namespace diskhb::quorum
