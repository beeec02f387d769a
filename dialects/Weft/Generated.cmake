# What weft-tblgen makes of the op records, in ${CMAKE_BINARY_DIR}/generated; target WeftGenerated.
# It is as well the check that each op has all its facets: a missing one fails the build.

set(generated ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${generated})

# weft_generate(MODE FILE): runs weft-tblgen -gen-MODE on the op records.
function(weft_generate mode file)
  add_custom_command(
    OUTPUT ${generated}/${file}
    COMMAND weft-tblgen -gen-${mode} ${CMAKE_CURRENT_SOURCE_DIR}/IR/AllOps.td
            -I ${CMAKE_SOURCE_DIR} -I ${MLIR_INCLUDE_DIRS}
            -o ${generated}/${file} -d ${generated}/${file}.d
    DEPENDS weft-tblgen ${CMAKE_CURRENT_SOURCE_DIR}/IR/AllOps.td
    DEPFILE ${generated}/${file}.d
    COMMENT "Generating ${file}"
    VERBATIM)
endfunction()

weft_generate(python _ops.py)
weft_generate(reference ops.md)
weft_generate(op-table op_table.py)
weft_generate(op-info OpInfo.inc)
add_custom_target(WeftGenerated ALL
  DEPENDS ${generated}/_ops.py ${generated}/ops.md ${generated}/op_table.py ${generated}/OpInfo.inc)

# The reference lives in the source tree, where people read it; test/tblgen checks that it is new.
add_custom_target(update-op-reference
  COMMAND ${CMAKE_COMMAND} -E copy ${generated}/ops.md ${CMAKE_SOURCE_DIR}/docs/ops.md
  DEPENDS ${generated}/ops.md
  COMMENT "Writing docs/ops.md"
  VERBATIM)
