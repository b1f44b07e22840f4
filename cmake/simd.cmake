# The vector kernels: sources compiled once per instruction set, each copy in the namespace that
# UNROLL_ISA names; the library picks one at run time. Nothing else gets a -m flag, so the library
# runs on every CPU of its architecture.
set(simd_sources simd_kernels.cpp simd_gemm.cpp simd_gemm_pack.cpp)
set(bf16_sources simd_bf16.cpp simd_gemm.cpp simd_gemm_pack.cpp)
list(TRANSFORM simd_sources PREPEND ${PROJECT_SOURCE_DIR}/ops/kernels/)
list(TRANSFORM bf16_sources PREPEND ${PROJECT_SOURCE_DIR}/ops/kernels/)
get_target_property(unroll_own_sources unroll SOURCES)
list(REMOVE_ITEM unroll_own_sources ${simd_sources} ${bf16_sources})
set_property(TARGET unroll PROPERTY SOURCES ${unroll_own_sources})

# unroll_add_isa(<namespace> SOURCES <source>... [FLAGS <flag>...])
function(unroll_add_isa isa)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;FLAGS")
  add_library(unroll_simd_${isa} OBJECT ${arg_SOURCES})
  unroll_own_target(unroll_simd_${isa})
  target_compile_features(unroll_simd_${isa} PRIVATE cxx_std_20)
  # xsimd's namespace gets a name per copy too: its inline functions that don't mention the
  # instruction set would otherwise be merged by the linker, which may keep the AVX-512 one.
  # The test ops/simd_symbols watches over that.
  target_compile_definitions(unroll_simd_${isa} PRIVATE UNROLL_ISA=${isa} xsimd=xsimd_${isa})
  target_include_directories(unroll_simd_${isa} PRIVATE ${unroll_include_root})
  target_include_directories(unroll_simd_${isa} SYSTEM PRIVATE ${unroll_include_dirs})
  # Kernels read neither errno nor the floating-point flags; NaN and signed zero still count,
  # so never -ffast-math. g++ 12 takes the undefined registers of its own intrinsics for a mistake.
  target_compile_options(unroll_simd_${isa} PRIVATE -O3 -fno-math-errno -fno-trapping-math
    "$<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized;-Wno-maybe-uninitialized>" ${arg_FLAGS})
  if(UNROLL_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # xsimd's exp makes an integer of a NaN before it chooses the other branch.
    target_compile_options(unroll_simd_${isa} PRIVATE -fno-sanitize=float-cast-overflow)
  endif()
  set_target_properties(unroll_simd_${isa} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_sources(unroll PRIVATE $<TARGET_OBJECTS:unroll_simd_${isa}>)
endfunction()

unroll_add_isa(baseline SOURCES ${simd_sources})
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  target_compile_definitions(unroll PRIVATE UNROLL_X86=1)
  set(avx512_flags -mavx512f -mavx512dq -mavx512cd -mavx512bw -mavx512vl -mfma)
  unroll_add_isa(avx2 SOURCES ${simd_sources} FLAGS -mavx2 -mfma)
  unroll_add_isa(avx512 SOURCES ${simd_sources} FLAGS ${avx512_flags})
  unroll_add_isa(avx512bf16 SOURCES ${bf16_sources} FLAGS ${avx512_flags} -mavx512bf16)
  target_compile_definitions(unroll_simd_avx512bf16 PRIVATE UNROLL_BF16=1)
endif()
