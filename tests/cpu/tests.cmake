cmoe_test(cpu unit
  ${CMAKE_CURRENT_LIST_DIR}/isa_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/math_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/elementwise_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gemm_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/layout_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/rows_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/attention_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/stored_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/eigen_products_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/eigen_rows_test.cpp)

# The same tests on the smaller vectors; a CPU without avx2 skips that run.
foreach(isa baseline avx2)
  add_test(NAME cpu_${isa} COMMAND test_cpu)
  set_tests_properties(cpu_${isa} PROPERTIES LABELS unit ENVIRONMENT CMOE_ISA=${isa} SKIP_REGULAR_EXPRESSION "this CPU has no")
endforeach()
