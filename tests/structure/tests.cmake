# The house is built as drawn: layers, sizes, third parties, versions, paths in the docs; and every header compiles alone.
cmoe_test(structure unit structure/layers_test.cpp structure/documents_test.cpp)
target_compile_definitions(test_unit PRIVATE CMOE_BUILD_VERSION="${PROJECT_VERSION}")

# One unit a header, with the header as its first line. Not part of the default build: the test builds it.
set(cmoe_alone)
foreach(header ${cmoe_headers})
  cmake_path(RELATIVE_PATH header BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/include OUTPUT_VARIABLE name)
  string(MAKE_C_IDENTIFIER ${name} unit)
  set(unit ${CMAKE_CURRENT_BINARY_DIR}/alone/${unit}.cpp)
  file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"${name}\"\n#include \"${name}\"\n")
  list(APPEND cmoe_alone ${unit})
endforeach()
add_library(cmoe_headers_alone OBJECT EXCLUDE_FROM_ALL ${cmoe_alone})
target_link_libraries(cmoe_headers_alone PRIVATE cmoe cmoe_io cmoe_warnings)
target_compile_options(cmoe_headers_alone PRIVATE -O0)
set_target_properties(cmoe_headers_alone PROPERTIES UNITY_BUILD OFF)
add_test(NAME headers_compile_alone COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target cmoe_headers_alone --parallel 2)
set_tests_properties(headers_compile_alone PROPERTIES LABELS slow PROCESSORS 2)
