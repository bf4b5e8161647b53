// SPDX-License-Identifier: BSD-3-Clause
// Knows everything that was ever sent, and judges everything that is delivered: at most once, only
// to its destination, in order for each incarnation and packet type, undamaged, in time, and never
// from a life that the receiver has seen followed by another. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "diskhb/node.hpp"

namespace diskhb::sim {

// Who sends what to whom.
struct letter {
    std::uint32_t sender = 0;
    std::uint32_t destination = every_node;
    std::uint64_t incarnation = 0;  // the sender's
    packet_type type = packet_type::cluster;
};

class oracle {
  public:
    // Letters are this long at least.
    static constexpr std::size_t letter_bytes_least = 48;

    explicit oracle(std::uint64_t age_ns_most) : age_ns_most_(age_ns_most) {}

    // Of what one node sends another nothing may be older than that when it is delivered.
    void limit_age(std::uint32_t sender, std::uint32_t receiver, std::uint64_t age_ns_most) {
        age_limits_[{sender, receiver}] = age_ns_most;
    }

    // The payload of the sender's next datagram or message; it counts as sent when sent() is
    // called, and is made anew with the same number otherwise.
    std::span<const std::byte> write_datagram(const letter& to_send, std::size_t size,
                                              std::uint64_t now_ns);
    std::span<const std::byte> write_message(const letter& to_send, std::size_t size,
                                             std::uint64_t now_ns);
    void sent();

    void datagram_delivered(std::uint32_t receiver, std::uint32_t from,
                            std::span<const std::byte> payload, std::uint64_t now_ns);
    // receiver_incarnation: in which it was taken.
    void message_delivered(std::uint32_t receiver, std::uint64_t receiver_incarnation,
                           std::uint32_t from, std::span<const std::byte> payload);
    // A process that starts anew may get what its forerunner got.
    void receiver_restarted(std::uint32_t receiver);

    // Of any incarnations.
    std::uint64_t datagrams_from_to(std::uint32_t sender, std::uint32_t receiver) const;
    std::uint64_t messages_from_to(std::uint32_t sender, std::uint32_t receiver) const;

    void violated(const std::string& what);
    const std::vector<std::string>& violations() const { return violations_; }
    // Changes with every letter and its time.
    std::uint64_t trace_hash() const { return hash_; }
    void trace(std::uint64_t value);
    std::uint64_t datagrams_sent() const { return datagrams_sent_; }
    std::uint64_t datagrams_delivered() const { return datagrams_delivered_; }
    std::uint64_t messages_delivered() const { return messages_delivered_; }
    std::uint64_t oldest_ns() const { return oldest_ns_; }
    std::uint64_t oldest_limited_ns() const { return oldest_limited_ns_; }  // where limit_age holds

  private:
    struct record {
        std::uint32_t destination = 0;
        std::uint32_t size = 0;
        std::uint64_t hash = 0;
        std::uint64_t sent_ns = 0;
        packet_type type = packet_type::cluster;
    };
    struct life {
        std::uint32_t node = 0;
        std::uint64_t order = 0;  // of all lives, by their first letter
        std::vector<record> datagrams;
        std::map<std::uint32_t, std::vector<record>> messages;  // by destination
    };
    // What one process has got from one sender.
    struct progress {
        std::uint64_t life_order = 0;
        std::array<std::uint64_t, packet_type_count> next_number{};
    };
    struct opened;

    life& life_of(const letter& of);
    std::span<const std::byte> write(const letter& to_send, std::uint64_t number, bool is_message,
                                     std::size_t size, std::uint64_t now_ns);
    opened open(std::span<const std::byte> payload, std::uint32_t receiver, std::uint32_t from);
    bool is_genuine(const opened& found, const std::vector<record>& known, std::uint32_t receiver,
                    std::uint32_t from, std::span<const std::byte> payload);

    void judge_age(std::uint64_t age_ns, std::uint64_t number, std::uint32_t receiver,
                   std::uint32_t from);

    std::uint64_t age_ns_most_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> age_limits_;
    std::unordered_map<std::uint64_t, life> lives_;  // by incarnation
    std::map<std::pair<std::uint32_t, std::uint32_t>, progress> progress_;
    // The next message's number, by the incarnations of sender and receiver.
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> next_message_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> datagram_counts_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> message_counts_;

    std::vector<std::byte> draft_;
    record drafted_;
    std::vector<record>* draft_goes_to_ = nullptr;
    std::vector<std::string> violations_;
    std::uint64_t hash_ = 0;
    std::uint64_t datagrams_sent_ = 0;
    std::uint64_t datagrams_delivered_ = 0;
    std::uint64_t messages_delivered_ = 0;
    std::uint64_t oldest_ns_ = 0;
    std::uint64_t oldest_limited_ns_ = 0;
};

}  // namespace diskhb::sim
