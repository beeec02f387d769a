# Debian's MLIR libraries (22.1.8) name the shared libLLVM as their dependency, even the static ones.
# Here the static libraries that MLIR is written against take its place, so that no symbol of LLVM
# leaves our binaries. Archives that nobody needs cost nothing in the result.

set(WEFT_MLIR_NEEDS_LLVM
    LLVMSupport LLVMTargetParser LLVMCore LLVMAsmParser LLVMBitReader LLVMBitWriter LLVMIRReader
    LLVMTransformUtils LLVMAnalysis LLVMTarget LLVMFrontendOpenMP LLVMFrontendOpenACC)

get_property(imported_targets DIRECTORY PROPERTY IMPORTED_TARGETS)
foreach(name IN LISTS imported_targets)
  if(name MATCHES "^MLIR")
    get_target_property(dependencies ${name} INTERFACE_LINK_LIBRARIES)
    if("LLVM" IN_LIST dependencies)
      list(REMOVE_ITEM dependencies LLVM)
      set_target_properties(${name} PROPERTIES INTERFACE_LINK_LIBRARIES
                            "${dependencies};${WEFT_MLIR_NEEDS_LLVM}")
    endif()
  endif()
endforeach()

# LLVM's support library names Z3, which only clang's analyzer uses.
add_link_options(-Wl,--as-needed)
