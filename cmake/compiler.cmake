# How our own targets are compiled: build type, warnings, sanitizers, compiler cache.
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug, RelWithDebInfo or MinSizeRel" FORCE)
endif()

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_EXTENSIONS OFF)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  find_program(CCACHE_PROGRAM ccache)
  if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Without this leave, ccache passes by every source that uses the tests' precompiled header; with
    # the base directory, another clone finds what this one has compiled.
    set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} ${CCACHE_PROGRAM})
  endif()
endif()

# Everything that holds for a target of ours and not for whoever links it.
function(unroll_own_target target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow
    $<$<BOOL:${UNROLL_WERROR}>:-Werror>
    $<$<CONFIG:>:-O2>)  # as part of a project that names no build type
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # g++ 12 sees these in std::string and std::shared_ptr wherever it inlines them.
    target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-restrict)
  endif()
  # Error messages and assertions name files as they stand in the repository, whether the compiler
  # is given them by their full path or, by ccache, from the build folder.
  foreach(folder ${PROJECT_SOURCE_DIR} ${unroll_include_root}/unroll)
    cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${CMAKE_BINARY_DIR} OUTPUT_VARIABLE relative)
    target_compile_options(${target} PRIVATE
      -fmacro-prefix-map=${folder}/= -fmacro-prefix-map=${relative}/=)
  endforeach()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # ccache compiles precompiled-header users from their preprocessed form only with this flag.
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
  if(UNROLL_SANITIZE)
    # The instrumented code makes g++ see uninitialised values where there are none (std::regex).
    target_compile_options(${target} PRIVATE
      $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
      -fsanitize=${UNROLL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${UNROLL_SANITIZE})
  endif()
endfunction()
