cmoe_test(gradients unit ops/gradient_table_test.cpp ops/elementwise_lines.cpp ops/structured_lines.cpp ops/routed_lines.cpp)
