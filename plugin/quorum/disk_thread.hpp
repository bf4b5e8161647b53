// SPDX-License-Identifier: BSD-3-Clause
// One quorum volume and the thread that does all I/O on it. A device that hangs holds this thread
// alone: the other volumes, the votes and the end of the process do not wait for it. The volume is
// opened, checked and opened again here, whenever it was lost.
//
// Handle: one thread. The listener is called on the disk thread, and never after the handle is
// gone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/clock.hpp"
#include "io/block_device.hpp"
#include "plugin/quorum/device_identity.hpp"
#include "plugin/quorum/quorum_status.hpp"
#include "plugin/quorum/table_reader.hpp"
#include "plugin/quorum/volume_claims.hpp"

namespace diskhb::quorum {

struct disk_options {
    std::size_t index = 0;  // among the volumes
    std::string path;       // for messages
    std::string cluster_name;
    std::uint32_t node_id = 0;
    std::uint32_t highest_node_id = 0;  // of the nodelist: the volume must have slots for all
    std::uint64_t incarnation = 0;      // of our blocks
    std::chrono::nanoseconds reopen_interval{};
};

// How a request ended.
struct disk_result {
    std::size_t index = 0;
    bool was_write = false;
    bool succeeded = false;
    std::uint64_t issued_ns = 0;
    // Of a read, one for each slot that a volume can have at most: those that this volume does not
    // have are empty. Valid until the next request; nothing if the read failed.
    std::span<const sighting> table;
};

// What is wrong with a volume, in one line, and whether it will pass by itself.
struct disk_failure {
    std::string text;
    int exit_code = 0;
    bool is_lasting = false;  // somebody must do something: a reason not to start
};

class disk_thread {
  public:
    using listener = std::function<void(const disk_result&)>;
    using identifier = std::function<device_report()>;

    // Begins to open the volume. `claims` and `clock` live as long as the process.
    disk_thread(const disk_options& options, std::unique_ptr<io::device_source> source,
                identifier identify, std::shared_ptr<volume_claims> claims,
                std::shared_ptr<const engine::clock> clock, listener on_done);
    // Does not wait for an I/O that hangs: then the thread ends when the device answers.
    ~disk_thread();
    disk_thread(const disk_thread&) = delete;
    disk_thread& operator=(const disk_thread&) = delete;

    // Waits until the first attempt to open has ended, but not longer than that.
    void wait_opened(std::chrono::nanoseconds timeout);
    // Why the volume is not open; nothing if it is, or if the first attempt still hangs.
    std::optional<disk_failure> failure() const;

    // One request at a time: REQUIRES that the one before was reported as done.
    void read();
    void write(const format::quorum_block& block);

    volume_snapshot snapshot() const;

  private:
    class worker;
    std::shared_ptr<worker> worker_;
};

}  // namespace diskhb::quorum
