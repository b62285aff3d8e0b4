# cmoe::precompiled: the kernels, the architectures and the optimiser for Cpu<float>, compiled once in the project that links it, and
# the headers read once. For projects of many files; who links cmoe::cmoe alone needs none of this.
if(NOT TARGET cmoe_precompiled)
  if(NOT DEFINED cmoe_cpu_folder)
    set(cmoe_cpu_folder ${CMAKE_CURRENT_LIST_DIR}/cpu)
  endif()
  add_library(cmoe_precompiled STATIC EXCLUDE_FROM_ALL
    ${cmoe_cpu_folder}/kernels_float.cpp ${cmoe_cpu_folder}/kernels_double.cpp ${cmoe_cpu_folder}/models_float.cpp)
  add_library(cmoe::precompiled ALIAS cmoe_precompiled)
  target_link_libraries(cmoe_precompiled PUBLIC cmoe::cmoe)
  target_include_directories(cmoe_precompiled PUBLIC ${cmoe_cpu_folder})
  target_compile_definitions(cmoe_precompiled PUBLIC CMOE_PRECOMPILED_KERNELS CMOE_PRECOMPILED_MODELS)
  set_target_properties(cmoe_precompiled PROPERTIES UNITY_BUILD OFF)  # large files, for several compilers at a time
  target_precompile_headers(cmoe_precompiled INTERFACE <cmoe_precompiled_models.hpp>)
endif()
