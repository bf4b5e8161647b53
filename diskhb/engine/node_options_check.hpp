// SPDX-License-Identifier: BSD-3-Clause
// The ranges of node_options, in one place.
#pragma once

#include "diskhb/node.hpp"

namespace diskhb {

// Returns the options unchanged, peers without duplicates and in order. Throws setup_error naming
// the option, its value and its range. send_volume: the path that receive volumes must differ from.
node_options checked_options(node_options options, const std::string& send_volume);

}  // namespace diskhb
