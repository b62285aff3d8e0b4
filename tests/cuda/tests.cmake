# The kernels of the GPU. They run here on the host, thread by thread; nvcc compiles them where it is found; a device runs them where
# there is one.
add_library(cmoe_emulated STATIC ${PROJECT_SOURCE_DIR}/cuda/emulated.cpp ${PROJECT_SOURCE_DIR}/cuda/host_memory.cpp)
target_link_libraries(cmoe_emulated PUBLIC cmoe PRIVATE cmoe_warnings)
target_include_directories(cmoe_emulated PUBLIC ${PROJECT_SOURCE_DIR}/cuda)

cmoe_test(cuda_emulated cuda cuda/emulated_test.cpp cuda/declared_test.cpp)
target_link_libraries(test_cuda_emulated PRIVATE cmoe_emulated)

if(TARGET cmoe_cuda)
  # Warnings are errors in our builds, and what ptxas says about every kernel is kept: which were made, their registers and spills.
  set(cmoe_kernel_logs ${CMAKE_BINARY_DIR}/kernels)
  target_compile_options(cmoe_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xptxas=-v -Xcompiler=-Wall,-Wextra,-Wconversion,-Wshadow>)
  set_target_properties(cmoe_cuda PROPERTIES CUDA_COMPILER_LAUNCHER "${CMAKE_CURRENT_LIST_DIR}/keep_log.sh;${cmoe_kernel_logs};${CMAKE_CXX_COMPILER_LAUNCHER}")
endif()
