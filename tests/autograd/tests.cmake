cmoe_test(autograd unit autograd/tape_test.cpp autograd/checkpoint_test.cpp)
