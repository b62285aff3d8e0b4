cmoe_test(models unit models/generate_test.cpp models/config_test.cpp)
