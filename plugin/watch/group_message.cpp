// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/watch/group_message.hpp"

#include <algorithm>
#include <concepts>
#include <cstring>
#include <type_traits>

#include "format/bytes.hpp"

namespace diskhb::watch {

namespace {

constexpr std::uint32_t magic = 0x31676864;  // "dhg1"

// Both go through the same description of a message: put and get of `field` are each other's
// mirror.
class writer {
  public:
    static constexpr bool reads = false;

    template <std::unsigned_integral Number>
    void field(const Number& value) {
        const auto at = bytes_.size();
        bytes_.resize(at + sizeof value);
        format::store<Number>(bytes_, at, value);
    }
    void field(const std::string& text) {
        const auto length = std::min(text.size(), text_bytes_max);
        field(static_cast<std::uint16_t>(length));
        const auto source = std::as_bytes(std::span(text.data(), length));
        bytes_.insert(bytes_.end(), source.begin(), source.end());
    }
    void field(const std::vector<std::byte>& payload) {
        const auto length = std::min(payload.size(), payload_bytes_max);
        field(static_cast<std::uint32_t>(length));
        bytes_.insert(bytes_.end(), payload.begin(),
                      payload.begin() + static_cast<std::ptrdiff_t>(length));
    }
    template <class Element, class Each>
    void list(const std::vector<Element>& elements, std::size_t most, Each each) {
        const auto count = std::min(elements.size(), most);
        field(static_cast<std::uint16_t>(count));
        for (std::size_t i = 0; i < count; ++i) {
            each(elements[i]);
        }
    }
    void flag(const bool& value) { field(static_cast<std::uint8_t>(value ? 1 : 0)); }
    template <class Enum>
    void choice(const Enum& value, Enum) {
        field(static_cast<std::uint8_t>(value));
    }
    std::vector<std::byte> take() { return std::move(bytes_); }

  private:
    std::vector<std::byte> bytes_;
};

// After the first thing that is wrong it reads nothing any more.
class reader {
  public:
    static constexpr bool reads = true;

    explicit reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    template <std::unsigned_integral Number>
    void field(Number& value) {
        if (has(sizeof value)) {
            value = format::load<Number>(bytes_, at_);
            at_ += sizeof value;
        }
    }
    void field(std::string& text) {
        std::uint16_t length = 0;
        field(length);
        const auto from = part(length, text_bytes_max);
        text.resize(from.size());
        if (!from.empty()) {
            std::memcpy(text.data(), from.data(), from.size());
        }
    }
    void field(std::vector<std::byte>& payload) {
        std::uint32_t length = 0;
        field(length);
        const auto from = part(length, payload_bytes_max);
        payload.assign(from.begin(), from.end());
    }
    template <class Element, class Each>
    void list(std::vector<Element>& elements, std::size_t most, Each each) {
        std::uint16_t count = 0;
        field(count);
        if (count > most) {
            is_good_ = false;
        }
        for (std::size_t i = 0; i < count && is_good_; ++i) {
            each(elements.emplace_back());
        }
    }
    void flag(bool& value) {
        std::uint8_t byte = 0;
        field(byte);
        is_good_ = is_good_ && byte <= 1;
        value = byte == 1;
    }
    template <class Enum>
    void choice(Enum& value, Enum highest) {
        std::uint8_t byte = 0;
        field(byte);
        is_good_ = is_good_ && byte <= static_cast<std::uint8_t>(highest);
        value = static_cast<Enum>(is_good_ ? byte : 0);
    }
    void require(bool is_so) noexcept { is_good_ = is_good_ && is_so; }
    bool is_whole() const noexcept { return is_good_ && at_ == bytes_.size(); }

  private:
    bool has(std::size_t count) noexcept {
        is_good_ = is_good_ && bytes_.size() - at_ >= count;
        return is_good_;
    }
    // The next bytes; none if they are more than the most, or than are left.
    std::span<const std::byte> part(std::size_t length, std::size_t most) noexcept {
        require(length <= most);
        if (!has(length)) {
            return {};
        }
        at_ += length;
        return bytes_.subspan(at_ - length, length);
    }

