// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/vote_thread.hpp"

#include <utility>

#include "plugin/quorum/vote_worker.hpp"

namespace diskhb::quorum {

vote_thread::vote_thread(vote_thread_options options, std::shared_ptr<const engine::clock> clock,
                         vote_listener listener)
    : worker_(std::make_shared<worker>(std::move(options), std::move(clock), std::move(listener))) {
}

vote_thread::~vote_thread() { stop(); }

void vote_thread::start() { worker_->start(); }

void vote_thread::follow(const vote_order& order) { worker_->follow(order); }

bool vote_thread::stop() { return worker_->stop(); }

std::uint64_t vote_thread::in_call_since_ns() const noexcept { return worker_->in_call_since_ns(); }

const vote_counters& vote_thread::counters() const noexcept { return worker_->counters(); }

}  // namespace diskhb::quorum
