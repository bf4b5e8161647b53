// SPDX-License-Identifier: BSD-3-Clause
// Something that replicates a volume, as badly as it likes: in any order, in pieces of 512 bytes or
// all at once, late, twice, or leaving parts out that it catches up on later. What it lands was on
// the source at some time; nothing else is promised. One thread, virtual time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim_ring.hpp"

namespace diskhb::sim {

// What it does to single pieces; counted.
enum class copy_fault : std::size_t {
    reordered,    // lands after a piece that was taken later
    torn,         // a part of what was taken together lands at another time than the rest
    repeated,     // lands a second time, later
    delayed,      // takes much longer than the others
    left_out,     // is taken only at some later time
    all_at_once,  // all that is new on the whole volume lands in one instant
    count_
};
inline constexpr std::size_t copy_fault_count = static_cast<std::size_t>(copy_fault::count_);
const char* copy_fault_name(copy_fault which) noexcept;

struct copy_plan {
    std::uint64_t interval_ns = 0;  // between two looks at what is new
    std::uint64_t lag_ns_min = 0;   // from taking to landing
    std::uint64_t lag_ns_max = 0;
    std::uint64_t delay_ns = 0;       // at most, of a delayed piece
    std::uint64_t granule_bytes = 0;  // taken together: 512 and more; 0: the whole volume
    bool keeps_order = false;         // pieces land in the order in which they were taken
    std::array<double, copy_fault_count> rates{};  // of those that are drawn for each piece
};

class copier {
  public:
    static constexpr std::size_t piece_bytes = 512;

    // Registers itself as the one who watches the source.
    copier(test::sim_ring& from, test::sim_ring& to, const copy_plan& plan, std::uint64_t seed);

    // When something is to be done.
    std::uint64_t next_ns() const;
    void step();

    void change(const copy_plan& plan) { plan_ = plan; }
    // The link is cut: nothing is taken; what is on its way lands.
    void set_cut(bool is_cut) { is_cut_ = is_cut; }
    // Everything counts as new.
    void resynchronize();
    // Nothing that was taken by now lands any more.
    void forget_taken() {
        taken_.clear();
        last_landing_ns_ = 0;
    }

    const std::array<std::uint64_t, copy_fault_count>& counts() const { return counts_; }

  private:
    struct piece {
        std::uint64_t offset = 0;
        std::vector<std::byte> bytes;
        std::uint64_t order = 0;
    };

    void on_landed(std::uint64_t offset, std::size_t bytes);
    void take_new();
    void take(std::uint64_t offset, std::size_t bytes);
    void send(piece taken, std::uint64_t land_ns);
    std::uint64_t draw_landing();
    bool strikes(copy_fault which);

    test::sim_ring* from_;
    test::sim_ring* to_;
    copy_plan plan_;
    io::sim_random random_;
    std::vector<bool> is_new_;  // by piece
    std::vector<std::uint64_t> new_;
    std::multimap<std::uint64_t, piece> taken_;  // by the time at which it lands
    std::uint64_t next_look_ns_ = 0;
    std::uint64_t last_landing_ns_ = 0;
    std::uint64_t taken_count_ = 0;
    std::uint64_t newest_landed_ = 0;
    bool is_cut_ = false;
    std::array<std::uint64_t, copy_fault_count> counts_{};
};

}  // namespace diskhb::sim
