// What `cmoe --version` says; the number comes from the build.
#pragma once

namespace program {

inline constexpr const char* version = CMOE_PROGRAM_VERSION;

}  // namespace program
