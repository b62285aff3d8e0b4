cmoe_test(core unit core/memory_test.cpp core/array_test.cpp core/parallel_test.cpp)
