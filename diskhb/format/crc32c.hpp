// SPDX-License-Identifier: BSD-3-Clause
// CRC32C (Castagnoli, RFC 3720 appendix B.4; "123456789" gives 0xe3069283) over several spans in
// a row, by ISA-L. Pure; any thread.
#pragma once

#include <isa-l/crc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace diskhb::format {

class crc32c {
  public:
    void update(std::span<const std::byte> bytes) noexcept {
        // ISA-L takes the length as an int and, though it only reads, a pointer to non-const.
        constexpr std::size_t chunk_bytes = 1 << 30;
        while (!bytes.empty()) {
            const std::size_t size = std::min(bytes.size(), chunk_bytes);
            auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
            state_ = crc32_iscsi(data, static_cast<int>(size), state_);
            bytes = bytes.subspan(size);
        }
    }
    std::uint32_t value() const noexcept { return ~state_; }

  private:
    // ISA-L leaves both inversions of the standard to its caller.
    std::uint32_t state_ = 0xffffffff;
};

}  // namespace diskhb::format
