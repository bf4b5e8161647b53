// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/timer_advice.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace diskhb::corosync {
namespace {

// knet's heartbeat thread looks every 200 ms (KNET_THREADS_TIMERES, libknet/internals.h).
constexpr std::uint32_t knet_tick_ms = 200;
// A path switch of multipathd, a controller that takes over: up to this long is ordinary.
constexpr std::uint32_t ordinary_stall_ms = 3000;
// Of a ping's timeout, what the slowest of a thousand messages may take.
constexpr std::uint64_t ping_share = 50;
constexpr std::uint32_t network_interval_ms = 400;
constexpr std::uint32_t network_timeout_ms = 1200;
constexpr std::uint32_t retransmits = 10;
constexpr std::uint32_t token_coefficient_ms = 650;  // for each node above two (totemconfig.c)
constexpr std::uint32_t join_ms_least = 150;
constexpr std::uint32_t join_round_trips = 3;

std::uint32_t round_up(std::uint64_t value, std::uint32_t step) {
    constexpr std::uint64_t most = 3'600'000;  // an hour: a volume as slow as that is no ring
    return static_cast<std::uint32_t>((std::min(value, most) + step - 1) / step * step);
}

std::uint64_t to_ms_up(std::uint64_t us) { return (us + 999) / 1000; }

std::uint64_t rotation_ms(const ring_times& times, std::size_t nodes) {
    return to_ms_up(times.one_way_us_p999 * nodes);
}

std::uint64_t least_ring_timeout_ms(const ring_times& times) {
    // A ping and its pong are each one way.
    return std::max(to_ms_up(ping_share * times.one_way_us_p999),
                    to_ms_up(2 * 2 * times.one_way_us_max));
}

std::uint64_t least_join_ms(const ring_times& times) {
    return to_ms_up(join_round_trips * 2 * times.one_way_us_p999);
}

// Collects warnings about one corosync.conf.
class checker {
  public:
    checker(const corosync_conf& conf, std::size_t ring_link, const ring_times& times,
            const timers& advised)
        : conf_(conf), link_(ring_link), times_(times), advised_(advised) {}

    std::vector<timer_warning> run() {
        if (conf_.totem.transport != "knet") {
            unsafe("totem.transport", conf_.totem.transport,
                   "only knet has several links: a ring cannot be one of them", "transport: knet");
            return std::move(found_);
        }
        if (!conf_.links.at(link_).configured) {
            advice(fmt::format("link {}", link_), "not configured",
                   "no node has an address on the ring's link, so Corosync does not use it",
                   fmt::format("ring{}_addr: ADDRESS, in each node of the nodelist", link_));
        } else {
            check_choice_of_link();
            check_ring_timers();
        }
        check_ticks();
        check_token();
        check_membership();
        check_sizes();
        check_secrecy();
        std::stable_sort(found_.begin(), found_.end(), [](const auto& one, const auto& two) {
            return one.how_bad < two.how_bad;
        });
        return std::move(found_);
    }

  private:
    using severity = timer_warning::severity;

    void unsafe(const std::string& key, const std::string& value, const std::string& problem,
                const std::string& fix) {
        found_.push_back({severity::unsafe, key, value, problem, fix});
    }
    void advice(const std::string& key, const std::string& value, const std::string& problem,
                const std::string& fix) {
        found_.push_back({severity::advice, key, value, problem, fix});
    }
    std::string key_of(std::size_t link, const char* name) const {
        return fmt::format("link {} {}", link, name);
    }
    std::size_t node_count() const { return std::max<std::size_t>(2, conf_.nodes.size()); }

