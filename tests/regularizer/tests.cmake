cmoe_test(regularizer unit ${CMAKE_CURRENT_LIST_DIR}/anchor_test.cpp ${CMAKE_CURRENT_LIST_DIR}/orthogonal_test.cpp)
