// SPDX-License-Identifier: BSD-3-Clause
// Packets as pcapng, which Wireshark and tshark read (draft-ietf-opsawg-pcapng): one section, an
// interface for each node, packets with nanoseconds and comments. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace diskhb::tools::pcapng {

using bytes = std::vector<std::byte>;

// The first block of a file. Throws nothing; texts are cut at 65535 bytes.
bytes section(const std::string& hardware, const std::string& application,
              const std::string& comment);
// Interfaces are numbered from 0 in the order in which they appear. Packets are raw IP.
bytes interface(const std::string& name, const std::string& description,
                std::uint32_t longest_packet_bytes);
// time_ns: since 1970. comments: what the reader is told beside the packet.
bytes packet(std::uint32_t interface, std::uint64_t time_ns, std::span<const std::byte> content,
             const std::vector<std::string>& comments);
// At the end of a capture, for each interface: packets that were not captured.
bytes statistics(std::uint32_t interface, std::uint64_t time_ns, std::uint64_t received,
                 std::uint64_t dropped, const std::string& comment);

}  // namespace diskhb::tools::pcapng
