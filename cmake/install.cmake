# `cmake --install` and what find_package(unroll CONFIG) finds afterwards.
include(CMakePackageConfigHelpers)
set(unroll_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/unroll)

install(TARGETS unroll EXPORT unroll)
install(FILES unroll.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/unroll)
install(DIRECTORY ${unroll_folders} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/unroll
  FILES_MATCHING PATTERN "*.h")
install(EXPORT unroll NAMESPACE unroll:: FILE unrollTargets.cmake DESTINATION ${unroll_package_dir})

configure_package_config_file(cmake/unrollConfig.cmake.in ${PROJECT_BINARY_DIR}/unrollConfig.cmake
  INSTALL_DESTINATION ${unroll_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/unrollConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(
  FILES ${PROJECT_BINARY_DIR}/unrollConfig.cmake ${PROJECT_BINARY_DIR}/unrollConfigVersion.cmake
  DESTINATION ${unroll_package_dir})
