# Every way of using cmoe that README.md shows, tried with its very lines in an empty folder; and what must be refused, and how.
function(cmoe_package_test name script)
  add_test(NAME package_${name} COMMAND bash ${PROJECT_SOURCE_DIR}/tests/package/${script}.sh ${ARGN})
  set_tests_properties(package_${name} PROPERTIES LABELS "package;slow" SKIP_RETURN_CODE 77 TIMEOUT 600 FIXTURES_REQUIRED "cmoe_clone;cmoe_installed"
    ENVIRONMENT "CMOE_SOURCE=${PROJECT_SOURCE_DIR};CMOE_SCRATCH=${CMAKE_BINARY_DIR}/package;CMOE_CXX=${CMAKE_CXX_COMPILER};CMOE_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}")
endfunction()

cmoe_package_test(clone clone)
set_tests_properties(package_clone PROPERTIES FIXTURES_SETUP cmoe_clone FIXTURES_REQUIRED "")
cmoe_package_test(install install)
set_tests_properties(package_install PROPERTIES FIXTURES_SETUP cmoe_installed FIXTURES_REQUIRED cmoe_clone)
foreach(way copied fetched installed debian conan vcpkg pkg_config)
  cmoe_package_test(${way} way ${way})
endforeach()
cmoe_package_test(strict_gnu strict gnu)
cmoe_package_test(strict_clang strict clang)
cmoe_package_test(precompiled precompiled)
cmoe_package_test(cuda cuda)
cmoe_package_test(lintian debian)
cmoe_package_test(vcpkg_port port)
foreach(case missing_dependency no_cuda eigen_3.3 cxx17 old_compiler old_cmake_source old_cmake_package unknown_component wrong_version)
  cmoe_package_test(refused_${case} refused ${case})
endforeach()
set_tests_properties(package_conan package_refused_old_cmake_source package_refused_old_cmake_package
  PROPERTIES RESOURCE_LOCK cmoe_packagers)  # they may install their tool, and must not do so twice at once
