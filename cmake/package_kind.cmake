# Read by cpack for each kind of package: a Debian package has its licence where Debian wants it, an archive has it as a file.
if(CPACK_GENERATOR STREQUAL "DEB")
  set(CPACK_COMPONENTS_ALL library debian)
else()
  set(CPACK_COMPONENTS_ALL library licence)
endif()
