// SPDX-License-Identifier: BSD-3-Clause
// The errors of diskhb that are expected at run time, as error codes. Nothing here throws; any
// thread may use it. Set-up errors (a bad configuration, a volume that cannot be used at all) are
// exceptions instead, see setup_error.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>

namespace diskhb {

// Why a block was not accepted, or why a call could not do what was asked. A value never changes
// its number: counters, JSON output and exit codes refer to it.
enum class errc {
    // How a block read from a volume failed its checks (doc/format.md, "What is checked").
    empty_block = 1,    // all bytes of the header are zero: never written
    bad_magic = 2,      // not a diskhb block, or not of the kind that belongs there
    other_version = 3,  // a format version that this program does not know
    truncated = 4,      // fewer bytes than the block says it has
    torn = 5,           // the checksum does not match: half-written or damaged
    foreign = 6,        // intact, but of another cluster or another format run
    misplaced = 7,      // intact, but written for another slot or offset
    malformed = 8,      // intact, but a field is out of its range
    stale = 9,          // intact, but of an earlier life or older than what was seen before
    lapped = 10,        // overwritten by a later lap of the ring before it was read

    // What a caller of the engine can be told.
    full = 20,           // the queue of that type has no room; the frame was dropped and counted
    too_long = 21,       // longer than max_payload_bytes (or max_message_bytes)
    window_shut = 22,    // the peer has not read enough yet: try again later
    no_such_node = 23,   // no slot for that node on this volume, or the node itself
    not_reachable = 24,  // the peer is not alive on this ring
    timed_out = 25,      // nothing came in the time given
    closed = 26,         // the node has left the ring
    not_joined = 27,     // the volume is not there or the join has not finished

    // What can be wrong with a volume or a slot.
    slot_in_use = 40,     // another daemon is alive in our slot
    slot_stolen = 41,     // another daemon began to write into our slot while we ran
    volume_changed = 42,  // the volume that came back is not the one that went
    wrong_cluster = 43,   // the volume belongs to a cluster of another name
    io_failed = 44,       // the device reported an error
    same_volume = 45,     // a receive volume that is the send volume, or a copy of it
    other_measures = 46,  // a receive volume with other measures than the send volume
};

// The category of errc; its messages are one plain sentence each.
const boost::system::error_category& error_category() noexcept;

// The name of an error as used for counters and in JSON ("torn", "foreign", ...).
const char* error_name(errc code) noexcept;

inline boost::system::error_code make_error_code(errc code) noexcept {
    return {static_cast<int>(code), error_category()};
}

template <class T>
using result = boost::system::result<T>;

// A configuration or a volume that cannot be used: thrown while setting up, caught once in main.
// what() is the one line for the administrator; exit_code is documented in diskhb(8).
class setup_error : public std::runtime_error {
  public:
    setup_error(int exit_code, const std::string& message)
        : std::runtime_error(message), exit_code_(exit_code) {}
    int exit_code() const noexcept { return exit_code_; }

  private:
    int exit_code_;
};

// Exit codes of all programs (diskhb(8), "EXIT STATUS"). Scripts and OCF agents rely on them.
inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;      // it ran, and the answer is no (a ping without reply)
inline constexpr int exit_usage = 2;       // wrong command line
inline constexpr int exit_config = 3;      // diskhb.toml or corosync.conf is wrong
inline constexpr int exit_volume = 4;      // the volume cannot be opened, read or written
inline constexpr int exit_format = 5;      // not a diskhb volume, or of another version
inline constexpr int exit_cluster = 6;     // a volume of another cluster
inline constexpr int exit_in_use = 7;      // holds something else, is mounted, or the slot is taken
inline constexpr int exit_no_daemon = 8;   // diskhbd does not answer
inline constexpr int exit_permission = 9;  // not allowed to
inline constexpr int exit_unsafe = 10;     // refused: it would not be safe now

}  // namespace diskhb

template <>
struct boost::system::is_error_code_enum<diskhb::errc> : std::true_type {};
