cmoe_test(io unit io/file_test.cpp io/json_test.cpp io/safetensors_test.cpp io/llama2c_test.cpp io/tokenizer_test.cpp
  io/stream_test.cpp)
cmoe_test(io_moduleformer unit io/moduleformer_test.cpp)
cmoe_test(io_models unit io/hf_test.cpp io/gguf_test.cpp io/stored_weights_test.cpp io/gguf_writer_test.cpp io/peft_test.cpp io/t5_test.cpp)
cmoe_test(io_parity parity io/parity_test.cpp)

target_sources(test_damaged PRIVATE io/sanitizer_options.cpp)
cmoe_test(io_mutated damaged io/mutated_files_test.cpp)
cmoe_test(io_mutated_models damaged io/mutated_models_test.cpp)
cmoe_test(io_mutated_tokenizers damaged io/mutated_tokenizers_test.cpp)

cmoe_test(io_tokenizers unit io/unicode_test.cpp io/word_rules_test.cpp io/byte_level_tokenizer_test.cpp
  io/sentencepiece_tokenizer_test.cpp io/read_tokenizer_test.cpp)
cmoe_test(io_tokenizers_parity parity io/tokenizer_parity_test.cpp)
cmoe_test(io_chat unit io/chat_template_test.cpp io/template_language_test.cpp io/stop_strings_test.cpp
  io/text_marks_test.cpp)
