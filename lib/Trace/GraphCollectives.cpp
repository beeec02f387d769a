#include "lib/Trace/GraphCollectives.h"

#include "dialects/Weft/IR/CollectiveProgram.h"
#include "dialects/Weft/IR/Collectives.h"
#include "lib/Support/Error.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace weft;

/// On an op that is of one example: it is no part of the chain.
static constexpr llvm::StringLiteral exampleName = "weft.of_example";

/// Throws if an op has a region with a collective: what is built there has a token of around.
static void refuseInRegions(Operation &op) {
  for (Region &region : op.getRegions())
    region.walk([](ChainedOpInterface inner) {
      throw Error(Error::Kind::Unsupported,
                  inner->getName().stripDialect().str() +
                      ": derivatives of what several processes compute together can't be part of "
                      "a loop, a branch or a checkpoint; write the loop in Python");
    });
}

std::optional<Value> weft::orderCollectives(Block &block) {
  std::optional<Value> last;
  for (Operation &op : block) {
    refuseInRegions(op);
    auto chained = llvm::dyn_cast<ChainedOpInterface>(op);
    if (!chained)
      continue;
    if (!last)
      last = Value();
    if (op.hasAttr(exampleName))
      continue;
    if (*last)
      chained.getTokenMutable().assign(*last);
    last = chained.getNext();
  }
  return last;
}

Value weft::currentToken(Block &block, Value value, Value last) {
  for (;;) {
    auto chained = value ? value.getDefiningOp<ChainedOpInterface>() : ChainedOpInterface();
    if (!chained || chained->getBlock() != &block || chained.getNext() != value)
      return value;
    if (last)
      return last;
    value = chained.getToken();
  }
}

void weft::replaceCollectivesOf(Block &block, llvm::ArrayRef<Value> examples) {
  llvm::DenseSet<Value> dependent(examples.begin(), examples.end());
  for (Operation &op : block) {
    auto chained = llvm::dyn_cast<ChainedOpInterface>(op);
    // A token says nothing of values.
    bool depends = llvm::any_of(op.getOpOperands(), [&](OpOperand &operand) {
      bool isToken = chained && &operand == &chained.getTokenMutable();
      return !isToken && dependent.contains(operand.get());
    });
    if (!depends)
      continue;
    for (Value result : op.getResults())
      if (!chained || result != chained.getNext())
        dependent.insert(result);
    if (chained) {
      chained.getNext().replaceAllUsesWith(chained.getToken());
      op.setAttr(exampleName, UnitAttr::get(op.getContext()));
    }
  }
}

bool weft::hasCollectives(ModuleOp function) {
  return function.walk([](ChainedOpInterface) { return WalkResult::interrupt(); }).wasInterrupted();
}

void weft::markCollectives(Block &block) {
  struct Program {
    int64_t count = 0;
    uint64_t hash = 0;
    llvm::SmallVector<Operation *> ops;
  };
  llvm::MapVector<uint64_t, Program> byGroup;
  for (Operation &op : block) {
    auto collective = llvm::dyn_cast<CollectiveOpInterface>(op);
    if (!collective || op.hasAttr(exampleName))
      continue;
    Program &program = byGroup[collective.getGroup()];
    std::string text;
    llvm::raw_string_ostream stream(text);
    auto type = llvm::cast<RankedTensorType>(collective.getX().getType());
    stream << op.getName() << type.getElementType() << type.getRank();
    for (int64_t option : collective.getOptions())
      stream << ' ' << option;
    ++program.count;
    program.hash = llvm::xxh3_64bits(std::to_string(program.hash) + text);
    program.ops.push_back(&op);
  }
  // Attributes beyond 2^60 are handles of sizes.
  constexpr uint64_t bits = (uint64_t(1) << 48) - 1;
  for (auto &[group, program] : byGroup)
    for (Operation *op : program.ops)
      op->setAttr(
          collectiveProgramName,
          DenseI64ArrayAttr::get(op->getContext(), {program.count, int64_t(program.hash & bits)}));
}
