cmoe_test(attention unit attention/attention_test.cpp)
