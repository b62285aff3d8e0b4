cmoe_test(pet unit pet/lora_test.cpp pet/tuned_test.cpp)
cmoe_test(routed_lora unit ${CMAKE_CURRENT_LIST_DIR}/routed_lora_test.cpp)
