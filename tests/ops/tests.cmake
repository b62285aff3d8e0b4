cmoe_test(gradients unit ops/gradient_table_test.cpp ops/elementwise_lines.cpp ops/structured_lines.cpp ops/routed_lines.cpp)
cmoe_test(ops unit ops/fused_test.cpp ops/refused_test.cpp ops/threads_test.cpp)