    std::span<const std::byte> bytes_;
    std::size_t at_ = 0;
    bool is_good_ = true;
};

template <class Codec, class Message>
requires std::same_as<std::remove_const_t<Message>, view_request>
void describe(Codec& codec, Message& message) { codec.field(message.token); }

template <class Codec, class Message>
requires std::same_as<std::remove_const_t<Message>, view>
void describe(Codec& codec, Message& message) {
    codec.field(message.token);
    codec.choice(message.corosync, corosync::corosync_state::gone);
    codec.choice(message.runs_on, corosync::carrier::ring);
    codec.flag(message.is_quorate);
    codec.flag(message.is_passing);
    codec.field(message.name);
    codec.list(message.members, nodes_max, [&](auto& node_id) { codec.field(node_id); });
    codec.list(message.others, nodes_max, [&](auto& node) {
        codec.field(node.node_id);
        codec.flag(node.is_member);
        codec.flag(node.on_network);
        codec.flag(node.on_ring);
    });
    codec.list(message.heard, nodes_max, [&](auto& node_id) { codec.field(node_id); });
    codec.list(message.rings, rings_max, [&](auto& ring) {
        codec.field(ring.link);
        codec.flag(ring.works);
        codec.field(ring.round_trip_us);
        codec.field(ring.interface);
        codec.field(ring.problem);
    });
    codec.field(message.refusal);
    codec.field(message.cut_refusal);
}

template <class Codec, class Message>
requires std::same_as<std::remove_const_t<Message>, drill_begin>
void describe(Codec& codec, Message& message) {
    codec.field(message.drill);
    codec.field(message.messages_per_s);
    codec.field(message.message_bytes);
    codec.field(message.life_ms);
    codec.field(message.silence_ms);
    codec.list(message.participants, nodes_max, [&](auto& each) {
        codec.field(each.node_id);
        codec.field(each.pid);
    });
}

template <class Codec, class Message>
requires std::same_as<std::remove_const_t<Message>, drill_phase>
void describe(Codec& codec, Message& message) {
    codec.field(message.drill);
    codec.choice(message.part, drill_part::after);
    codec.flag(message.for_all);
    codec.field(message.hold_ms);
}

template <class Codec, class Message>
requires std::same_as<std::remove_const_t<Message>, drill_data>
void describe(Codec& codec, Message& message) {
    codec.field(message.drill);
    codec.flag(message.is_last);
    codec.field(message.sequence);
    auto sent = static_cast<std::uint64_t>(message.sent_ns);
    codec.field(sent);
    if constexpr (Codec::reads) {
        message.sent_ns = static_cast<std::int64_t>(sent);
    }
    codec.field(message.checksum);
    codec.field(message.payload);
}

template <class Codec, class Message>
requires std::same_as<std::remove_const_t<Message>, drill_end>
void describe(Codec& codec, Message& message) { codec.field(message.drill); }

template <class Codec, class Optional>
void describe_optional(Codec& codec, Optional& value) {
    bool is_there = value.has_value();
    codec.flag(is_there);
    auto number = value.value_or(0);
    codec.field(number);
    if constexpr (Codec::reads) {
        codec.require(is_there || number == 0);
        value = is_there ? Optional(number) : std::nullopt;
    }
}

template <class Codec, class Message>
requires std::same_as<std::remove_const_t<Message>, drill_report>
void describe(Codec& codec, Message& message) {
    codec.field(message.drill);
    codec.field(message.name);
    codec.list(message.senders, nodes_max, [&](auto& sender) {
        codec.field(sender.node_id);
        codec.field(sender.received);
        codec.field(sender.lost);
        codec.field(sender.duplicated);
        codec.field(sender.reordered);
        codec.field(sender.corrupt);
        codec.flag(sender.is_complete);
        codec.field(sender.longest_gap_us);
    });
    codec.list(message.latency, latency_parts, [&](auto& part) {
        codec.field(part.messages);
        codec.field(part.us_p50);
        codec.field(part.us_p99);
        codec.field(part.us_max);
    });
    codec.field(message.quorum_losses);
    codec.field(message.membership_changes);
    codec.field(message.ring_losses);
    describe_optional(codec, message.detected_ms);
    describe_optional(codec, message.back_ms);
    codec.field(message.problem);
}

// The kind of a message is its place in the variant.
template <std::size_t Kind = 0>
std::optional<group_message> decode_kind(std::uint8_t kind, reader& from) {
    if constexpr (Kind == std::variant_size_v<group_message>) {
        return std::nullopt;
    } else {
        if (kind != Kind) {
            return decode_kind<Kind + 1>(kind, from);
        }
        std::variant_alternative_t<Kind, group_message> message;
        describe(from, message);
        return from.is_whole() ? std::optional<group_message>(std::move(message)) : std::nullopt;
    }
}

}  // namespace

std::vector<std::byte> encode(const group_message& message) {
    writer to;
    to.field(magic);
    to.field(static_cast<std::uint8_t>(message.index()));
    std::visit([&](const auto& each) { describe(to, each); }, message);
    return to.take();
}

std::optional<group_message> decode(std::span<const std::byte> bytes) {
    reader from(bytes);
    std::uint32_t found = 0;
    std::uint8_t kind = 0;
    from.field(found);
    from.field(kind);
    return found == magic ? decode_kind(kind, from) : std::nullopt;
}

}  // namespace diskhb::watch
