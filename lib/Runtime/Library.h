// Functions that kernels call, computed by libraries: decompositions of matrices by LAPACK, Fourier
// transforms.
#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace weft {

/// A function by the name that kernels call it by: "weft_library_cholesky_f64".
struct LibraryFunction {
  const char *name;
  void *address;
};

/// Those that need nothing but this process. Each takes places in memory, dense and row-major, then
/// sizes and options as int64_t, as its op has them in codegen/Templates/Library.cpp.
std::span<const LibraryFunction> libraryFunctions();
/// Those that need LAPACK: they may be called once that is provided. Where it finds no result, as
/// of a matrix that is singular, the elements are NaN.
std::span<const LibraryFunction> lapackFunctions();

/// Says where LAPACK and BLAS are: `find` gives the address of a function ("dpotrf"), with 32-bit
/// integers as Fortran passes them, or null. Returns false if one is missing; then nothing changes.
bool provideLapack(const std::function<void *(const char *name)> &find);
/// Whether `provideLapack` was called.
bool hasLapack();
/// Whether kernels can call the functions of this name ("cholesky") in this process.
bool hasLibraryFunction(std::string_view name);

} // namespace weft
