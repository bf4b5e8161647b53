// SPDX-License-Identifier: BSD-3-Clause
// What Pacemaker says of itself on this node: pacemakerd, the CIB, what was fenced. Asked by a
// helper program, so that diskhb does not depend on Pacemaker's libraries
// (plugin/pacemaker/main.cpp), which is in the package of the resource agents.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace diskhb::tools {

inline constexpr const char* pacemaker_helper_default = DISKHB_LIBEXEC_DIR "/pacemaker-state";

// The helper's object, with "error" added: empty, or why there is nothing else. Waits at most so
// long, then kills it. Any thread.
nlohmann::ordered_json ask_pacemaker(const std::string& helper, std::chrono::milliseconds timeout);

// For people; of what ask_pacemaker gave. Pure.
std::string pacemaker_text(const nlohmann::ordered_json& pacemaker);

}  // namespace diskhb::tools
