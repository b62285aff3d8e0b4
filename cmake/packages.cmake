# The packages that cpack makes: an archive, and libcmoe-dev for Debian and Ubuntu. cmake/package_kind.cmake says what each holds.
set(CPACK_PACKAGE_VENDOR "the cmoe authors")
set(CPACK_PACKAGE_FILE_NAME cmoe-${PROJECT_VERSION})
set(CPACK_GENERATOR TGZ)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_COMPONENTS_ALL library licence debian)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/package_kind.cmake)

set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "header-only C++20 library for language models that keep learning")
set(CPACK_PACKAGE_DESCRIPTION
"Tensors with gradients, mixtures of experts, parameter-efficient tuning,
streams of tasks and the metrics of forgetting, with the architectures PMoE,
DAPT, SETA and ModuleFormer. Headers only: link the CMake target cmoe::cmoe
or compile with pkg-config.")
set(CPACK_DEBIAN_PACKAGE_NAME libcmoe-dev)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "the cmoe authors <cmoe@packages.invalid>")
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libeigen3-dev (>= 3.4), xtl-dev (>= 0.7.2)")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "nlohmann-json3-dev, zlib1g-dev")  # of cmoe::io

# What Debian asks of every package: its copyright, which holds the licence, and its changelog, packed.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(READ LICENSE licence)
string(REGEX REPLACE "^.*\n\nPermission" "Permission" licence "${licence}")
string(STRIP "${licence}" licence)
string(REPLACE "\n\n" "\n.\n" licence "${licence}")
string(REPLACE "\n" "\n " licence " ${licence}")
configure_file(packaging/debian/changelog.in debian/changelog @ONLY)
configure_file(packaging/debian/copyright.in debian/copyright @ONLY)
file(ARCHIVE_CREATE OUTPUT ${PROJECT_BINARY_DIR}/debian/changelog.gz PATHS ${PROJECT_BINARY_DIR}/debian/changelog FORMAT raw COMPRESSION GZip
  COMPRESSION_LEVEL 9)
install(FILES ${PROJECT_BINARY_DIR}/debian/copyright ${PROJECT_BINARY_DIR}/debian/changelog.gz
  DESTINATION share/doc/libcmoe-dev COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES packaging/debian/lintian-overrides DESTINATION share/lintian/overrides RENAME libcmoe-dev COMPONENT debian EXCLUDE_FROM_ALL)

include(CPack)
