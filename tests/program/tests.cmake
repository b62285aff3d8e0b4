# The program as users and scripts call it: results, files, resuming, refusals.
if(TARGET cmoe_program)
  foreach(name commands resume refusals device modules export t5 manual)
    add_test(NAME program_${name} COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/${name}.sh $<TARGET_FILE:cmoe_program>)
    set_tests_properties(program_${name} PROPERTIES LABELS unit FIXTURES_REQUIRED program_backbone TIMEOUT 600
      ENVIRONMENT "CMOE_CACHE=${CMAKE_BINARY_DIR}/program-cache;CMOE_BUILTIN_STEPS=12;CMOE_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
  endforeach()
  add_test(NAME program_backbone COMMAND cmoe_program generate --prompt "COPY: abc" --max-tokens 2 --quiet)
  set(run ${CMAKE_BINARY_DIR}/program-cache/modular-run)
  add_test(NAME program_backbone_modular COMMAND bash -c
    "rm -rf ${run} && $<TARGET_FILE:cmoe_program> learn --method moduleformer --task-steps 1 --order cipher --test-limit 2 --quiet --out ${run}")
  set_tests_properties(program_backbone program_backbone_modular PROPERTIES LABELS unit FIXTURES_SETUP program_backbone
    ENVIRONMENT "CMOE_CACHE=${CMAKE_BINARY_DIR}/program-cache;CMOE_BUILTIN_STEPS=12")
  add_test(NAME program_report COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/report.sh $<TARGET_FILE:cmoe_program>)
  set_tests_properties(program_report PROPERTIES LABELS slow SKIP_RETURN_CODE 77 FIXTURES_REQUIRED program_backbone TIMEOUT 600
    ENVIRONMENT "CMOE_CACHE=${CMAKE_BINARY_DIR}/program-cache;CMOE_BUILTIN_STEPS=12")
  if(CMOE_INSTALL)
    add_test(NAME program_install COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/install.sh $<TARGET_FILE:cmoe_program> ${CMAKE_BINARY_DIR})
    set_tests_properties(program_install PROPERTIES LABELS unit)
  endif()
  add_test(NAME program_first COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/first.sh $<TARGET_FILE:cmoe_program>
    $<TARGET_FILE:example_first_generate> $<TARGET_FILE:example_first_two_tasks>)
  set_tests_properties(program_first PROPERTIES LABELS example FIXTURES_REQUIRED program_backbone TIMEOUT 600
    ENVIRONMENT "CMOE_CACHE=${CMAKE_BINARY_DIR}/program-cache;CMOE_BUILTIN_STEPS=12")
  foreach(name compare results generate)
    add_test(NAME program_${name} COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/${name}.sh $<TARGET_FILE:cmoe_program> $<TARGET_FILE:results_page>)
    set_tests_properties(program_${name} PROPERTIES LABELS unit FIXTURES_REQUIRED program_backbone TIMEOUT 600 SKIP_RETURN_CODE 77
      ENVIRONMENT "CMOE_CACHE=${CMAKE_BINARY_DIR}/program-cache;CMOE_BUILTIN_STEPS=12;CMOE_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
  endforeach()
endif()
