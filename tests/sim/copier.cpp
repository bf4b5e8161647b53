// SPDX-License-Identifier: BSD-3-Clause
#include "copier.hpp"

#include <algorithm>
#include <cstring>

namespace diskhb::sim {

copier::copier(test::sim_ring& from, test::sim_ring& to, const copy_plan& plan, std::uint64_t seed)
    : from_(&from),
      to_(&to),
      plan_(plan),
      random_(seed),
      is_new_(from.volume().bytes().size() / piece_bytes) {
    from.volume().watch(
        [this](std::uint64_t offset, std::size_t bytes) { on_landed(offset, bytes); });
}

void copier::on_landed(std::uint64_t offset, std::size_t bytes) {
    for (std::uint64_t index = offset / piece_bytes; index * piece_bytes < offset + bytes;
         ++index) {
        if (!is_new_[index]) {
            is_new_[index] = true;
            new_.push_back(index);
        }
    }
}

void copier::resynchronize() { on_landed(0, from_->volume().bytes().size()); }

bool copier::strikes(copy_fault which) {
    const bool struck = random_.chance(plan_.rates[static_cast<std::size_t>(which)]);
    counts_[static_cast<std::size_t>(which)] += struck ? 1 : 0;
    return struck;
}

std::uint64_t copier::next_ns() const {
    return taken_.empty() ? next_look_ns_ : std::min(next_look_ns_, taken_.begin()->first);
}

void copier::step() {
    const std::uint64_t now_ns = from_->now_ns();
    while (!taken_.empty() && taken_.begin()->first <= now_ns) {
        const piece& landing = taken_.begin()->second;
        std::memcpy(to_->volume().bytes().data() + landing.offset, landing.bytes.data(),
                    landing.bytes.size());
        counts_[static_cast<std::size_t>(copy_fault::reordered)] +=
            landing.order < newest_landed_ ? 1 : 0;
        newest_landed_ = std::max(newest_landed_, landing.order);
        taken_.erase(taken_.begin());
    }
    if (now_ns >= next_look_ns_) {
        next_look_ns_ = now_ns + 1 + random_.below(2 * plan_.interval_ns);
        if (!is_cut_) {
            take_new();
        }
    }
}

// What is new, in random order unless it keeps order, a granule at a time.
void copier::take_new() {
    if (new_.empty()) {
        return;
    }
    std::vector<std::uint64_t> pieces;
    pieces.swap(new_);
    if (!plan_.keeps_order) {
        for (std::size_t left = pieces.size(); left > 1; --left) {
            std::swap(pieces[left - 1], pieces[random_.below(left)]);
        }
    }
    const bool is_all_at_once = plan_.granule_bytes == 0;
    const std::uint64_t landing_ns = draw_landing();
    counts_[static_cast<std::size_t>(copy_fault::all_at_once)] += is_all_at_once ? 1 : 0;
    for (const std::uint64_t index : pieces) {
        if (!is_new_[index]) {
            continue;  // taken with another piece of its granule
        }
        if (is_all_at_once) {
            is_new_[index] = false;
            const auto bytes = from_->volume().bytes().subspan(index * piece_bytes, piece_bytes);
            send({index * piece_bytes, {bytes.begin(), bytes.end()}, ++taken_count_}, landing_ns);
        } else if (strikes(copy_fault::left_out)) {
            new_.push_back(index);
        } else {
            const std::uint64_t granule = plan_.granule_bytes;
            const std::uint64_t begin = index * piece_bytes / granule * granule;
            take(begin, std::min<std::size_t>(granule, is_new_.size() * piece_bytes - begin));
        }
    }
}

void copier::take(std::uint64_t offset, std::size_t bytes) {
    for (std::uint64_t at = offset; at < offset + bytes; at += piece_bytes) {
        is_new_[at / piece_bytes] = false;
    }
    std::erase_if(new_, [this](std::uint64_t index) { return !is_new_[index]; });
    const auto content = from_->volume().bytes().subspan(offset, bytes);
    const std::uint64_t landing_ns = draw_landing();
    const std::uint64_t order = ++taken_count_;
    if (bytes > piece_bytes && strikes(copy_fault::torn)) {
        const std::size_t cut = piece_bytes * random_.between(1, bytes / piece_bytes - 1);
        const auto first = content.first(cut);
        const auto rest = content.subspan(cut);
        send({offset, {first.begin(), first.end()}, order}, landing_ns);
        send({offset + cut, {rest.begin(), rest.end()}, order}, draw_landing());
        return;
    }
    send({offset, {content.begin(), content.end()}, order}, landing_ns);
}

void copier::send(piece taken, std::uint64_t land_ns) {
    if (strikes(copy_fault::repeated)) {
        taken_.emplace(land_ns + random_.below(plan_.delay_ns + 1), taken);
    }
    taken_.emplace(land_ns, std::move(taken));
}

std::uint64_t copier::draw_landing() {
    std::uint64_t landing_ns =
        from_->now_ns() + random_.between(plan_.lag_ns_min, plan_.lag_ns_max);
    if (strikes(copy_fault::delayed)) {
        landing_ns += random_.below(plan_.delay_ns + 1);
    }
    if (plan_.keeps_order) {
        landing_ns = std::max(landing_ns, last_landing_ns_);
        last_landing_ns_ = landing_ns;
    }
    return landing_ns;
}

const char* copy_fault_name(copy_fault which) noexcept {
    constexpr std::array<const char*, copy_fault_count> names = {
        "reordered", "torn", "repeated", "delayed", "left_out", "all_at_once"};
    const auto index = static_cast<std::size_t>(which);
    return index < names.size() ? names[index] : "unknown";
}

}  // namespace diskhb::sim
