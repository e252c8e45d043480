# Installs the library: both kinds, public headers, a CMake package and a pkg-config file.
#
# Two export sets, because a user of the shared library needs none of the development packages that
# a user of the static one must link himself.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/blkrewind)

foreach(kind static shared)
  install(TARGETS blkrewind_${kind} EXPORT blkrewind-${kind}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT blkrewind-${kind} NAMESPACE blkrewind:: FILE blkrewind-${kind}.cmake
    DESTINATION ${package_dir})
endforeach()
install(DIRECTORY include/blkrewind ${generated_headers}/blkrewind
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

configure_package_config_file(blkrewind-config.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/blkrewind-config.cmake INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor release may change the interface.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/blkrewind-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/blkrewind-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/blkrewind-config-version.cmake DESTINATION ${package_dir})

# The installed tree may be moved: the prefix is told from where the .pc file is.
file(RELATIVE_PATH prefix_from_pkgconfig /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" prefix_from_pkgconfig "${prefix_from_pkgconfig}")
set(libbpf_for_pkgconfig "")
if(kernel_bitmap)
  set(libbpf_for_pkgconfig " -lbpf -lelf -lz")
endif()
configure_file(blkrewind.pc.in ${CMAKE_CURRENT_BINARY_DIR}/blkrewind.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/blkrewind.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
