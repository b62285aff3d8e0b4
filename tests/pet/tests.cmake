cmoe_test(pet unit pet/lora_test.cpp pet/tuned_test.cpp)
cmoe_test(routed_lora unit pet/routed_lora_test.cpp)
