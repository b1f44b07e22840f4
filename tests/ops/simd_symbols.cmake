# Every inline function in the ${objects} compiled for ${isa} must carry ${isa} in its name. The
# linker merges inline functions of one name from all objects, so one without it could bring
# instructions of this set to a CPU that has none.
execute_process(COMMAND ${nm} --defined-only ${objects} OUTPUT_VARIABLE symbols
  COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]* [WVu] [^\n]*" shareable "${symbols}")
list(FILTER shareable EXCLUDE REGEX "${isa}|DW\\.ref\\.__gxx_personality")
if(shareable)
  list(JOIN shareable "\n  " shareable)
  message(FATAL_ERROR "inline functions compiled for ${isa} that other code may share:\n  ${shareable}")
endif()
