// The version of this library.
#pragma once

#include <string_view>

// major · 10000 + minor · 100 + patch, for #if in code that lives with several versions. The library defines no other macro.
#define CMOE_VERSION 100

namespace cmoe {

// The same as text.
inline constexpr std::string_view version = "0.1.0";

}  // namespace cmoe
