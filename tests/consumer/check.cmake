# Installs the build in ${build_dir} into a scratch prefix, then configures, builds and runs the
# project beside this file against it: what a user of the installed package does.
set(scratch ${build_dir}/consumer)
file(REMOVE_RECURSE ${scratch})

function(must)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

must(${CMAKE_COMMAND} --install ${build_dir} --config "${config}" --prefix ${scratch}/prefix)
must(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${scratch}/build -G ${generator}
  -D CMAKE_BUILD_TYPE=${config} -D CMAKE_CXX_COMPILER=${compiler}
  -D CMAKE_PREFIX_PATH=${scratch}/prefix)
must(${CMAKE_COMMAND} --build ${scratch}/build --config "${config}")
must(${scratch}/build/consumer)
