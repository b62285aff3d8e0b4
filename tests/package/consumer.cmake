# What each consumer adds for the test alone: a second unit with everything in it, all warnings as errors, and the headers of
# cmoe and nothing else counted as the consumer's own.
get_target_property(aliased cmoe::cmoe ALIASED_TARGET)
if(aliased)
  set_target_properties(${aliased} PROPERTIES SYSTEM OFF)
else()
  set_target_properties(cmoe::cmoe PROPERTIES SYSTEM OFF)
endif()
target_sources(app PRIVATE ${CMAKE_CURRENT_LIST_DIR}/consumer/other.cpp)
target_compile_options(app PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
if(CMOE_TEST_IO)
  add_library(app_io STATIC ${CMAKE_CURRENT_LIST_DIR}/consumer/io.cpp)
  target_link_libraries(app_io PRIVATE cmoe::io)
  target_compile_options(app_io PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
endif()

# Nothing of cmoe but the library may come with it.
foreach(name CMOE_BUILD_TESTS CMOE_BUILD_PROGRAM CMOE_BUILD_BENCH CMOE_INSTALL)
  if(DEFINED ${name} AND ${name})
    message(SEND_ERROR "the consumer got ${name}=${${name}}")
  endif()
endforeach()
