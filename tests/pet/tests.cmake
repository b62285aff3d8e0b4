cmoe_test(pet unit pet/lora_test.cpp)