    void check_choice_of_link() {
        if (conf_.totem.link_mode != "passive") {
            unsafe("totem.link_mode", conf_.totem.link_mode,
                   "sends over the ring while the network is well, and a failed send on one link "
                   "keeps the packet from the others",
                   "link_mode: passive");
            return;
        }
        const knet_link& ring = conf_.links.at(link_);
        for (std::size_t other = 0; other < link_count_max; ++other) {
            const knet_link& network = conf_.links[other];
            // The highest number is used, the lowest link of several (libknet/links.c).
            const bool preferred = ring.priority > network.priority ||
                                   (ring.priority == network.priority && link_ < other);
            if (other != link_ && network.configured && preferred) {
                unsafe(
                    key_of(link_, "knet_link_priority"), std::to_string(ring.priority),
                    fmt::format("Corosync uses the ring while link {} (priority {}) is well", other,
                                network.priority),
                    fmt::format("knet_link_priority: 10 for link {}, 1 for link {}", other, link_));
            }
        }
    }

    void check_ring_timers() {
        const knet_link& ring = conf_.links.at(link_);
        const std::string value = fmt::format("{} ms{}", ring.ping_timeout_ms,
                                              ring.timers_given ? "" : " (follows from the token)");
        const std::string fix =
            fmt::format("knet_ping_interval: {}, knet_ping_timeout: {} for link {}",
                        advised_.ring_ping_interval_ms, advised_.ring_ping_timeout_ms, link_);
        const std::uint64_t least_ms = least_ring_timeout_ms(times_);
        if (ring.ping_timeout_ms < least_ms) {
            unsafe(key_of(link_, "knet_ping_timeout"), value,
                   fmt::format("this volume is too slow for it: knet would take the ring down now "
                               "and then; {} ms is the least",
                               least_ms),
                   fix);
        } else if (ring.ping_timeout_ms < advised_.ring_ping_timeout_ms) {
            advice(key_of(link_, "knet_ping_timeout"), value,
                   "the ring goes down when the volume stalls for longer, which a switch of paths "
                   "can take",
                   fix);
        }
    }

    void check_ticks() {
        for (std::size_t link = 0; link < link_count_max; ++link) {
            const knet_link& each = conf_.links[link];
            if (each.configured && each.ping_interval_ms < knet_tick_ms) {
                unsafe(key_of(link, "knet_ping_interval"),
                       fmt::format("{} ms", each.ping_interval_ms),
                       fmt::format("knet sends pings every {} ms at most", knet_tick_ms),
                       fmt::format("knet_ping_interval: {} for link {}",
                                   link == link_ ? advised_.ring_ping_interval_ms
                                                 : advised_.network_ping_interval_ms,
                                   link));
            }
            if (each.configured && each.ping_timeout_ms < 2 * each.ping_interval_ms) {
                unsafe(key_of(link, "knet_ping_timeout"),
                       fmt::format("{} ms", each.ping_timeout_ms),
                       "shorter than two ping intervals: one lost ping takes the link down",
                       fmt::format("knet_ping_timeout: {} for link {}", 3 * each.ping_interval_ms,
                                   link));
            }
        }
    }

    // Whether the ring has taken over, and can stall, before totem gives up on the token.
    void check_token() {
        std::uint64_t detection_ms = 0;
        for (std::size_t link = 0; link < link_count_max; ++link) {
            if (link != link_ && conf_.links[link].configured) {
                detection_ms =
                    std::max<std::uint64_t>(detection_ms, conf_.links[link].ping_timeout_ms);
            }
        }
        const auto& totem = conf_.totem;
        const std::uint64_t over_ms = detection_ms + knet_tick_ms + totem.token_retransmit_ms +
                                      rotation_ms(times_, node_count());
        const std::string value = fmt::format("{} ms in force", totem.token_ms);
        const std::string fix = fmt::format(
            "token: {}, token_retransmits_before_loss_const: {}, and for the network's "
            "links knet_ping_interval: {}, knet_ping_timeout: {}",
            advised_.token_ms, advised_.token_retransmits_before_loss,
            advised_.network_ping_interval_ms, advised_.network_ping_timeout_ms);
        if (totem.token_ms < over_ms) {
            unsafe("totem.token", value,
                   fmt::format("the token is lost before the ring has taken over from a cut "
                               "network, which takes {} ms",
                               over_ms),
                   fix);
        } else if (totem.token_ms < over_ms + ordinary_stall_ms) {
            advice("totem.token", value,
                   fmt::format("on the ring alone, a stall of the volume of {} ms can cost the "
                               "membership",
                               totem.token_ms - over_ms),
                   fix);
        }
    }

