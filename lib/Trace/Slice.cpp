#include "lib/Trace/Slice.h"

#include "lib/Compiler/Compiler.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace weft;

/// What an operation reads, inside of its regions too.
static llvm::SmallVector<Value> valuesReadBy(Operation *op) {
  llvm::SmallVector<Value> values(op->operand_begin(), op->operand_end());
  if (op->getNumRegions() > 0) {
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    llvm::append_range(values, captured);
  }
  return values;
}

Slice::Slice(llvm::ArrayRef<Value> wanted, llvm::function_ref<bool(Value)> isKnown)
    : wanted(wanted) {
  for (Value value : wanted)
    collect(value, isKnown);
}

void Slice::collect(Value wanted, llvm::function_ref<bool(Value)> isKnown) {
  auto isInput = [&](Value value) { return isa<BlockArgument>(value) || isKnown(value); };
  if (isInput(wanted)) {
    inputValues.insert(wanted);
    return;
  }
  struct Visit {
    Operation *op;
    llvm::SmallVector<Value> reads;
    size_t next = 0;
  };
  std::vector<Visit> path;
  auto enter = [&](Value value) {
    Operation *op = value.getDefiningOp();
    if (!operations.contains(op))
      path.push_back({op, valuesReadBy(op)});
  };
  enter(wanted);
  while (!path.empty()) {
    Visit &visit = path.back();
    if (visit.next == visit.reads.size()) {
      operations.insert(visit.op);
      path.pop_back();
      continue;
    }
    Value read = visit.reads[visit.next++];
    if (isInput(read))
      inputValues.insert(read);
    else
      enter(read);
  }
}

namespace {

/// Writes operations down with numbers in the place of values.
class Spelling {
public:
  explicit Spelling(Key &key) : key(key) {}

  void define(Value value) {
    numbers.try_emplace(value, numbers.size());
    add(value.getType().getAsOpaquePointer());
  }

  void use(Value value) { key.push_back(int64_t(numbers.lookup(value))); }

  /// Names, attributes and types are unique in the compiler's context, which lives forever.
  void write(Operation &op) {
    add(op.getName().getAsOpaquePointer());
    add(op.getAttrDictionary().getAsOpaquePointer());
    key.push_back(op.getNumOperands());
    for (Value operand : op.getOperands())
      use(operand);
    key.push_back(op.getNumResults());
    for (Value result : op.getResults())
      define(result);
    for (Region &region : op.getRegions()) {
      key.push_back(int64_t(region.getBlocks().size()));
      for (Block &block : region)
        write(block);
    }
  }

private:
  void write(Block &block) {
    key.push_back(block.getNumArguments());
    for (Value argument : block.getArguments())
      define(argument);
    key.push_back(int64_t(block.getOperations().size()));
    for (Operation &op : block)
      write(op);
  }

  void add(const void *pointer) { key.push_back(reinterpret_cast<intptr_t>(pointer)); }

  Key &key;
  llvm::DenseMap<Value, size_t> numbers;
};

} // namespace

Key Slice::key() const {
  Key key;
  Spelling spelling(key);
  key.push_back(int64_t(inputValues.size()));
  for (Value input : inputValues)
    spelling.define(input);
  for (Operation *op : operations)
    spelling.write(*op);
  key.push_back(int64_t(wanted.size()));
  for (Value value : wanted)
    spelling.use(value);
  return key;
}

OwningOpRef<ModuleOp> Slice::build() const {
  Location unknown = UnknownLoc::get(&Compiler::instance().context());
  OwningOpRef<ModuleOp> module = ModuleOp::create(unknown);
  OpBuilder builder(module->getBodyRegion());
  auto types = [](llvm::ArrayRef<Value> values) { return TypeRange(ValueRange(values)); };
  auto type = builder.getFunctionType(types(inputs()), types(wanted));
  auto function = func::FuncOp::create(builder, unknown, "main", type);
  Block *block = function.addEntryBlock();
  IRMapping mapping;
  mapping.map(ValueRange(inputs()), block->getArguments());
  builder.setInsertionPointToEnd(block);
  for (Operation *op : operations)
    builder.clone(*op, mapping);
  auto results = llvm::map_to_vector(wanted, [&](Value value) { return mapping.lookup(value); });
  func::ReturnOp::create(builder, unknown, results);
  return module;
}
