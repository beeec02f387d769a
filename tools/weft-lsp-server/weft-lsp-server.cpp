// The language server: what an editor asks about .mlir files of weft ops, over standard input and
// output.
#include "lib/Compiler/Pipeline.h"
#include "mlir/Support/LogicalResult.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  weft::registerDialects(registry);
  return succeeded(mlir::MlirLspServerMain(argc, argv, registry)) ? 0 : 1;
}
