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
install(FILES cmake/cmoe-precompiled.cmake DESTINATION share/cmake/cmoe COMPONENT library)
install(DIRECTORY cpu DESTINATION share/cmake/cmoe COMPONENT library)
# The sources of cmoe::cuda, which the consumer's build compiles when it asks for the component.
install(FILES cmake/cuda.cmake DESTINATION share/cmake/cmoe COMPONENT library RENAME cmoe-cuda.cmake)
install(DIRECTORY cuda DESTINATION share/cmake/cmoe COMPONENT library FILES_MATCHING PATTERN "*.cu" PATTERN "*.cuh")
install(FILES ${PROJECT_BINARY_DIR}/cmoe.pc ${PROJECT_BINARY_DIR}/cmoe-io.pc DESTINATION share/pkgconfig COMPONENT library)
install(FILES LICENSE DESTINATION share/doc/cmoe COMPONENT licence)

include(cmake/packages.cmake)

# The program, on request: cmake --install BUILD --component program
if(TARGET cmoe_program)
  install(TARGETS cmoe_program DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program EXCLUDE_FROM_ALL)
  foreach(form IN ITEMS man:${CMAKE_INSTALL_MANDIR}/man1/cmoe.1 completion:${CMAKE_INSTALL_DATADIR}/bash-completion/completions/cmoe)
    string(REPLACE ":" ";" form ${form})
    list(GET form 0 what)
    list(GET form 1 file)
    install(CODE "
      set(file \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${file}\")
      cmake_path(GET file PARENT_PATH folder)
      file(MAKE_DIRECTORY \"\${folder}\")
      execute_process(COMMAND \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/cmoe\" manual ${what} OUTPUT_FILE \"\${file}\" COMMAND_ERROR_IS_FATAL ANY)
      message(STATUS \"Installing: \${file}\")" COMPONENT program EXCLUDE_FROM_ALL)
  endforeach()
endif()
