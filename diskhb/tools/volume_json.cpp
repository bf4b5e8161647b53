// SPDX-License-Identifier: BSD-3-Clause
#include "tools/volume_json.hpp"

#include <fmt/core.h>

#include <array>
#include <ctime>

#include "tools/text.hpp"

namespace diskhb::tools {

nlohmann::ordered_json superblock_json(const format::superblock& content) {
    const auto& measures = content.measures;
    return {{"cluster", printable(content.cluster_name)},
            {"uuid", format::to_string(content.cluster)},
            {"formatted_at", time_text(content.formatted_at_s)},
            {"format_version", format::format_version},
            {"block_bytes", measures.block_bytes},
            {"slots", measures.slots},
            {"ring_bytes", measures.ring_bytes},
            {"volume_bytes", measures.volume_bytes}};
}

std::string incarnation_text(std::uint64_t incarnation) {
    return fmt::format("{:016x}", incarnation);
}

std::string time_text(std::uint64_t seconds) {
    const auto when = static_cast<std::time_t>(seconds);
    std::tm parts{};
    if (gmtime_r(&when, &parts) == nullptr) {
        return "unknown";
    }
    std::array<char, 64> text{};
    const std::size_t length =
        std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), length};
}

std::string block_state_text(const boost::system::error_code& error) {
    if (!error) {
        return "ok";
    }
    return error.category() == error_category() ? error_name(static_cast<errc>(error.value()))
                                                : error.message();
}

}  // namespace diskhb::tools
