# Read by ctest itself (gfn_test in cmake/gfn.cmake): one entry for every test suite of a binary. An entry for every TEST would start
# the binary, and with it LibTorch, a thousand times. The list is written anew when the binary is newer than it.
#
# ctest -j runs an entry on each core, so every entry gets one thread: more of them would wait for each other at every barrier. What
# threads change is tested with threads that the test asks for.
#
# A suite of which every test was skipped counts as skipped; tools/test lists the single skipped tests of the others.
function(gfn_add_suites binary list labels timeout cost)
  if(NOT EXISTS "${binary}")
    file(WRITE "${list}" "add_test([==[${binary}_NOT_BUILT]==] \"${binary}\")\nset_tests_properties([==[${binary}_NOT_BUILT]==] PROPERTIES LABELS \"${labels}\")\n")
  elseif(NOT EXISTS "${list}" OR "${binary}" IS_NEWER_THAN "${list}" OR "${CMAKE_CURRENT_FUNCTION_LIST_FILE}" IS_NEWER_THAN "${list}")
    execute_process(COMMAND "${binary}" --gtest_list_tests OUTPUT_VARIABLE output RESULT_VARIABLE result TIMEOUT 60)
    if(NOT result EQUAL 0)
      message(FATAL_ERROR "${binary} --gtest_list_tests: ${result}\n${output}")
    endif()
    string(REGEX MATCHALL "[^\n]+" lines "${output}")
    set(content "")
    foreach(line IN LISTS lines)
      if(NOT line MATCHES "^([A-Za-z0-9_/]+)\\.")
        continue()
      endif()
      set(suite "${CMAKE_MATCH_1}")
      string(APPEND content "add_test([==[${suite}]==] \"${binary}\" \"--gtest_filter=${suite}.*\")\n"
        "set_tests_properties([==[${suite}]==] PROPERTIES LABELS \"${labels}\" TIMEOUT ${timeout} COST ${cost} ENVIRONMENT OMP_NUM_THREADS=1 "
        "SKIP_REGULAR_EXPRESSION "
        "[==[\\[  PASSED  \\] 0 tests\\.\n\\[  SKIPPED \\] [0-9]+ tests?, listed below:\n(\\[  SKIPPED \\] [^\n]*\n*)+\$]==])\n")
    endforeach()
    file(WRITE "${list}" "${content}")
  endif()
  include("${list}")
endfunction()
