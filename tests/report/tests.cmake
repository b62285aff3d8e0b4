cmoe_test(report unit report/report_test.cpp report/run_folder_test.cpp report/comparison_test.cpp)
