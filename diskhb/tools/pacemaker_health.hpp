// SPDX-License-Identifier: BSD-3-Clause
// Whether Pacemaker has failed resources, by crm_mon(8), whose XML is its interface for programs.
#pragma once

#include <optional>
#include <string>

namespace diskhb::tools {

// Asks crm_mon, for some seconds at most. Nothing: Pacemaker is not installed or does not run.
// Empty: all is well. One thread.
std::optional<std::string> pacemaker_problem();

// The same, from what crm_mon --output-as=xml has printed. Pure.
std::string problem_in(const std::string& crm_mon_xml);

}  // namespace diskhb::tools
