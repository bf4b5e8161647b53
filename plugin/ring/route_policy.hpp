// SPDX-License-Identifier: BSD-3-Clause
// The decisions of [[route]]: by the gateway or over the ring, by which carrier, and for whom this
// node carries. Pure state machines: time and what was seen come in, what to do comes out. One
// thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace diskhb::daemon {

// One route as a node that uses it sees it.
class route_policy {
  public:
    struct settings {
        unsigned down_after = 3;  // probes one after another
        unsigned up_after = 5;
        std::vector<std::uint32_t> carriers;  // in the order of preference, without ourselves
    };
    struct input {
        std::optional<bool> probe;          // the last probe's fate, told once
        std::vector<std::uint32_t> usable;  // carriers that are heard and ready
    };
    // The way to take from now on.
    struct action {
        std::uint32_t carrier = 0;  // 0: by the gateway
        bool gateway_answers = true;
        bool operator==(const action&) const = default;
    };

    explicit route_policy(settings chosen) : settings_(std::move(chosen)) {}

    // An action when something has changed. `now`: of the clock that since() is asked of.
    std::optional<action> step(const input& seen, std::chrono::nanoseconds now) {
        if (seen.probe) {
            count(*seen.probe);
        }
        const action next{is_answering_ ? 0 : choose(seen.usable), is_answering_};
        if (next == current_) {
            return std::nullopt;
        }
        if (next.carrier != current_.carrier) {
            since_ = now;
            ++changes_;
        }
        current_ = next;
        return next;
    }

    const action& current() const noexcept { return current_; }
    std::chrono::nanoseconds since() const noexcept { return since_; }
    std::uint64_t changes() const noexcept { return changes_; }

  private:
    void count(bool answered) {
        in_a_row_ = answered == last_ ? in_a_row_ + 1 : 1;
        last_ = answered;
        if (answered != is_answering_ &&
            in_a_row_ >= (answered ? settings_.up_after : settings_.down_after)) {
            is_answering_ = answered;
        }
    }
    // The carrier in use stays as long as it can: a better one that comes back is no reason to
    // move connections.
    std::uint32_t choose(const std::vector<std::uint32_t>& usable) const {
        const auto is_usable = [&](std::uint32_t node_id) {
            return std::find(usable.begin(), usable.end(), node_id) != usable.end();
        };
        if (current_.carrier != 0 && is_usable(current_.carrier)) {
            return current_.carrier;
        }
        const auto found =
            std::find_if(settings_.carriers.begin(), settings_.carriers.end(), is_usable);
        return found == settings_.carriers.end() ? 0 : *found;
    }

    settings settings_;
    bool is_answering_ = true;
    bool last_ = true;
    unsigned in_a_row_ = 0;
    action current_;
    std::chrono::nanoseconds since_{0};
    std::uint64_t changes_ = 0;
};

// What another node has said last of one route, good for a while: that it wants us to carry, or
// that it is ready to carry for us.
class route_word {
  public:
    void say(bool yes, std::chrono::nanoseconds now, std::chrono::nanoseconds good_for) {
        until_ = yes ? std::optional(now + good_for) : std::nullopt;
    }
    bool holds(std::chrono::nanoseconds now) const noexcept { return until_ && now < *until_; }

  private:
    std::optional<std::chrono::nanoseconds> until_;
};

}  // namespace diskhb::daemon
