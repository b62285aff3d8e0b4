cmoe_test(attention_parity parity parity/stickbreaking_test.cpp)
cmoe_test(llama_parity parity parity/llama_test.cpp parity/stories_test.cpp)
cmoe_test(optimizer_parity parity parity/adamw_test.cpp)
cmoe_test(moduleformer_parity parity parity/moduleformer_test.cpp)
