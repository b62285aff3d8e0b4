cmoe_test(cpu unit
  cpu/isa_test.cpp
  cpu/math_test.cpp
  cpu/elementwise_test.cpp
  cpu/gemm_test.cpp
  cpu/layout_test.cpp
  cpu/rows_test.cpp
  cpu/attention_test.cpp
  cpu/stored_test.cpp
  cpu/eigen_products_test.cpp
  cpu/eigen_rows_test.cpp)

# The same tests on the smaller vectors; a CPU without avx2 skips that run.
foreach(isa baseline avx2)
  add_test(NAME cpu_${isa} COMMAND ${cmoe_command_cpu})
  set_tests_properties(cpu_${isa} PROPERTIES LABELS unit ENVIRONMENT CMOE_ISA=${isa} SKIP_REGULAR_EXPRESSION "this CPU has no")
endforeach()
