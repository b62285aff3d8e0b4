# The kernels of the GPU. They run here on the host, thread by thread; nvcc compiles them where it is found; a device runs them where
# there is one. The executables link what no other test does, so each is one of its own.
function(cmoe_cuda_test name)
  cmoe_test_alone(${name} cuda ${ARGN})
  target_link_libraries(test_${name} PRIVATE cmoe_kernels)
endfunction()

add_library(cmoe_emulated STATIC ${PROJECT_SOURCE_DIR}/cuda/emulated.cpp ${PROJECT_SOURCE_DIR}/cuda/host_memory.cpp)
target_link_libraries(cmoe_emulated PUBLIC cmoe PRIVATE cmoe_warnings)
target_include_directories(cmoe_emulated PUBLIC ${PROJECT_SOURCE_DIR}/cuda)

cmoe_cuda_test(cuda_emulated cuda/emulated_test.cpp cuda/faults_test.cpp cuda/decode_test.cpp cuda/declared_test.cpp)
target_link_libraries(test_cuda_emulated PRIVATE cmoe_emulated)

# The same under the sanitizers, whatever the build type.
cmoe_cuda_test(cuda_sanitized cuda/emulated_test.cpp cuda/faults_test.cpp ${PROJECT_SOURCE_DIR}/cuda/emulated.cpp
  ${PROJECT_SOURCE_DIR}/cuda/host_memory.cpp)
target_include_directories(test_cuda_sanitized PRIVATE ${PROJECT_SOURCE_DIR}/cuda)
target_compile_options(test_cuda_sanitized PRIVATE -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all)
target_link_options(test_cuda_sanitized PRIVATE -fsanitize=address,undefined)

# What is above the primitives: the gradient table, and training steps.
cmoe_cuda_test(cuda_gradients cuda/gradients_test.cpp ops/elementwise_lines.cpp ops/structured_lines.cpp ops/routed_lines.cpp)
target_link_libraries(test_cuda_gradients PRIVATE cmoe_emulated)
target_compile_definitions(test_cuda_gradients PRIVATE CMOE_TEST_EMULATED)
add_library(cmoe_training_cpu OBJECT cuda/training_cpu.cpp)
target_link_libraries(cmoe_training_cpu PRIVATE cmoe_kernels cmoe_warnings doctest::doctest)
target_include_directories(cmoe_training_cpu PRIVATE ${PROJECT_SOURCE_DIR}/tests)
cmoe_cuda_test(cuda_training cuda/training_test.cpp cuda/methods_test.cpp $<TARGET_OBJECTS:cmoe_training_cpu>)
target_link_libraries(test_cuda_training PRIVATE cmoe_emulated)
foreach(name cmoe_training_cpu test_cuda_training test_cuda_gradients)
  target_compile_options(${name} PRIVATE -O0)  # the kernels, where the time goes, are compiled apart
endforeach()

if(TARGET cmoe_cuda)
  # Warnings are errors in our builds, and what ptxas says about every kernel is kept: which were made, their registers and spills.
  set(cmoe_kernel_logs ${CMAKE_BINARY_DIR}/kernels)
  target_compile_options(cmoe_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xptxas=-v -Xcompiler=-Wall,-Wextra,-Wconversion,-Wshadow>)
  set_target_properties(cmoe_cuda PROPERTIES CUDA_COMPILER_LAUNCHER "${CMAKE_CURRENT_LIST_DIR}/keep_log.sh;${cmoe_kernel_logs};${CMAKE_CXX_COMPILER_LAUNCHER}")

  cmoe_cuda_test(cuda_kernels cuda/kernels_test.cpp)
  get_target_property(cmoe_kernel_architectures cmoe_cuda CUDA_ARCHITECTURES)
  string(REGEX REPLACE "([0-9]+[a-z]?)(-real)?" "sm_\\1" cmoe_kernel_architectures "${cmoe_kernel_architectures}")
  list(JOIN cmoe_kernel_architectures " " cmoe_kernel_architectures)
  target_compile_definitions(test_cuda_kernels PRIVATE CMOE_KERNEL_LOGS="${cmoe_kernel_logs}"
    CMOE_KERNEL_ARCHITECTURES="${cmoe_kernel_architectures}")
  add_dependencies(test_cuda_kernels cmoe_cuda)

  cmoe_cuda_test(cuda_device cuda/device_test.cpp cuda/device_training_test.cpp $<TARGET_OBJECTS:cmoe_training_cpu>)
  target_link_libraries(test_cuda_device PRIVATE cmoe_cuda)
elseif(NOT CMOE_CUDA STREQUAL OFF)
  # Skipped by name where nothing can compile them.
  foreach(name cuda_kernels cuda_device)
    add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -E echo "skipped: ${cmoe_cuda_missing} is missing")
    set_tests_properties(${name} PROPERTIES LABELS cuda SKIP_REGULAR_EXPRESSION "^skipped: ")
  endforeach()
endif()

add_test(NAME cuda_gpu_script COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DFOLDER=${CMAKE_CURRENT_BINARY_DIR}/gpu_script
  -P ${CMAKE_CURRENT_LIST_DIR}/gpu_script.cmake)
set_tests_properties(cuda_gpu_script PROPERTIES LABELS cuda)
