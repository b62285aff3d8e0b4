cmoe_test(bounds unit continual/bounds_test.cpp)
cmoe_test(continual unit continual/builtin_stream_test.cpp continual/metrics_test.cpp
          continual/skills_test.cpp continual/text_scores_test.cpp)
cmoe_test(continual_parity parity continual/golden_metrics_test.cpp)
cmoe_test(baselines paper continual/regularized_test.cpp continual/incremental_test.cpp
          continual/prompts_test.cpp continual/resume_test.cpp)
