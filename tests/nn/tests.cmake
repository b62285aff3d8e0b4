cmoe_test(nn unit nn/module_test.cpp nn/expect_module_test.cpp)
