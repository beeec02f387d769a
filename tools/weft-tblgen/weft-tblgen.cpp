// The TableGen back end that turns op records into Python, documentation and test tables.

#include "tools/weft-tblgen/Emitters.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/TableGen/Main.h"
#include "llvm/TableGen/Record.h"

using namespace llvm;
using namespace weft::tblgen;

namespace {

enum class Mode { Python, Reference, OpTable, OpInfo };

void emit(Mode mode, ArrayRef<OpRecord> ops, raw_ostream &os) {
  switch (mode) {
  case Mode::Python:
    return emitPython(ops, os);
  case Mode::Reference:
    return emitReference(ops, os);
  case Mode::OpTable:
    return emitOpTable(ops, os);
  case Mode::OpInfo:
    return emitOpInfo(ops, os);
  }
}

} // namespace

int main(int argc, char **argv) {
  InitLLVM initialize(argc, argv);
  cl::opt<Mode> mode(
      cl::desc("What to generate:"), cl::Required,
      cl::values(
          clEnumValN(Mode::Python, "gen-python", "the Python functions (_ops.py)"),
          clEnumValN(Mode::Reference, "gen-reference", "the reference of all ops (ops.md)"),
          clEnumValN(Mode::OpTable, "gen-op-table", "the table of op tests (op_table.py)"),
          clEnumValN(Mode::OpInfo, "gen-op-info", "the front end's table of ops (OpInfo.inc)")));
  cl::ParseCommandLineOptions(
      argc, argv,
      "weft-tblgen: generates from the op records, and checks that each has all its facets\n");

  return TableGenMain(argv[0], [&](raw_ostream &os, const RecordKeeper &records) {
    std::optional<std::vector<OpRecord>> ops = readOps(records);
    if (!ops)
      return true;
    emit(mode, *ops, os);
    return false;
  });
}
