# Our own builds: every warning that matters, as errors. Consumers never see these flags.
add_library(cmoe_warnings INTERFACE)
target_compile_options(cmoe_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
