cmoe_test(models unit models/generate_test.cpp models/config_test.cpp models/merged_test.cpp)
cmoe_test(t5 unit models/t5_test.cpp continual/t5_stream_test.cpp)
cmoe_test(mixes unit models/mixes_test.cpp)
