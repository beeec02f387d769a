// Prepared values of a program without hidden inputs are constants.
//
//   %0 = weft.prepare @main_prepare_0() ...    ->    %0 = weft.constant dense_resource<prepared>
//   ...
//
// The functions are compiled and run here, whatever processor the program is for: numerics are
// strict, so the bits are the same.
#include "lib/Compiler/EvaluatePrepared.h"
#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/Compiler.h"
#include "lib/Compiler/Types.h"
#include "lib/Runtime/Executor.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OwningOpRef.h"

using namespace mlir;

namespace weft {

static func::FuncOp calleeOf(PrepareOp prepare) {
  return prepare->getParentOfType<ModuleOp>().lookupSymbol<func::FuncOp>(prepare.getFunction());
}

/// A program whose results are those of all the functions, one after the other.
static OwningOpRef<ModuleOp> programOf(ArrayRef<PrepareOp> prepares, Location location) {
  OwningOpRef<ModuleOp> program = ModuleOp::create(location);
  auto builder = OpBuilder::atBlockEnd(program->getBody());
  auto main = func::FuncOp::create(builder, location, "main", builder.getFunctionType({}, {}));
  builder.setInsertionPointToStart(main.addEntryBlock());
  SmallVector<Value> results;
  for (PrepareOp prepare : prepares) {
    Block &body = calleeOf(prepare).getBody().front();
    IRMapping mapping;
    for (Operation &op : body.without_terminator())
      builder.clone(op, mapping);
    for (Value result : body.getTerminator()->getOperands())
      results.push_back(mapping.lookup(result));
  }
  func::ReturnOp::create(builder, location, results);
  main.setFunctionType(builder.getFunctionType({}, TypeRange(ValueRange(results))));
  return program;
}

/// The name of the one weight that the function reads; null if it reads several, or none.
static StringAttr weightOf(func::FuncOp function) {
  StringAttr found;
  for (auto constant : function.getOps<ConstantOp>())
    if (auto name = constant->getAttrOfType<StringAttr>("weft.name")) {
      if (found && found != name)
        return nullptr;
      found = name;
    }
  return found;
}

void evaluatePrepared(ModuleOp module, ComputedConstants &constants) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  SmallVector<PrepareOp> prepares;
  for (auto prepare : main.getOps<PrepareOp>())
    if (prepare.getInputs().empty())
      prepares.push_back(prepare);
  if (prepares.empty())
    return;
  OwningOpRef<ModuleOp> program = programOf(prepares, main.getLoc());
  auto executable = Compiler::instance().compile(*program);
  std::vector<StorageRef> values = execute(executable->plan, {});
  auto next = values.begin();
  for (PrepareOp prepare : prepares) {
    func::FuncOp function = calleeOf(prepare);
    StringAttr name = weightOf(function);
    OpBuilder builder(prepare);
    for (Value output : prepare.getOutputs())
      output.replaceAllUsesWith(constants.add(builder, prepare.getLoc(),
                                              cast<RankedTensorType>(output.getType()), name,
                                              std::move(*next++)));
    prepare.erase();
    function.erase();
  }
}

} // namespace weft
