// SPDX-License-Identifier: BSD-3-Clause
// Copies one node's slot of a volume to another volume, all the time: the devices, two threads, one
// for each, so that reading and writing overlap even where they block, and the state machine
// between them. Devices that are not there or fail are opened again until they work.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "io/block_device.hpp"
#include "replication/slot_copier.hpp"

namespace diskhb::replication {

struct copy_job_options {
    std::string source;        // the send volume
    std::string target;        // a copy of it: diskhb format --copy-of
    std::string cluster_name;  // the source must carry it; empty: any
    std::uint32_t node_id = 0;
    std::uint64_t rate_bytes_per_s = 0;  // 0: no limit
    io::backend backend = io::backend::automatic;
};

enum class copy_job_state {
    waiting_for_source,
    waiting_for_target,
    proving,  // see copier_state
    copying,
    refused,  // source or target must not be used: see error
    stopped,
};
const char* copy_job_state_name(copy_job_state state) noexcept;

struct copy_job_status {
    copy_job_state state = copy_job_state::waiting_for_source;
    std::string error;  // one line; empty while all is well
    copier_counters counters;
    std::uint64_t incarnation = 0;  // of the block that the target shows
    std::uint64_t beat = 0;
    std::chrono::nanoseconds announced_ago{0};  // 0: nothing was yet
    std::chrono::nanoseconds behind{0};         // see slot_copier::behind_ns
    std::chrono::nanoseconds lag_p50{0};
    std::chrono::nanoseconds lag_p99{0};
    std::chrono::nanoseconds lag_most{0};
    std::uint64_t target_losses = 0;
    std::uint64_t source_losses = 0;
    std::uint64_t memory_bytes = 0;
};

class copy_job {
  public:
    explicit copy_job(const copy_job_options& options);
    ~copy_job();  // stops
    copy_job(const copy_job&) = delete;
    copy_job& operator=(const copy_job&) = delete;

    // Once.
    void start();
    // Copies what is there, then ends; after `patience` it leaves threads that hang in a device
    // behind.
    void stop(std::chrono::nanoseconds patience = std::chrono::seconds(1));

    // Any thread. Looks at the source at once; what it shows by then is on the target when
    // is_settled(ticket). 0: nothing can be copied now, see status().
    std::uint64_t request_copy();
    bool is_settled(std::uint64_t ticket) const;
    copy_job_status status() const;

  private:
    class implementation;
    std::shared_ptr<implementation> implementation_;
};

}  // namespace diskhb::replication
