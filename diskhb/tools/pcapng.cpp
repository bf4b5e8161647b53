// SPDX-License-Identifier: BSD-3-Clause
#include "tools/pcapng.hpp"

#include <algorithm>
#include <iterator>

#include "format/bytes.hpp"

namespace diskhb::tools::pcapng {
namespace {

// Block types, option codes and the link type, as the specification numbers them.
constexpr std::uint32_t section_block = 0x0a0d0d0a;
constexpr std::uint32_t interface_block = 1;
constexpr std::uint32_t statistics_block = 5;
constexpr std::uint32_t packet_block = 6;
constexpr std::uint32_t byte_order_magic = 0x1a2b3c4d;
constexpr std::uint16_t option_comment = 1;
constexpr std::uint16_t section_hardware = 2;
constexpr std::uint16_t section_application = 4;
constexpr std::uint16_t interface_name = 2;
constexpr std::uint16_t interface_description = 3;
constexpr std::uint16_t interface_resolution = 9;
constexpr std::uint16_t packet_flags = 2;
constexpr std::uint16_t statistics_received = 4;
constexpr std::uint16_t statistics_dropped = 5;
constexpr std::uint16_t link_type_raw_ip = 101;
constexpr std::uint8_t resolution_ns = 9;   // 10^-9 s
constexpr std::uint32_t flag_outbound = 2;  // the interface is of the node that sent it

// A block under construction; finish() adds both lengths.
class block {
  public:
    explicit block(std::uint32_t type) {
        number(type);
        number(std::uint32_t{0});
    }
    template <class Number>
    block& number(Number value) {
        std::byte encoded[sizeof value];
        format::store(std::span<std::byte>(encoded), 0, value);
        bytes_.insert(bytes_.end(), std::begin(encoded), std::end(encoded));
        return *this;
    }
    block& padded(std::span<const std::byte> content) {
        bytes_.insert(bytes_.end(), content.begin(), content.end());
        bytes_.resize((bytes_.size() + 3) / 4 * 4);
        return *this;
    }
    // Times are two halves, the upper one first.
    block& time(std::uint64_t time_ns) {
        number(static_cast<std::uint32_t>(time_ns >> 32));
        return number(static_cast<std::uint32_t>(time_ns));
    }
    block& option(std::uint16_t code, std::span<const std::byte> content) {
        const auto size = std::min<std::size_t>(content.size(), 0xffff);
        number(code);
        number(static_cast<std::uint16_t>(size));
        return padded(content.first(size));
    }
    block& option(std::uint16_t code, const std::string& text) {
        return text.empty() ? *this : option(code, std::as_bytes(std::span(text)));
    }
    template <class Number>
    block& number_option(std::uint16_t code, Number value) {
        std::byte encoded[sizeof value];
        format::store(std::span<std::byte>(encoded), 0, value);
        return option(code, encoded);
    }
    bytes finish() {
        number(std::uint32_t{0});  // opt_endofopt, with length 0
        const auto length = static_cast<std::uint32_t>(bytes_.size() + sizeof(std::uint32_t));
        number(length);
        format::store(std::span(bytes_), sizeof(std::uint32_t), length);
        return std::move(bytes_);
    }

  private:
    bytes bytes_;
};

}  // namespace

bytes section(const std::string& hardware, const std::string& application,
              const std::string& comment) {
    return block(section_block)
        .number(byte_order_magic)
        .number(std::uint16_t{1})  // version 1.0
        .number(std::uint16_t{0})
        .number(~std::uint64_t{0})  // the section's length is not given
        .option(section_hardware, hardware)
        .option(section_application, application)
        .option(option_comment, comment)
        .finish();
}

bytes interface(const std::string& name, const std::string& description,
                std::uint32_t longest_packet_bytes) {
    return block(interface_block)
        .number(link_type_raw_ip)
        .number(std::uint16_t{0})
        .number(longest_packet_bytes)
        .option(interface_name, name)
        .option(interface_description, description)
        .number_option(interface_resolution, resolution_ns)
        .finish();
}

bytes packet(std::uint32_t interface, std::uint64_t time_ns, std::span<const std::byte> content,
             const std::vector<std::string>& comments) {
    const auto size = static_cast<std::uint32_t>(content.size());
    block made(packet_block);
    made.number(interface).time(time_ns).number(size).number(size).padded(content);
    made.number_option(packet_flags, flag_outbound);
    for (const auto& comment : comments) {
        made.option(option_comment, comment);
    }
    return made.finish();
}

bytes statistics(std::uint32_t interface, std::uint64_t time_ns, std::uint64_t received,
                 std::uint64_t dropped, const std::string& comment) {
    return block(statistics_block)
        .number(interface)
        .time(time_ns)
        .number_option(statistics_received, received)
        .number_option(statistics_dropped, dropped)
        .option(option_comment, comment)
        .finish();
}

}  // namespace diskhb::tools::pcapng
