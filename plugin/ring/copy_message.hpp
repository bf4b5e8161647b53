// SPDX-License-Identifier: BSD-3-Clause
// What nodes say to each other so that one copies its writes at once: a request, and the answer
// that it was taken. One JSON object each, carried by the ring and by UDP (diskhbd(8), "REQUESTS OF
// OTHER NODES"). What comes is never trusted. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace diskhb::daemon {

inline constexpr std::size_t copy_message_bytes_max = 1024;

struct copy_message {
    bool is_reply = false;
    std::string cluster_name;
    std::uint32_t from = 0;  // node ids
    std::uint32_t to = 0;
    std::uint32_t link = 0;   // of the ring that is to be copied
    std::uint64_t token = 0;  // chosen by who asks; the reply has it too
    std::string error;        // of a reply: why it was not taken; empty if it was
    bool operator==(const copy_message&) const = default;
};

std::string encode(const copy_message& message);
// Nothing for whatever else it is. No IP packet is taken for a message: that begins with its
// version, a message with '{'.
std::optional<copy_message> parse_copy_message(std::span<const std::byte> bytes);
bool may_be_copy_message(std::span<const std::byte> bytes) noexcept;

// Which requests are acted upon: one a node and ring in a while, one at a time. Others are not
// answered: who asks repeats them. The same one again, over another way or because its answer was
// lost, gets the answer of the first.
class copy_request_gate {
  public:
    static constexpr std::uint64_t interval_ns = 1'000'000'000;

    enum class verdict { act, answer_again, ignore };
    // Of a request that came now. After act, on_done() follows.
    verdict judge(const copy_message& request, std::uint64_t now_ns);
    // What came of the request that was acted upon last; empty: it is done.
    void on_done(std::uint32_t from, std::uint32_t link, const std::string& error);
    // What is to be answered again.
    const std::string& error_of(const copy_message& request) const;

  private:
    struct seen {
        std::uint64_t token = 0;
        std::uint64_t at_ns = 0;
        bool is_done = false;
        std::string error;
    };
    std::map<std::pair<std::uint32_t, std::uint32_t>, seen> last_;  // by node and link
};

}  // namespace diskhb::daemon
