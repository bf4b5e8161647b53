// SPDX-License-Identifier: BSD-3-Clause
// A pcapng file that `diskhb capture` writes: an interface for each life of a node, and what is
// said of it at the end. One thread.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/slot_capture.hpp"

namespace diskhb::tools {

// How far a node's clock is from the time of day, and how that is known.
struct node_clock {
    enum class source { unknown, observed, host };
    source known_by = source::unknown;
    std::int64_t offset_ns = 0;  // time of day less the node's clock; 0 if unknown
};
const char* clock_text(node_clock::source known_by) noexcept;

class capture_file {
  public:
    // "-": stdout. Throws setup_error if it cannot be written.
    capture_file(const std::string& path, const std::string& volume, const std::string& cluster);
    ~capture_file();
    capture_file(const capture_file&) = delete;
    capture_file& operator=(const capture_file&) = delete;

    struct interface_facts {
        std::uint32_t node_id = 0;
        std::string name;
        std::uint64_t incarnation = 0;
        node_clock clock;
    };
    // A number for add and note.
    std::size_t open_interface(const interface_facts& facts);
    // Writes an IP packet; counts what is none.
    void add(std::size_t interface, const captured_frame& frame);
    // Frames that are known to have been in the log and are not there, but for those before a
    // frame.
    void note_missing(std::size_t interface, std::uint64_t frames);
    void flush();
    // Writes the statistics and closes.
    void finish();

    std::uint64_t packets() const noexcept { return packets_; }
    std::uint64_t missing() const noexcept;
    nlohmann::ordered_json report() const;  // of all interfaces
    std::string text() const;               // the same for people, a line each

  private:
    struct interface {
        interface_facts facts;
        std::uint64_t packets = 0;
        std::uint64_t messages = 0;  // pieces of messages of other programs
        std::uint64_t echoes = 0;
        std::uint64_t not_ip = 0;
        std::uint64_t missing = 0;
        std::uint64_t unannounced = 0;
        std::uint64_t first_ns = 0;  // time of day
        std::uint64_t last_ns = 0;
        std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps;  // after that sequence, frames
    };
    void write(const std::vector<std::byte>& bytes);

    std::string path_;
    std::FILE* file_ = nullptr;
    std::vector<interface> interfaces_;
    std::uint64_t packets_ = 0;
};

}  // namespace diskhb::tools
