// SPDX-License-Identifier: BSD-3-Clause
// diskhb quorum: what there is to see and to check of the quorum disk.
#include "tools/quorum_commands.hpp"

namespace diskhb::tools {

verb add_quorum(CLI::App& app) {
    CLI::App* const command =
        app.add_subcommand("quorum", "Look at the quorum disk, and check its configuration");
    command->require_subcommand(1);
    const std::vector<verb> verbs = {add_quorum_status(*command), add_quorum_dump(*command),
                                     add_quorum_check(*command)};
    return {command, [verbs] {
                for (const verb& each : verbs) {
                    if (each.command->parsed()) {
                        return each.run();
                    }
                }
                throw CLI::RequiredError("a verb");
            }};
}

}  // namespace diskhb::tools
