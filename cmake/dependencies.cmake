# What the library and its programs stand on, each only because an option asks for it; what is missing is said in one sentence.
if(NOT PROJECT_IS_TOP_LEVEL)
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # a project that adds this folder links these targets from its own
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12
    OR CMAKE_CXX_COMPILER_ID STREQUAL Clang AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16)
  message(FATAL_ERROR "cmoe needs g++ 12 or clang 16 or newer, this is ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}: "
    "choose a newer one, for example CXX=g++-12, and configure in a new folder")
endif()

# cmoe_need(WHO PACKAGE DEBIAN [CONFIG]): the package, or what to do. Without a version: a request for Eigen 3.4 would refuse 5.x.
macro(cmoe_need who package debian)
  find_package(${package} QUIET ${ARGN})
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "${who} needs ${package}, which was not found: install it (Debian, Ubuntu: ${debian}), "
      "or name the folder where it is installed in CMAKE_PREFIX_PATH")
  endif()
endmacro()

cmoe_need(cmoe Eigen3 libeigen3-dev CONFIG)
if(Eigen3_VERSION VERSION_LESS 3.4)
  message(FATAL_ERROR "cmoe needs Eigen 3.4 or newer, found ${Eigen3_VERSION} in ${Eigen3_DIR}: "
    "install a newer one, and name its folder in CMAKE_PREFIX_PATH")
endif()
cmoe_need(cmoe xtl xtl-dev CONFIG)
cmoe_need(cmoe Threads libc6-dev)
if(CMOE_IO)
  cmoe_need("cmoe::io (CMOE_IO)" nlohmann_json nlohmann-json3-dev CONFIG)
  cmoe_need("cmoe::io (CMOE_IO)" ZLIB zlib1g-dev)
elseif(CMOE_BUILD_PROGRAM OR CMOE_BUILD_TESTS)
  message(FATAL_ERROR "the program and the tests read and write files: set CMOE_IO=ON, or CMOE_BUILD_PROGRAM=OFF and CMOE_BUILD_TESTS=OFF")
endif()
if(CMOE_BUILD_PROGRAM)
  cmoe_need("the program (CMOE_BUILD_PROGRAM)" CLI11 libcli11-dev CONFIG)
endif()
if(CMOE_BUILD_TESTS)
  cmoe_need("the tests (CMOE_BUILD_TESTS)" doctest doctest-dev CONFIG)
endif()
if(CMOE_BUILD_BENCH)
  cmoe_need("the benches (CMOE_BUILD_BENCH)" benchmark libbenchmark-dev CONFIG)
  cmoe_need("the benches (CMOE_BUILD_BENCH)" CLI11 libcli11-dev CONFIG)
endif()
