// The phases from weft ops to the LLVM dialect, each a straight list of passes.
#pragma once

#include "codegen/Passes.h"
#include "codegen/Target.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"

namespace weft {

/// In the order in which they run.
enum class Phase { Differentiate, Simplify, Fuse, Schedule, Plan, Loops, Llvm };

/// "differentiate", "simplify", ...; nullopt for another name.
std::optional<Phase> phaseByName(llvm::StringRef name);
/// The name: a text that lives forever.
const char *phaseName(Phase phase);
/// The names, for messages: "differentiate, simplify, ...".
std::string phaseNames();

/// Adds the passes of the phases `first` to `last`, both included: the one list that jit, `weftc`,
/// GPUs and `weft-opt` run. A program that is compiled ahead of time becomes the C functions of a
/// model where its kernels become loops, as `entry` says.
void buildPipeline(mlir::OpPassManager &passes, const Target &target, Phase first, Phase last,
                   const EmitEntryOptions *entry = nullptr);

/// The same for a module that is read from a file and written to one: sizes get their handles
/// before (weft-resolve-sizes), and their names behind, if the last phase leaves functions on
/// tensors.
void buildFilePipeline(mlir::OpPassManager &passes, const Target &target, Phase first, Phase last);

/// Adds every dialect that the pipeline meets, and the templates and targets that passes ask.
void registerDialects(mlir::DialectRegistry &registry);
/// Makes every pass of Weft, and the upstream ones that the pipeline uses, known by name.
void registerPasses();

} // namespace weft
