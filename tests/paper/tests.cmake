cmoe_test(pmoe paper paper/pmoe_model_test.cpp paper/pmoe_task_test.cpp)
cmoe_test(pmoe_stream paper paper/pmoe_stream_test.cpp)
cmoe_test(moduleformer paper paper/moduleformer_test.cpp paper/moduleformer_mixture_test.cpp)
cmoe_test(moduleformer_growth paper paper/moduleformer_router_test.cpp paper/moduleformer_growth_test.cpp paper/moduleformer_decode_test.cpp)
