# The kernels of the GPU. They run here on the host, thread by thread; nvcc compiles them where it is found; a device runs them where
# there is one.
add_library(cmoe_emulated STATIC ${PROJECT_SOURCE_DIR}/cuda/emulated.cpp ${PROJECT_SOURCE_DIR}/cuda/host_memory.cpp)
target_link_libraries(cmoe_emulated PUBLIC cmoe PRIVATE cmoe_warnings)
target_include_directories(cmoe_emulated PUBLIC ${PROJECT_SOURCE_DIR}/cuda)

cmoe_test(cuda_emulated cuda cuda/emulated_test.cpp cuda/declared_test.cpp)
target_link_libraries(test_cuda_emulated PRIVATE cmoe_emulated)
