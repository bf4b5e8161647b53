// SPDX-License-Identifier: BSD-3-Clause
#include "oracle.hpp"

#include <fmt/format.h>

#include <cstring>

#include "io/sim_random.hpp"

namespace diskhb::sim {
namespace {

// The head of every letter; what follows is random by its number.
struct head {
    std::uint64_t hash = 0;  // over all that follows
    std::uint64_t incarnation = 0;
    std::uint64_t number = 0;
    std::uint64_t sent_ns = 0;
    std::uint32_t sender = 0;
    std::uint32_t destination = 0;
    std::uint32_t size = 0;
    std::uint16_t type = 0;
    std::uint16_t is_message = 0;
};
static_assert(sizeof(head) == oracle::letter_bytes_least);

std::uint64_t hash_of(std::span<const std::byte> bytes) {
    std::uint64_t value = bytes.size();
    while (!bytes.empty()) {
        std::uint64_t word = 0;
        const std::size_t size = std::min(bytes.size(), sizeof word);
        std::memcpy(&word, bytes.data(), size);
        value = (value ^ word) * 0x9e3779b97f4a7c15ULL;
        value ^= value >> 29;
        bytes = bytes.subspan(size);
    }
    return value;
}

}  // namespace

struct oracle::opened {
    head content;
    bool is_whole = false;
};

void oracle::violated(const std::string& what) {
    constexpr std::size_t kept = 20;
    if (violations_.size() < kept) {
        violations_.push_back(what);
    }
}

void oracle::trace(std::uint64_t value) { hash_ = io::mix(hash_ ^ value); }

oracle::life& oracle::life_of(const letter& of) {
    auto [found, is_new] = lives_.try_emplace(of.incarnation);
    if (is_new) {
        found->second.node = of.sender;
        found->second.order = lives_.size();
    }
    return found->second;
}

std::span<const std::byte> oracle::write_datagram(const letter& to_send, std::size_t size,
                                                  std::uint64_t now_ns) {
    draft_goes_to_ = &life_of(to_send).datagrams;
    return write(to_send, draft_goes_to_->size(), false, size, now_ns);
}

std::span<const std::byte> oracle::write_message(const letter& to_send, std::size_t size,
                                                 std::uint64_t now_ns) {
    draft_goes_to_ = &life_of(to_send).messages[to_send.destination];
    return write(to_send, draft_goes_to_->size(), true, size, now_ns);
}

std::span<const std::byte> oracle::write(const letter& to_send, std::uint64_t number,
                                         bool is_message, std::size_t size, std::uint64_t now_ns) {
    draft_.resize(std::max(size, sizeof(head)));
    head content{0,
                 to_send.incarnation,
                 number,
                 now_ns,
                 to_send.sender,
                 to_send.destination,
                 static_cast<std::uint32_t>(draft_.size()),
                 static_cast<std::uint16_t>(to_send.type),
                 is_message};
    std::memset(draft_.data() + sizeof content, static_cast<int>(io::mix(number) & 0xff),
                draft_.size() - sizeof content);
    std::memcpy(draft_.data(), &content, sizeof content);
    content.hash = hash_of(std::span(draft_).subspan(sizeof content.hash));
    std::memcpy(draft_.data(), &content, sizeof content.hash);
    drafted_ = {to_send.destination, content.size, content.hash, now_ns, to_send.type};
    return draft_;
}

void oracle::sent() {
    draft_goes_to_->push_back(drafted_);
    ++datagrams_sent_;
    trace(drafted_.hash ^ drafted_.sent_ns);
}

oracle::opened oracle::open(std::span<const std::byte> payload, std::uint32_t receiver,
                            std::uint32_t from) {
    opened found;
    if (payload.size() >= sizeof(head)) {
        std::memcpy(&found.content, payload.data(), sizeof(head));
        found.is_whole = found.content.size == payload.size() &&
                         found.content.hash == hash_of(payload.subspan(sizeof found.content.hash));
    }
    if (!found.is_whole) {
        violated(fmt::format("damaged: {} bytes from node {} to node {}", payload.size(), from,
                             receiver));
    }
    return found;
}

bool oracle::is_genuine(const opened& found, const std::vector<record>& known,
                        std::uint32_t receiver, std::uint32_t from,
                        std::span<const std::byte> payload) {
    const head& content = found.content;
    if (content.number >= known.size() || known[content.number].hash != content.hash ||
        known[content.number].size != payload.size() || content.sender != from) {
        violated(fmt::format("never sent: number {} of incarnation {:x}, from node {} to node {}",
                             content.number, content.incarnation, from, receiver));
        return false;
    }
    if (content.destination != receiver && content.destination != every_node) {
        violated(fmt::format("for node {}, delivered to node {}", content.destination, receiver));
        return false;
    }
    return true;
}

void oracle::datagram_delivered(std::uint32_t receiver, std::uint32_t from,
                                std::span<const std::byte> payload, std::uint64_t now_ns) {
    const opened found = open(payload, receiver, from);
    const head& content = found.content;
    const auto sender = lives_.find(content.incarnation);
    if (!found.is_whole || sender == lives_.end() ||
        !is_genuine(found, sender->second.datagrams, receiver, from, payload)) {
        return;
    }
    progress& so_far = progress_[{receiver, from}];
    if (sender->second.order < so_far.life_order) {
        violated(fmt::format("from a former life: number {} of node {} to node {}", content.number,
                             from, receiver));
    }
    if (sender->second.order > so_far.life_order) {
        so_far = {sender->second.order, {}};
    }
    std::uint64_t& next = so_far.next_number.at(content.type);
    if (content.number < next) {
        violated(fmt::format("twice or out of order: number {} after {} of node {} to node {}",
                             content.number, next - 1, from, receiver));
    }
    next = content.number + 1;
    judge_age(now_ns - content.sent_ns, content.number, receiver, from);
    ++datagram_counts_[{from, receiver}];
    ++datagrams_delivered_;
    trace(content.hash ^ now_ns ^ receiver);
}

void oracle::judge_age(std::uint64_t age_ns, std::uint64_t number, std::uint32_t receiver,
                       std::uint32_t from) {
    const auto limit = age_limits_.find({from, receiver});
    const bool is_limited = limit != age_limits_.end();
    const std::uint64_t most_ns = is_limited ? limit->second : age_ns_most_;
    std::uint64_t& oldest_ns = is_limited ? oldest_limited_ns_ : oldest_ns_;
    oldest_ns = std::max(oldest_ns, age_ns);
    if (age_ns > most_ns) {
        violated(fmt::format("{} ms old (at most {} ms): number {} of node {} to node {}",
                             age_ns / 1'000'000, most_ns / 1'000'000, number, from, receiver));
    }
}

void oracle::message_delivered(std::uint32_t receiver, std::uint64_t receiver_incarnation,
                               std::uint32_t from, std::span<const std::byte> payload) {
    const opened found = open(payload, receiver, from);
    const head& content = found.content;
    const auto sender = lives_.find(content.incarnation);
    if (!found.is_whole || sender == lives_.end() ||
        !is_genuine(found, sender->second.messages[receiver], receiver, from, payload)) {
        return;
    }
    // The first one that this receiver gets from this sender may be any: what was sent before the
    // sender knew of it is lost. From then on not one may be missing.
    const auto [next, is_first] =
        next_message_.try_emplace({content.incarnation, receiver_incarnation}, content.number);
    if (content.number != next->second) {
        violated(fmt::format("message {} instead of {} of node {} to node {}", content.number,
                             next->second, from, receiver));
    }
    next->second = content.number + 1;
    ++message_counts_[{from, receiver}];
    ++messages_delivered_;
    trace(content.hash ^ receiver_incarnation);
}

void oracle::receiver_restarted(std::uint32_t receiver) {
    for (auto& [who, so_far] : progress_) {
        if (who.first == receiver) {
            so_far.next_number = {};
        }
    }
}

std::uint64_t oracle::datagrams_from_to(std::uint32_t sender, std::uint32_t receiver) const {
    const auto found = datagram_counts_.find({sender, receiver});
    return found == datagram_counts_.end() ? 0 : found->second;
}

std::uint64_t oracle::messages_from_to(std::uint32_t sender, std::uint32_t receiver) const {
    const auto found = message_counts_.find({sender, receiver});
    return found == message_counts_.end() ? 0 : found->second;
}

}  // namespace diskhb::sim
