// SPDX-License-Identifier: BSD-3-Clause
// What the format costs the processor: sealing and checking table blocks and batches. Google
// Benchmark; its own options apply.
#include <benchmark/benchmark.h>

#include <vector>

#include "format/batch.hpp"
#include "format/frame.hpp"
#include "format/table_block.hpp"

namespace diskhb::format {
namespace {

const uuid cluster{1, 2, 3};

geometry measures() { return make_geometry(4096, 16, 16 << 20, 1ULL << 30).value(); }

// A batch buffer with as many frames of that payload as fit 64 KiB.
struct filled_batch {
    explicit filled_batch(std::size_t payload_bytes) : buffer(128 << 10) {
        const std::vector<std::byte> payload(payload_bytes, std::byte{7});
        const auto area = std::span(buffer).subspan(batch_header_bytes);
        do {
            frame content;
            content.payload = payload;
            append_frame(area, bytes, content);
            ++frames;
        } while (bytes + frame_bytes(payload_bytes) <= (64 << 10));
    }
    std::vector<std::byte> buffer;
    std::size_t bytes = 0;
    std::uint32_t frames = 0;
};

const batch_identity identity{cluster, 0, 99, 0};

void seal_a_batch(benchmark::State& state) {
    filled_batch batch(static_cast<std::size_t>(state.range(0)));
    for (auto step : state) {
        benchmark::DoNotOptimize(
            seal_batch(batch.buffer, measures(), identity, 0, batch.frames, batch.bytes));
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch.bytes));
}

void check_a_batch(benchmark::State& state) {
    filled_batch batch(static_cast<std::size_t>(state.range(0)));
    const auto sealed =
        seal_batch(batch.buffer, measures(), identity, 0, batch.frames, batch.bytes);
    for (auto step : state) {
        const auto seen = decode_batch(sealed, measures(), identity);
        if (!seen || count_frames(seen->frames).value() != batch.frames) {
            state.SkipWithError("the batch is not what was sealed");
        }
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch.bytes));
}

// A batch of one 64 KiB frame, and one of many 64 B frames.
BENCHMARK(seal_a_batch)->Arg(64 << 10)->Arg(64);
BENCHMARK(check_a_batch)->Arg(64 << 10)->Arg(64);

void seal_a_table_block(benchmark::State& state) {
    const auto places = measures();
    const std::vector<acknowledgement> acks(places.slots);
    std::vector<std::byte> block(places.block_bytes);
    table_header header;
    header.node_id = 1;
    header.incarnation = 99;
    for (auto step : state) {
        ++header.sequence;
        encode_table(block, places, cluster, header, acks, {}, 0);
        benchmark::ClobberMemory();
    }
}
BENCHMARK(seal_a_table_block);

void check_a_table_block(benchmark::State& state) {
    const auto places = measures();
    const std::vector<acknowledgement> acks(places.slots);
    std::vector<std::byte> block(places.block_bytes);
    table_header header;
    header.node_id = 1;
    header.incarnation = 99;
    encode_table(block, places, cluster, header, acks, {}, 0);
    for (auto step : state) {
        if (!decode_table(block, places, cluster, 0)) {
            state.SkipWithError("the block is not what was sealed");
        }
    }
}
BENCHMARK(check_a_table_block);

}  // namespace
}  // namespace diskhb::format

BENCHMARK_MAIN();
