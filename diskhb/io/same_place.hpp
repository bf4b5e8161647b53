// SPDX-License-Identifier: BSD-3-Clause
// Whether two paths lead to one thing. Looks at the host: stat(2). Any thread; may block as it
// does.
#pragma once

#include <string>

namespace diskhb::io {

// Two spellings of one path, two names of one file, or two nodes of one block device. Not found
// out: two ways to one disk with a block device each, such as the paths below a multipath device.
bool is_same_place(const std::string& left, const std::string& right);

}  // namespace diskhb::io
