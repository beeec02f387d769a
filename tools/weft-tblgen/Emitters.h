// The outputs of weft-tblgen, one file of C++ each.
#pragma once

#include "tools/weft-tblgen/OpRecord.h"
#include "llvm/Support/raw_ostream.h"

namespace weft::tblgen {

/// `_ops.py`: the public Python functions.
void emitPython(llvm::ArrayRef<OpRecord> ops, llvm::raw_ostream &os);

/// `ops.md`: the reference of all ops by family.
void emitReference(llvm::ArrayRef<OpRecord> ops, llvm::raw_ostream &os);

/// `op_table.py`: a row for the tests of each op that has a generated Python function.
void emitOpTable(llvm::ArrayRef<OpRecord> ops, llvm::raw_ostream &os);

/// `OpInfo.inc`: a WEFT_OP row for each op, for the front end.
void emitOpInfo(llvm::ArrayRef<OpRecord> ops, llvm::raw_ostream &os);

} // namespace weft::tblgen
