# The installed package: headers, a CMake package in share/cmake/cmoe, pkg-config files. The same files on every architecture.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS cmoe EXPORT cmoe-targets FILE_SET HEADERS DESTINATION include COMPONENT library)
install(EXPORT cmoe-targets NAMESPACE cmoe:: DESTINATION share/cmake/cmoe COMPONENT library)

configure_package_config_file(cmake/cmoe-config.cmake.in cmoe-config.cmake INSTALL_DESTINATION share/cmake/cmoe)
write_basic_package_version_file(cmoe-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
configure_file(cmake/cmoe.pc.in cmoe.pc @ONLY)
configure_file(cmake/cmoe-io.pc.in cmoe-io.pc @ONLY)

install(FILES ${PROJECT_BINARY_DIR}/cmoe-config.cmake ${PROJECT_BINARY_DIR}/cmoe-config-version.cmake
  DESTINATION share/cmake/cmoe COMPONENT library)
install(FILES ${PROJECT_BINARY_DIR}/cmoe.pc ${PROJECT_BINARY_DIR}/cmoe-io.pc DESTINATION share/pkgconfig COMPONENT library)
install(FILES LICENSE DESTINATION share/doc/cmoe COMPONENT licence)

include(cmake/packages.cmake)
