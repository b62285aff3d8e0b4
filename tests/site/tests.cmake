# The documentation: the site builds, every public name is documented, the diagrams are those of the tree.
foreach(name site documented diagrams)
  add_test(NAME docs_${name} COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/${name}.sh ${PROJECT_SOURCE_DIR} ${CMAKE_BINARY_DIR}/docs-${name})
  set_tests_properties(docs_${name} PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
endforeach()
