cmoe_test(random unit ${CMAKE_CURRENT_LIST_DIR}/random_test.cpp)
