# gfn_library(NAME SRCS a.cc b.cc [DEPS x y] [TORCH])   a static library, alias gfn::NAME
# gfn_test(NAME SRCS a_test.cc [DEPS x y] [TORCH] [LABELS unit] [TIMEOUT s])   one binary; every TEST in it becomes a ctest entry
#
# TORCH: the sources see LibTorch through the one shared precompiled header. Libraries without it must not include any
# torch or ATen header (gflownet/base, report, the command line): tests/layering_test checks it.

function(_gfn_flags target torch)
  target_include_directories(${target} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror)
  if(torch)
    target_link_libraries(${target} PUBLIC LibTorch::cpu)
    if(NOT target STREQUAL "gfn_pch")
      target_precompile_headers(${target} REUSE_FROM gfn_pch)
    endif()
  endif()
endfunction()

function(gfn_library name)
  cmake_parse_arguments(A "TORCH" "" "SRCS;DEPS" ${ARGN})
  add_library(gfn_${name} STATIC ${A_SRCS})
  add_library(gfn::${name} ALIAS gfn_${name})
  _gfn_flags(gfn_${name} "${A_TORCH}")
  target_link_libraries(gfn_${name} PUBLIC ${A_DEPS})
endfunction()

function(gfn_test name)
  if(NOT GFN_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "TORCH" "TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  if(NOT A_LABELS)
    set(A_LABELS unit)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 600)
  endif()
  add_executable(${name} ${A_SRCS})
  # As the libraries are compiled, so that the precompiled header fits.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  _gfn_flags(${name} "${A_TORCH}")
  target_link_libraries(${name} PRIVATE ${A_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    GFN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" GFN_SHARED_DIR="${CMAKE_SOURCE_DIR}/../shared" GFN_BINARY_DIR="${CMAKE_BINARY_DIR}")
  add_dependencies(gfn_tests ${name})
  # Discovery runs when ctest does, so that a build never has to start the binaries.
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES LABELS "${A_LABELS}" TIMEOUT ${A_TIMEOUT})
endfunction()
