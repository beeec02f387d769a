// Groups of options for `weft-opt --help`. LLVM's libraries register hundreds of options.
#include "tools/weft-opt/Help.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CommandLine.h"

#include <memory>
#include <vector>

namespace weft {

const char *const helpOverview =
    R"(Weft's pass driver: reads IR as text or bytecode, runs passes over it, and prints the result.
Saved programs (.weft) are taken too, and models of ONNX (.onnx), PyTorch (.pt2) and StableHLO,
which Weft's Python package reads (of $WEFT_PYTHON, or of a python3 on the path).

EXAMPLES:
  weft-opt model.mlir --weft-pipeline=cpu --until=fuse
      prints the kernels that the operations of model.mlir are fused into
  weft-opt model.mlir --weft-sink-reshapes --canonicalize -o simpler.mlir
      runs two passes, one after the other

  A file that makes a pass fail is made small by weft-reduce. More: docs/pass-driver.md
)";

namespace {

/// LLVM sorts the groups by name.
struct Group {
  const char *name;
  const char *description;
  std::vector<llvm::StringRef> options;
};

} // namespace

/// Any pass will do: all of them are one option.
static constexpr llvm::StringLiteral anyPass = "canonicalize";

static std::vector<Group> groups() {
  return {
      {"1. Passes",
       "Passes run in the order of the command line, after the phases of Weft's pipeline, if any.",
       {"weft-pipeline", "from", "until", "pass-pipeline", anyPass}},
      {"2. Reading and writing",
       "",
       {"o", "emit-bytecode", "split-input-file", "output-split-marker", "verify-diagnostics",
        "verify-each", "verify-roundtrip", "allow-unregistered-dialect", "mlir-print-debuginfo",
        "mlir-print-op-generic", "mlir-elide-elementsattrs-if-larger",
        "mlir-elide-resource-strings-if-larger"}},
      {"3. Watching the passes",
       "",
       {"mlir-print-ir-before", "mlir-print-ir-before-all", "mlir-print-ir-after",
        "mlir-print-ir-after-all", "mlir-print-ir-after-change", "mlir-print-ir-after-failure",
        "mlir-print-ir-tree-dir", "dump-pass-pipeline", "mlir-timing", "mlir-timing-display",
        "pass-statistics"}},
      {"4. When a pass fails",
       "A reproducer is a file with the IR, and the passes that failed on it.",
       {"mlir-pass-pipeline-crash-reproducer", "mlir-pass-pipeline-local-reproducer",
        "mlir-generate-reproducer", "run-reproducer", "read-directly",
        "mlir-print-stacktrace-on-diagnostic"}},
      {"5. Help", "", {"help", "help-hidden", "version", "show-dialects"}}};
}

void arrangeHelp() {
  // LLVM keeps references to the categories until the process ends.
  static llvm::SmallVector<std::unique_ptr<llvm::cl::OptionCategory>> categories;
  auto &options = llvm::cl::getRegisteredOptions();
  for (auto &entry : options)
    if (entry.second->getOptionHiddenFlag() == llvm::cl::NotHidden)
      entry.second->setHiddenFlag(llvm::cl::Hidden);
  for (const Group &group : groups()) {
    categories.push_back(std::make_unique<llvm::cl::OptionCategory>(group.name, group.description));
    for (llvm::StringRef name : group.options)
      if (llvm::cl::Option *option = options.lookup(name)) {
        option->setHiddenFlag(llvm::cl::NotHidden);
        option->Categories = {categories.back().get()};
      }
  }
}

} // namespace weft
