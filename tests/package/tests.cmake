# The ways to use cmoe that README.md shows, each tried in an empty folder; a wrong version is refused.
set(cmoe_package_folder ${CMAKE_BINARY_DIR}/package)
function(cmoe_package_test way)
  add_test(NAME package_${way} COMMAND ${CMAKE_COMMAND} -DWAY=${way} -DSOURCE=${PROJECT_SOURCE_DIR} -DBUILD=${CMAKE_BINARY_DIR}
    -DFOLDER=${cmoe_package_folder}/${way} -DPREFIX=${cmoe_package_folder}/prefix -DCXX=${CMAKE_CXX_COMPILER}
    -DLAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER} -P ${PROJECT_SOURCE_DIR}/tests/package/run.cmake)
  set_tests_properties(package_${way} PROPERTIES LABELS slow)
endfunction()

cmoe_package_test(add_subdirectory)
cmoe_package_test(fetch_content)
if(CMOE_INSTALL)
  foreach(way install find_package pkg_config wrong_version)
    cmoe_package_test(${way})
  endforeach()
  set_tests_properties(package_install PROPERTIES FIXTURES_SETUP cmoe_installed)
  set_tests_properties(package_find_package package_pkg_config package_wrong_version PROPERTIES FIXTURES_REQUIRED cmoe_installed)
endif()
