# cmake -DFILE=... -DCOMPILER=... -DFLAGS=... -P compile.cmake: FILE must compile as it is and must not compile with -DREJECTED;
# then the compiler must say what stands behind "says:" in the file's first lines (a regular expression).
file(STRINGS ${FILE} says REGEX "^// says: ")
if(NOT says)
  message(FATAL_ERROR "${FILE} does not say what the compiler must say")
endif()
string(REPLACE "// says: " "" says "${says}")

execute_process(COMMAND ${COMPILER} ${FLAGS} ${FILE} RESULT_VARIABLE result ERROR_VARIABLE errors)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the accepted twin does not compile:\n${errors}")
endif()
execute_process(COMMAND ${COMPILER} ${FLAGS} -DREJECTED ${FILE} RESULT_VARIABLE result ERROR_VARIABLE errors)
if(result EQUAL 0)
  message(FATAL_ERROR "it compiles, and must not")
endif()
if(NOT errors MATCHES "${says}")
  message(FATAL_ERROR "it is rejected, but not with '${says}':\n${errors}")
endif()
