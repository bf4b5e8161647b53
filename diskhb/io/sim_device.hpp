// SPDX-License-Identifier: BSD-3-Clause
// A node's way to a simulated volume, with faults of its own: the same seed gives the same run.
// One thread for everything.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "io/block_device.hpp"
#include "io/sim_random.hpp"
#include "io/sim_volume.hpp"

namespace diskhb::io {

// What can happen to a request; what it is and to which requests.
enum class sim_fault : std::size_t {
    read_error,   // reads: EIO, the buffer is left as it was
    write_error,  // writes: EIO; nothing, a part, or all of it lands
    slow,         // takes up to slow_ns longer
    hang,         // ends only after release_hanging(); lands piece by piece meanwhile
    lost,         // writes: reported as done, nothing lands
    torn,         // writes: reported as done, a random half of its pieces lands
    misdirected,  // writes: reported as done, lands at another block of the volume
    stale,        // reads: some blocks are one or two writes old
    bit_flip,     // reads: one bit is wrong
    count_
};
inline constexpr std::size_t sim_fault_count = static_cast<std::size_t>(sim_fault::count_);

// Uniform between the two.
struct sim_latency {
    std::uint64_t read_ns_min = 50'000;
    std::uint64_t read_ns_max = 150'000;
    std::uint64_t write_ns_min = 50'000;
    std::uint64_t write_ns_max = 200'000;
    std::uint64_t slow_ns = 200'000'000;
};

// The knobs of one node's device. Changes hold for requests submitted later, but hanging for
// those in flight too.
class sim_port {
  public:
    sim_port(std::shared_ptr<sim_volume> volume, std::uint64_t seed)
        : volume_(std::move(volume)), random_(seed) {}

    // Probability of each fault for each request it applies to, 0 .. 1.
    void set_rate(sim_fault which, double rate) noexcept { rate_of(which) = rate; }
    void set_all_rates(double rate) noexcept { rates_.fill(rate); }
    std::uint64_t count(sim_fault which) const noexcept {
        return counts_[static_cast<std::size_t>(which)];
    }
    void set_latency(const sim_latency& latency) noexcept { latency_ = latency; }

    // While true no request of this port ends, as on a path that is gone and queues.
    void set_hanging(bool hangs);
    // Lets what hangs end, each within `within_ns`.
    void release_hanging(std::uint64_t within_ns = 1'000'000);
    // Power loss: of the writes in flight a random half of the pieces lands.
    void tear_in_flight();
    // Opening the device fails with this errno until it is 0 again.
    void set_open_error(int error) noexcept { open_error_ = error; }
    int open_error() const noexcept { return open_error_; }

    // Requests that broke the contract of io::channel: unaligned, outside, too many in flight, or a
    // buffer changed while it was being written.
    std::uint64_t misuses() const noexcept { return state_->misuses; }

    sim_volume& volume() noexcept { return *volume_; }
    std::shared_ptr<sim_volume> shared_volume() noexcept { return volume_; }
    sim_random& random() noexcept { return random_; }

    // For the channels of this port.
    void submit(const request& wanted, const std::shared_ptr<sim_mailbox>& answer_to,
                bool is_within_depth);

  private:
    double& rate_of(sim_fault which) noexcept { return rates_[static_cast<std::size_t>(which)]; }
    bool strikes(sim_fault which) noexcept;
    void decide_read(sim_operation& operation);
    void decide_write(sim_operation& operation);

    std::shared_ptr<sim_volume> volume_;
    sim_random random_;
    sim_latency latency_;
    std::array<double, sim_fault_count> rates_{};
    std::array<std::uint64_t, sim_fault_count> counts_{};
    std::shared_ptr<sim_port_state> state_ = std::make_shared<sim_port_state>();
    int open_error_ = 0;
};

// Gives devices whose channels reap what is due by the clock. wait() belongs to set-up code alone
// (transfer, open_volume, write_volume; their timeouts are in real time): it moves the clock on to
// the next event. A simulation of several nodes never calls it, but moves the clock itself, to
// sim_volume::next_event_ns() or to what its nodes wait for.
class sim_source final : public device_source {
  public:
    explicit sim_source(std::shared_ptr<sim_port> port) : port_(std::move(port)) {}
    result<std::unique_ptr<block_device>> open() override;
    std::string name() const override { return "simulated volume"; }

  private:
    std::shared_ptr<sim_port> port_;
};

}  // namespace diskhb::io
