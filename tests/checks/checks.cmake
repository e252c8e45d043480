# Checks other than C++ tests: layering, style, installation, the quickstart, and whole suites under a sanitizer.
# All of them are left out of the sanitizer builds themselves.
if(BLKREWIND_SANITIZE)
  return()
endif()

# check(NAME COMMAND...): exit status 77 is a skip.
function(check name)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS check TIMEOUT 600 SKIP_RETURN_CODE 77)
endfunction()

check(check_layers scripts/check-layers)
check(check_layers_finds_breaches tests/checks/check_layers_test.sh ${PROJECT_SOURCE_DIR})
check(check_format tests/checks/with_tool.sh clang-format scripts/check-format)
check(check_shell tests/checks/with_tool.sh shellcheck scripts/check-shell)

file(GLOB man_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.in)
list(TRANSFORM man_pages REPLACE ".*/(.*)\\.in" "${PROJECT_BINARY_DIR}/docs/\\1")
if(man_pages)
  check(check_man tests/checks/with_tool.sh mandoc scripts/check-man ${man_pages})
endif()

check(mutants_fit tests/checks/with_tool.sh patch scripts/mutants --check)
check(format_document tests/golden/check-document.sh)
check(install_and_embed tests/install/run.sh ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR}
  ${CMAKE_CXX_COMPILER})

if(BLKREWIND_BUILD_CLI)
  check(documented tests/checks/documented.sh $<TARGET_FILE:blkrewind>)
  foreach(where loop image)
    check(quickstart_${where} tests/checks/quickstart_test.sh ${where} $<TARGET_FILE:blkrewind>)
    set_tests_properties(quickstart_${where} PROPERTIES RESOURCE_LOCK loop COST ${BLKREWIND_COST_LOOP})
  endforeach()
  check(soak scripts/soak --seconds 20 --seed 1
    --program $<TARGET_FILE:blkrewind> --driver $<TARGET_FILE:soak>)
  set_tests_properties(soak PROPERTIES RESOURCE_LOCK loop COST ${BLKREWIND_COST_LOOP})
  check(track_stress scripts/track-stress --seconds 12 --slice 3 --seed 1
    --driver $<TARGET_FILE:track_stress>)
  set_tests_properties(track_stress PROPERTIES RESOURCE_LOCK loop COST ${BLKREWIND_COST_LOOP})
  foreach(on loop zram)
    check(flip_race_${on} $<TARGET_FILE:flip_race> --folder ${CMAKE_CURRENT_BINARY_DIR} --on ${on} --count 4000)
    set_tests_properties(flip_race_${on} PROPERTIES RESOURCE_LOCK loop COST ${BLKREWIND_COST_LOOP})
  endforeach()

  # The cloud API as its clients use it, and a short run of its load benchmark.
  foreach(client node python go)
    check(sdk_${client} tests/sdk/run.sh $<TARGET_FILE:blkrewind> ${client})
  endforeach()
  check(sdk_load scripts/bench-serve --seconds 1 --calls 64 --size 4M
    --program $<TARGET_FILE:blkrewind>)
  set_tests_properties(sdk_node sdk_python sdk_go sdk_load PROPERTIES
    LABELS sdk RESOURCE_LOCK loop COST ${BLKREWIND_COST_LOOP})
endif()

if(BLKREWIND_TEST_SUITES)
  # suite(NAME TIMEOUT ARGUMENTS...)
  function(suite name timeout)
    check(suite_${name} tests/checks/suite.sh ${ARGN})
    set_tests_properties(suite_${name} PROPERTIES TIMEOUT ${timeout} COST ${BLKREWIND_COST_SUITE})
  endfunction()
  # Loop devices and mounts are this machine's, whatever the build.
  suite(asan_system 1800 asan system)
  set_tests_properties(suite_asan_system PROPERTIES RESOURCE_LOCK loop COST ${BLKREWIND_COST_LOOP})
  foreach(part 1 2)
    suite(asan_${part} 1800 asan ${part}/2)
    suite(tsan_${part} 1800 tsan ${part}/2)
  endforeach()

  check(check_tidy tests/checks/with_tool.sh clang-tidy scripts/check-tidy build/asan)
  check(crash_campaign $<TARGET_FILE:crash_campaign> --states 50000 --random 100 --jobs 1)
  check(crash_campaign_memory $<TARGET_FILE:crash_campaign>
    --home memory --states 10000 --random 60 --jobs 1)
  check(crash_campaign_remote $<TARGET_FILE:crash_campaign>
    --home remote --states 20000 --random 60 --jobs 1)
  set_tests_properties(check_tidy crash_campaign crash_campaign_memory crash_campaign_remote
    PROPERTIES TIMEOUT 1800 COST ${BLKREWIND_COST_SUITE})
  set_tests_properties(check_tidy PROPERTIES ENVIRONMENT BLKREWIND_JOBS=1)
  foreach(target store_header segment_header node journal_header journal_tail journal_record entry
      journal_replay http_framing http_request http_parameters)
    # In 60 s these three made 3 to 10 million executions, and found nothing new after the first 200,000.
    set(limit "")
    if(target MATCHES "^(store_header|journal_header|journal_tail)$")
      set(limit --runs 1000000)
    endif()
    check(fuzz_${target} scripts/fuzz --seconds 60 ${limit} --target ${target} --built yes)
    set_tests_properties(fuzz_${target} PROPERTIES COST ${BLKREWIND_COST_LONG})
  endforeach()
endif()
