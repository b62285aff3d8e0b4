cmoe_test(random unit random/random_test.cpp)
