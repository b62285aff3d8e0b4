cmoe_test(bounds unit ${CMAKE_CURRENT_LIST_DIR}/bounds_test.cpp)
cmoe_test(continual unit ${CMAKE_CURRENT_LIST_DIR}/builtin_stream_test.cpp ${CMAKE_CURRENT_LIST_DIR}/metrics_test.cpp
          ${CMAKE_CURRENT_LIST_DIR}/skills_test.cpp ${CMAKE_CURRENT_LIST_DIR}/text_scores_test.cpp)
cmoe_test(continual_parity parity ${CMAKE_CURRENT_LIST_DIR}/golden_metrics_test.cpp)
cmoe_test(baselines paper ${CMAKE_CURRENT_LIST_DIR}/regularized_test.cpp ${CMAKE_CURRENT_LIST_DIR}/incremental_test.cpp
          ${CMAKE_CURRENT_LIST_DIR}/prompts_test.cpp ${CMAKE_CURRENT_LIST_DIR}/resume_test.cpp)
