cmoe_test(continual unit ${CMAKE_CURRENT_LIST_DIR}/builtin_stream_test.cpp ${CMAKE_CURRENT_LIST_DIR}/skills_test.cpp)
