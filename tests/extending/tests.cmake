# The worked change of docs/adding-an-op.md; the other pages of docs/extending quote examples, which are tested there.
get_target_property(eigen Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
list(TRANSFORM eigen PREPEND -isystem)
add_test(NAME extending_op COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/op.sh ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_BINARY_DIR}/extending_op
  ${CMAKE_CXX_COMPILER} -std=c++20 -O0 -pthread ${eigen})
set_tests_properties(extending_op PROPERTIES LABELS example SKIP_RETURN_CODE 77)