    void check_membership() {
        const auto& totem = conf_.totem;
        if (totem.join_ms < least_join_ms(times_)) {
            // Below one round trip every answer comes too late for the question.
            const bool too_short = totem.join_ms * join_round_trips < least_join_ms(times_);
            found_.push_back(
                {too_short ? severity::unsafe : severity::advice, "totem.join",
                 fmt::format("{} ms", totem.join_ms),
                 fmt::format("shorter than {} round trips over this volume: on the ring alone, "
                             "nodes ask again before the answer can be there",
                             join_round_trips),
                 fmt::format("join: {}", advised_.join_ms)});
        }
        // Corosync's own default is rounded down as well.
        if (totem.consensus_ms < std::uint64_t{totem.token_ms} * 12 / 10) {
            unsafe("totem.consensus", fmt::format("{} ms", totem.consensus_ms),
                   fmt::format("must be at least 1.2 x the token in force ({} ms)", totem.token_ms),
                   "take the line out");
        }
    }

    void check_sizes() {
        if (conf_.totem.knet_mtu_bytes != 0) {
            advice("totem.knet_mtu", fmt::format("{} bytes", conf_.totem.knet_mtu_bytes),
                   "holds for the ring too, which carries several times as much in larger packets "
                   "once the network is gone",
                   "take the line out: knet finds out what each link can carry");
        }
    }

    void check_secrecy() {
        if (!conf_.totem.encrypted()) {
            advice("totem.crypto_cipher", "none",
                   "who can write to the volume can pose as any node of the cluster",
                   "crypto_cipher: aes256, crypto_hash: sha256, and a key by corosync-keygen");
        }
    }

    const corosync_conf& conf_;
    const std::size_t link_;
    const ring_times times_;
    const timers& advised_;
    std::vector<timer_warning> found_;
};

}  // namespace

std::uint64_t one_way_us(std::uint64_t write_us, std::uint64_t read_us,
                         std::uint64_t poll_idle_us) {
    return write_us + poll_idle_us + 2 * read_us;
}

timers advise_timers(const ring_times& times, unsigned nodes) {
    timers chosen;
    const std::uint32_t stall_ms =
        round_up(std::max<std::uint64_t>(ordinary_stall_ms, to_ms_up(4 * times.one_way_us_max)),
                 knet_tick_ms);
    // The last pong before a stall is up to an interval old when the stall begins.
    chosen.ring_ping_timeout_ms = round_up(
        std::max<std::uint64_t>(std::uint64_t{stall_ms} * 4 / 3, least_ring_timeout_ms(times)),
        4 * knet_tick_ms);
    chosen.ring_ping_interval_ms = chosen.ring_ping_timeout_ms / 4;
    chosen.network_ping_interval_ms = network_interval_ms;
    chosen.network_ping_timeout_ms = network_timeout_ms;
    chosen.pong_count = 2;
    chosen.token_retransmits_before_loss = retransmits;
    // Detection, a stall right then, the token's way round; and one retransmission, which is
    // token / (retransmits + 0.2) itself (totemconfig.c).
    const std::uint64_t over_ms =
        network_timeout_ms + knet_tick_ms + stall_ms + rotation_ms(times, nodes);
    chosen.token_ms = round_up(over_ms * (10 * retransmits + 2) / (10 * retransmits - 8), 500);
    chosen.join_ms = round_up(std::max<std::uint64_t>(join_ms_least, least_join_ms(times)), 50);
    chosen.survived_stall_ms = stall_ms;
    const std::uint32_t in_force_ms =
        chosen.token_ms + (nodes > 2 ? nodes - 2 : 0) * token_coefficient_ms;
    chosen.node_death_ms = in_force_ms + in_force_ms * 12 / 10;
    return chosen;
}

std::vector<timer_warning> check_timers(const corosync_conf& conf, std::size_t ring_link,
                                        const ring_times& times, const timers& advised) {
    return checker(conf, ring_link, times, advised).run();
}

}  // namespace diskhb::corosync
