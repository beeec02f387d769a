// From a program to an object file that stands alone.
#pragma once

#include "codegen/CPU/ArtifactABI.h"
#include "mlir/IR/BuiltinOps.h"
#include <optional>
#include <string>

namespace weft {

/// What is written.
enum class EmitKind {
  Object,
  StaticLibrary,
  SharedLibrary,
  WebAssembly,
  LlvmText,
  AssemblyText,
  Ptx,
  Cubin
};

struct EmitKindInfo {
  EmitKind kind;
  llvm::StringLiteral name, meaning;
  /// Made for a GPU, else for a processor.
  bool isForGpu = false;
};
/// The kinds, with the names that the command line and Python use.
llvm::ArrayRef<EmitKindInfo> emitKinds();
/// The kind of a name, or nothing. The empty name is what is usual for the target: an object, but a
/// module for wasm32.
std::optional<EmitKind> emitKindByName(llvm::StringRef name, llvm::StringRef target);
/// "none", "hook", "pool".
std::optional<ThreadMode> threadModeByName(llvm::StringRef name);
llvm::StringRef nameOf(ThreadMode mode);

struct ObjectOptions {
  /// What the names of the C functions begin with: an identifier of C. Empty: made from `output`.
  std::string name;
  /// A processor, see CpuTarget::byName, or a GPU, see GpuTarget::byName.
  std::string target = "native";
  EmitKind emit = EmitKind::Object;
  ThreadMode threads = ThreadMode::None;
  /// Where the result is written.
  std::string output;
  /// Where the C header is written; empty: nowhere.
  std::string header;
  /// Where the JavaScript that calls a WebAssembly module is written, its types beside it; empty:
  /// nowhere.
  std::string javaScript;
  /// Where the large constants are written, as safetensors; empty: they are part of the object.
  std::string weights;
};

/// Compiles @main of `module`, with known or symbolic sizes, and writes the files of `options`, all
/// of them or none. Changes the module. Throws weft::Error, with the user's line where there is
/// one. For a GPU the result is the code of the program's kernels, see docs/gpu.md.
void compileObject(mlir::ModuleOp module, const ObjectOptions &options);

/// The name that a model gets from the file it is written to: "out/my-net.o" gives "my_net".
std::string modelNameFrom(llvm::StringRef path);

} // namespace weft
