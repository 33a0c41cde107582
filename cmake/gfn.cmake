# gfn_library(NAME SRCS a.cc b.cc [DEPS x y] [TORCH] [COLD] [TEST_ONLY])   a static library, alias gfn::NAME; a part of the engine
#   library unless only tests link it
# gfn_test(NAME SRCS a_test.cc [DEPS x y] [TORCH] [LABELS unit] [TIMEOUT s])   one binary; every test suite in it becomes a ctest entry
#
# GFN_UNITY compiles the files of a library several at a time: a file that sees LibTorch costs four seconds before its first own line,
# most of them for templates that the precompiled header left to be instantiated again in every compilation. So names in the anonymous
# namespaces of one library differ from each other. The dev preset has it off: a change then rebuilds one file.
#
# COLD: no loop in it is worth the compiler's time, so its release build is -O1, a fifth faster to compile. Tests are cold.
#
# TORCH: the sources see LibTorch through the one shared precompiled header. Libraries without it must not include any
# torch or ATen header (gflownet/base, report, the command line): tests/layering_test checks it.

option(GFN_UNITY "Compile the files of a library several at a time" ON)

function(_gfn_flags target torch cold)
  target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>")
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror)
  if(cold)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${GFN_UNITY} UNITY_BUILD_BATCH_SIZE 9)
  if(torch)
    target_link_libraries(${target} PUBLIC $<BUILD_INTERFACE:LibTorch::cpu>)
    if(NOT target STREQUAL "gfn_pch")
      target_precompile_headers(${target} REUSE_FROM gfn_pch)
    endif()
  endif()
endfunction()

function(gfn_library name)
  cmake_parse_arguments(A "TORCH;COLD;TEST_ONLY" "" "SRCS;DEPS" ${ARGN})
  add_library(gfn_${name} STATIC ${A_SRCS})
  add_library(gfn::${name} ALIAS gfn_${name})
  _gfn_flags(gfn_${name} "${A_TORCH}" "${A_COLD}")
  target_link_libraries(gfn_${name} PUBLIC ${A_DEPS})
  if(NOT A_TEST_ONLY)
    set_property(GLOBAL APPEND PROPERTY GFN_LIBRARIES gfn_${name})
  endif()
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
  _gfn_flags(${name} "${A_TORCH}" TRUE)
  target_link_libraries(${name} PRIVATE ${A_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    GFN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" GFN_SHARED_DIR="${CMAKE_SOURCE_DIR}/../shared" GFN_BINARY_DIR="${CMAKE_BINARY_DIR}")
  add_dependencies(gfn_tests ${name})
  # ctest starts the long ones first.
  set(cost 1)
  if("exact" IN_LIST A_LABELS OR "reliability" IN_LIST A_LABELS)
    set(cost 100)
  endif()
  # ctest asks the binaries for their tests, so that a build never has to start them.
  set(entries "${CMAKE_CURRENT_BINARY_DIR}/${name}_entries.cmake")
  file(GENERATE OUTPUT "${entries}" CONTENT "include([==[${CMAKE_SOURCE_DIR}/cmake/add_suites.cmake]==])
gfn_add_suites([==[$<TARGET_FILE:${name}>]==] [==[${CMAKE_CURRENT_BINARY_DIR}/${name}_suites.cmake]==] [==[${A_LABELS}]==] ${A_TIMEOUT} ${cost})
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${entries}")
endfunction()
