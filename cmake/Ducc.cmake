# The sources of ducc's Fourier transforms (Reinecke; BSD-3-Clause), which Debian has no package of: pip
# brings the source distribution. WEFT_DUCC_SOURCES names a folder that has them already.

set(WEFT_DUCC_SOURCES ${CMAKE_SOURCE_DIR}/build/ducc0 CACHE PATH
    "Folder with the source distribution of ducc0")

if(NOT EXISTS ${WEFT_DUCC_SOURCES}/src/ducc0/fft/fft1d_impl.h)
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
  set(unpacked ${CMAKE_BINARY_DIR}/ducc)
  file(REMOVE_RECURSE ${unpacked})
  message(STATUS "Fetching the sources of ducc0 by pip")
  execute_process(
    COMMAND ${Python_EXECUTABLE} -m pip download --quiet --no-deps --no-binary ducc0 --require-hashes
            -r ${CMAKE_CURRENT_LIST_DIR}/ducc-requirements.txt -d ${unpacked}
    RESULT_VARIABLE failed)
  file(GLOB archive ${unpacked}/ducc0-*.tar.gz)
  if(failed OR NOT archive)
    message(FATAL_ERROR "The sources of ducc0, for Fourier transforms, could not be had by pip; "
                        "unpack them and set WEFT_DUCC_SOURCES to their folder")
  endif()
  file(ARCHIVE_EXTRACT INPUT ${archive} DESTINATION ${unpacked})
  file(GLOB folder LIST_DIRECTORIES true ${unpacked}/ducc0-*)
  list(FILTER folder EXCLUDE REGEX "\\.tar\\.gz$")
  file(REMOVE_RECURSE ${WEFT_DUCC_SOURCES})
  file(RENAME ${folder} ${WEFT_DUCC_SOURCES})
endif()
