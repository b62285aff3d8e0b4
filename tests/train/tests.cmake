cmoe_test(train unit train/adamw_test.cpp train/batch_test.cpp)
