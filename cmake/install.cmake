# The installed package: headers, a CMake package in share/cmake/cmoe, a pkg-config file. The same files on every architecture.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS cmoe EXPORT cmoe-targets FILE_SET HEADERS DESTINATION include COMPONENT library)
install(EXPORT cmoe-targets NAMESPACE cmoe:: DESTINATION share/cmake/cmoe COMPONENT library)

configure_package_config_file(cmake/cmoe-config.cmake.in cmoe-config.cmake INSTALL_DESTINATION share/cmake/cmoe)
write_basic_package_version_file(cmoe-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
configure_file(cmake/cmoe.pc.in cmoe.pc @ONLY)

install(FILES ${PROJECT_BINARY_DIR}/cmoe-config.cmake ${PROJECT_BINARY_DIR}/cmoe-config-version.cmake
  DESTINATION share/cmake/cmoe COMPONENT library)
install(FILES ${PROJECT_BINARY_DIR}/cmoe.pc DESTINATION share/pkgconfig COMPONENT library)
# The sources of cmoe::cuda, which the consumer's build compiles when it asks for the component.
install(FILES cmake/cuda.cmake DESTINATION share/cmake/cmoe COMPONENT library RENAME cmoe-cuda.cmake)
install(DIRECTORY cuda/ DESTINATION share/cmoe/cuda COMPONENT library FILES_MATCHING PATTERN "*.cu" PATTERN "*.cuh")
install(FILES LICENSE DESTINATION share/doc/cmoe COMPONENT library)

set(CPACK_PACKAGE_FILE_NAME cmoe-${PROJECT_VERSION})
set(CPACK_GENERATOR TGZ)
set(CPACK_COMPONENTS_ALL library)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_VERBATIM_VARIABLES ON)
include(CPack)
