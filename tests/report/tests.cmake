cmoe_test(report unit ${CMAKE_CURRENT_LIST_DIR}/report_test.cpp ${CMAKE_CURRENT_LIST_DIR}/run_folder_test.cpp ${CMAKE_CURRENT_LIST_DIR}/comparison_test.cpp)
