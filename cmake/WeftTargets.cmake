# Functions that declare Weft's targets, so that warnings, precompiled headers and the choice
# between static and shared LLVM are written once.

set(WEFT_WARNINGS -Wall -Wextra -Wno-unused-parameter)

# weft_library(NAME SOURCES ... LINK ...): a library without LLVM.
function(weft_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${WEFT_WARNINGS})
  target_link_libraries(${name} ${ARG_LINK})
endfunction()

# weft_link_llvm(TARGET library...): LLVM and MLIR libraries by name; with shared LLVM all of them
# live in two libraries.
function(weft_link_llvm name)
  if(WEFT_STATIC_LLVM)
    target_link_libraries(${name} ${ARGN})
  else()
    target_link_libraries(${name} MLIR LLVM)
  endif()
endfunction()

# The precompiled header that all MLIR code shares: parsing MLIR's headers is most of a compile.
file(WRITE ${CMAKE_BINARY_DIR}/WeftPrecompiled.cpp.tmp "")
file(COPY_FILE ${CMAKE_BINARY_DIR}/WeftPrecompiled.cpp.tmp ${CMAKE_BINARY_DIR}/WeftPrecompiled.cpp
     ONLY_IF_DIFFERENT)
add_library(WeftPrecompiled OBJECT ${CMAKE_BINARY_DIR}/WeftPrecompiled.cpp)
target_compile_options(WeftPrecompiled PRIVATE ${WEFT_WARNINGS})
target_precompile_headers(WeftPrecompiled PRIVATE ${CMAKE_CURRENT_LIST_DIR}/Precompiled.h)

# weft_mlir_library(NAME SOURCES ... LINK ... LLVM ... DEPENDS ...): a library on top of MLIR.
function(weft_mlir_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;LLVM;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${WEFT_WARNINGS})
  target_precompile_headers(${name} REUSE_FROM WeftPrecompiled)
  target_link_libraries(${name} ${ARG_LINK})
  weft_link_llvm(${name} ${ARG_LLVM})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# weft_mlir_tool(NAME SOURCES ... LINK ... LLVM ...): a command-line tool on top of MLIR.
function(weft_mlir_tool name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;LLVM" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  # CMake compiles executables with -fPIE, which the libraries' precompiled header does not fit.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE ${WEFT_WARNINGS} -fPIC)
  target_precompile_headers(${name} REUSE_FROM WeftPrecompiled)
  target_link_libraries(${name} ${ARG_LINK})
  weft_link_llvm(${name} ${ARG_LLVM})
  target_link_options(${name} PRIVATE -Wl,--gc-sections)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# weft_show_only_module_entry(NAME): the extension module shows nothing but its entry. Hidden
# visibility does not reach the standard library's templates, which are visible by attribute.
function(weft_show_only_module_entry name)
  set(script ${PROJECT_SOURCE_DIR}/cmake/PythonModule.map)
  target_link_options(${name} PRIVATE -Wl,--version-script=${script} -Wl,--gc-sections)
  set_target_properties(${name} PROPERTIES LINK_DEPENDS ${script})
endfunction()
