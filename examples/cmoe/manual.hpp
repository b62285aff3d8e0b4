// The manual in its forms, all made from the declared options: what --help says is what stands in each.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace program {

// what: man (a manual page), markdown (a page of the documentation), completion (for bash), or config (a commented file for --config,
// of one command).  throws Error (config) if there is no such form or command
std::string manual(const CLI::App& app, const std::string& what, const std::string& command);

// Declares `cmoe manual`; running it prints.
void add_manual_command(CLI::App& app);

}  // namespace program
