# The library: headers only. cmoe::cmoe needs Eigen and xtl; cmoe::io adds what the readers and writers in cmoe/io need.
file(GLOB_RECURSE cmoe_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/cmoe/*.hpp)

add_library(cmoe INTERFACE)
add_library(cmoe::cmoe ALIAS cmoe)
target_compile_features(cmoe INTERFACE cxx_std_20)
target_sources(cmoe INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${cmoe_headers})
target_link_libraries(cmoe INTERFACE Eigen3::Eigen xtl Threads::Threads)
if(CMOE_EIGEN_ONLY)
  target_compile_definitions(cmoe INTERFACE CMOE_EIGEN_ONLY)
endif()

if(CMOE_IO)
  add_library(cmoe_io INTERFACE)
  add_library(cmoe::io ALIAS cmoe_io)
  target_link_libraries(cmoe_io INTERFACE cmoe nlohmann_json::nlohmann_json ZLIB::ZLIB)
endif()
