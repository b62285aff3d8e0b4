# The library: headers only. cmoe::cmoe needs Eigen and xtl; cmoe::io adds what the readers and writers in cmoe/io need.
add_library(cmoe INTERFACE)
add_library(cmoe::cmoe ALIAS cmoe)
target_compile_features(cmoe INTERFACE cxx_std_20)
target_include_directories(cmoe INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
target_link_libraries(cmoe INTERFACE Eigen3::Eigen xtl Threads::Threads)
if(CMOE_EIGEN_ONLY)
  target_compile_definitions(cmoe INTERFACE CMOE_EIGEN_ONLY)
endif()

if(TARGET nlohmann_json::nlohmann_json)
  add_library(cmoe_io INTERFACE)
  add_library(cmoe::io ALIAS cmoe_io)
  target_link_libraries(cmoe_io INTERFACE cmoe nlohmann_json::nlohmann_json ZLIB::ZLIB)
endif()
