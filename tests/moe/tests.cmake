cmoe_test(moe unit moe/routing_test.cpp)
