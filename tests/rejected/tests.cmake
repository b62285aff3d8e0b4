# What must not compile, and the word that the compiler must say. Each file holds the fault and, without -DREJECTED, its accepted
# twin, so that a file cannot be rejected for another reason.
set(cmoe_rejected_flags -std=c++20 -fsyntax-only -I${PROJECT_SOURCE_DIR}/include)
foreach(library Eigen3::Eigen xtl)
  get_target_property(folders ${library} INTERFACE_INCLUDE_DIRECTORIES)
  foreach(folder ${folders})
    list(APPEND cmoe_rejected_flags -isystem ${folder})
  endforeach()
endforeach()
list(REMOVE_ITEM cmoe_rejected_flags /usr/include)
file(GLOB cmoe_rejected_files CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cpp)
foreach(file ${cmoe_rejected_files})
  cmake_path(GET file STEM name)
  add_test(NAME rejected_${name} COMMAND ${CMAKE_COMMAND} -DFILE=${file} -DCOMPILER=${CMAKE_CXX_COMPILER}
    "-DFLAGS=${cmoe_rejected_flags}" -P ${CMAKE_CURRENT_LIST_DIR}/compile.cmake)
  set_tests_properties(rejected_${name} PROPERTIES LABELS reject)
endforeach()
