# The libraries that unroll is built on; packages.txt names the distribution's packages.
# None of them shows in a public header, so a user of unroll links them but never includes them.
find_package(TBB CONFIG REQUIRED)
find_package(fmt CONFIG REQUIRED)
find_package(ZLIB REQUIRED)

# Found by header and library: Debian's CMake package of xsimd may ask for xtl, and utf8proc has
# none.
find_library(UTF8PROC_LIBRARY utf8proc REQUIRED)
find_path(UTF8PROC_INCLUDE_DIR utf8proc.h REQUIRED)
find_path(UTF8CPP_INCLUDE_DIR utf8.h PATH_SUFFIXES utf8cpp REQUIRED)
find_path(XSIMD_INCLUDE_DIR xsimd/xsimd.hpp REQUIRED)
find_path(NLOHMANN_JSON_INCLUDE_DIR nlohmann/json.hpp REQUIRED)

set(unroll_include_dirs ${UTF8PROC_INCLUDE_DIR} ${UTF8CPP_INCLUDE_DIR}
  ${XSIMD_INCLUDE_DIR} ${NLOHMANN_JSON_INCLUDE_DIR})
list(REMOVE_DUPLICATES unroll_include_dirs)
set(unroll_libraries TBB::tbb fmt::fmt ZLIB::ZLIB
  $<BUILD_INTERFACE:${UTF8PROC_LIBRARY}> $<INSTALL_INTERFACE:utf8proc>)
