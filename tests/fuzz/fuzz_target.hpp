// SPDX-License-Identifier: BSD-3-Clause
// What the fuzz targets of the volume format share: the volume that they pretend to read, and how
// they get past the checksum.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "format/bytes.hpp"
#include "format/crc32c.hpp"
#include "format/envelope.hpp"

// libFuzzer calls this with each input; corpus_runner.cpp does without libFuzzer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace diskhb::fuzz {

inline constexpr format::uuid cluster = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
inline constexpr format::slot_index slot = 1;
inline constexpr std::uint64_t incarnation = 0x1234;
inline constexpr std::uint64_t position = 8192;

inline format::geometry measures() {
    return format::make_geometry(4096, 4, format::ring_bytes_min, 1 << 24).value();
}

// Ends the program, which is how a fuzz target reports. Not assert: it is on in release builds.
inline void require(bool condition, const char* promise) {
    if (!condition) {
        std::fprintf(stderr, "fuzz: not so: %s\n", promise);
        std::abort();
    }
}

// Whether `part` lies in `whole`.
inline bool inside(std::span<const std::byte> part, std::span<const std::byte> whole) {
    return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

// Calls `decode` with the input as it is, and again with magic, version, length and checksum made
// right, since no fuzzer finds a CRC by chance. The bytes are exact allocations of their own.
inline void with_and_without_repair(const std::uint8_t* data, std::size_t size,
                                    std::span<const char, 8> magic,
                                    const std::function<void(std::span<const std::byte>)>& decode) {
    const auto* first = reinterpret_cast<const std::byte*>(data);
    std::vector<std::byte> bytes(first, first + size);
    decode(bytes);
    if (size < format::envelope_bytes) {
        return;
    }
    const std::span<std::byte> all(bytes);
    format::store_bytes(all, 0, std::as_bytes(magic));
    format::store(all, 8, format::format_version);
    const auto length = format::load<std::uint32_t>(all, 12);
    // Half of the inputs keep a length of their own, if it is one.
    const bool keep = length >= format::envelope_bytes && length <= size;
    const std::size_t covered = keep ? length : size;
    format::store(all, 12, static_cast<std::uint32_t>(covered));
    format::store_zeros(all, 64, 32);
    format::crc32c sum;
    sum.update(all.first(covered));
    format::store(all, 64, sum.value());
    decode(bytes);
}

}  // namespace diskhb::fuzz
