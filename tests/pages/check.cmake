# Runs ${program} and compares what it prints with the file ${expected}, a part of ${page}.
execute_process(COMMAND ${program} OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
file(READ ${expected} promised)
if(NOT printed STREQUAL promised)
  message(FATAL_ERROR "${page} promises\n${promised}\nbut the program prints\n${printed}")
endif()
