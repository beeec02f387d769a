// From traces to programs, their files, and calls of them.
#include "python/src/Export.h"
#include "dialects/Weft/IR/Collectives.h"

#include "lib/Compiler/CompileObject.h"
#include "lib/Compiler/Compiling.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/Instantiate.h"
#include "lib/Compiler/Program.h"
#include "lib/Compiler/ProgramSignature.h"
#include "lib/Compiler/ProgramWeights.h"
#include "lib/Compiler/Types.h"
#include "lib/Trace/ExecutableCache.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "python/src/Conversion.h"
#include "python/src/DeviceObject.h"
#include "python/src/Dispatch.h"
#include "python/src/ProgramOperations.h"
#include "python/src/Recording.h"
#include "python/src/SafeTensorsFile.h"
#include "python/src/SymbolicSizeObject.h"
#include "python/src/TraceScope.h"
#include "python/src/Translated.h"
#include "python/src/state/Call.h"
#include "python/src/state/Handle.h"

#include <pybind11/stl.h>

#include <set>

namespace py = pybind11;
using namespace weft;

namespace {

/// Where a result of a program stands in what the function returned.
struct ResultPlace {
  unsigned number;
};

/// A module and the memory of its weights, which MLIR would keep for ever.
class ModuleWithWeights {
public:
  explicit ModuleWithWeights(mlir::OwningOpRef<mlir::ModuleOp> module)
      : module(std::move(module)) {}
  ~ModuleWithWeights() { releaseWeights(*module); }
  ModuleWithWeights(const ModuleWithWeights &) = delete;
  ModuleWithWeights &operator=(const ModuleWithWeights &) = delete;

  mlir::ModuleOp operator*() const { return module.get(); }

private:
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// What one call gave, with the plan that it ran: other threads may call meanwhile.
struct ProgramResult {
  std::shared_ptr<const Executable> executable;
  std::vector<StorageRef> outputs;
};

class Program {
public:
  explicit Program(mlir::OwningOpRef<mlir::ModuleOp> owned)
      : module(std::make_shared<ModuleWithWeights>(std::move(owned))) {}

  const ProgramSignature &getSignature() const { return signature; }
  mlir::ModuleOp getModule() const { return **module; }
  /// Reads names, shapes and dtypes from the module. Throws if calls could not tell its sizes.
  void readSignature() { signature = signatureOfProgram(**module); }

  /// A copy with its sizes as files have them.
  mlir::OwningOpRef<mlir::ModuleOp> forFiles() const;

  ProgramResult run(llvm::ArrayRef<Array> inputs);

private:
  std::shared_ptr<const Executable> compileFor(llvm::ArrayRef<Array> inputs) const;
  void collectWeights();

  std::shared_ptr<ModuleWithWeights> module;
  ProgramSignature signature;
  /// The memory of the weights, once called.
  std::vector<StorageRef> weights;
  ExecutableCache executables{64};
};

void runPass(mlir::ModuleOp module, std::unique_ptr<mlir::Pass> pass) {
  mlir::PassManager passes(module.getContext());
  passes.addPass(std::move(pass));
  DiagnosticCollector diagnostics(*module.getContext());
  if (failed(passes.run(module)))
    throw Error(Error::Kind::Value, diagnostics.text("the program's sizes can't be resolved"));
}

} // namespace

//===----------------------------------------------------------------------===//
// From a trace
//===----------------------------------------------------------------------===//

/// "layers.0.weight" for "global variable `net`['layers'][0]['weight']" of a function that names
/// net, or if the function is net itself.
static std::string weightName(llvm::StringRef path) {
  std::string name;
  path.consume_front("the function");
  for (llvm::StringRef prefix : {"global variable ", "closure variable ", "defaults of "})
    path.consume_front(prefix);
  for (char character : path) {
    if (character == '[' || character == '.')
      name += name.empty() || name.back() == '.' ? "" : ".";
    else if (!llvm::StringRef("]'\"`").contains(character))
      name += character == ' ' ? '_' : character;
  }
  return name;
}

namespace {

/// Makes a program of a trace.
class TraceExporter {
public:
  TraceExporter(const Specialization &traced, const FlatArguments &flat)
      : traced(traced),
        flat(flat),
        module((*traced.module)->clone()),
        main(module->lookupSymbol<mlir::func::FuncOp>("main")) {}

  mlir::OwningOpRef<mlir::ModuleOp> run() {
    findToken();
    refuseEffects();
    if (token)
      closeChain();
    eraseDeadOps();
    if (token && chained.size() != chainedOps().size())
      throwError("UnsupportedError",
                 "export: the function returns nothing of the last " + lastChained +
                     " that it computes with other processes; return its result, too");
    turnHiddenInputsToWeights();
    return std::move(module);
  }

private:
  llvm::SmallVector<ChainedOpInterface> chainedOps() {
    return llvm::to_vector(main.getBody().front().getOps<ChainedOpInterface>());
  }

  std::string handleName(int number) const {
    const HandleSource &source = traced.handles[number];
    if (source.kind == HandleSource::Kind::Gradient)
      return handleName(source.index) + ".grad";
    return source.kind == HandleSource::Kind::Guard ? weightName(traced.guards.path(source.index))
                                                    : std::string();
  }

  /// The output that is the token of what several processes compute together, if there is some.
  void findToken() {
    chained = chainedOps();
    mlir::Operation *end = main.getBody().front().getTerminator();
    for (const Effect &effect : traced.effects)
      if (!chained.empty() && effect.output == int(end->getNumOperands()) - 1 &&
          end->getOperand(effect.output) == chained.back().getNext())
        token = effect.output;
  }

  /// In a program the chain begins anew, and its end is no result.
  void closeChain() {
    lastChained = chained.back()->getName().stripDialect().str();
    mlir::OpOperand &first = chained.front().getTokenMutable();
    auto type = mlir::cast<mlir::RankedTensorType>(first.get().getType());
    auto builder = mlir::OpBuilder::atBlockBegin(&main.getBody().front());
    first.assign(ConstantOp::create(
        builder, first.getOwner()->getLoc(), type,
        mlir::DenseElementsAttr::get(type, builder.getI32IntegerAttr(0).getValue())));
    llvm::BitVector erased(main.getNumResults());
    erased.set(*token);
    main.getBody().front().getTerminator()->eraseOperand(*token);
    if (failed(main.eraseResults(erased)))
      throw Error(Error::Kind::Value, "export: a token can't be left out");
  }

  /// A program is a function of its arguments: a state that changes would stay behind.
  void refuseEffects() const {
    for (const Effect &effect : traced.effects) {
      if (token && effect.output == *token)
        continue;
      std::string what = "one of its arguments", wayOut = "Return the new value";
      if (traced.handles[effect.handle].kind != HandleSource::Kind::Argument) {
        std::string name = handleName(effect.handle);
        what = name.empty() ? "a tensor from outside (as the state of weft.random)" : name;
        wayOut = "Call .eval() on a module that keeps statistics or drops elements, or return the "
                 "new value";
      }
      if (effect.gradient) {
        what = "the gradient of " + what;
        wayOut = "Compute gradients by weft.grad or weft.value_and_grad, and return them";
      }
      throwError("UnsupportedError", "export: the function changes " + what + ". " + wayOut);
    }
    if (!traced.stores.empty())
      throwError("UnsupportedError",
                 std::string("export: the function assigns the buffer ") +
                     PyUnicode_AsUTF8(traced.stores.front().key.get()) +
                     ". Call .eval() on a module that keeps statistics, or return the new value");
    if (!traced.scalars.empty())
      throwError("ConcretizationError",
                 "export: the function asks for the value of a number among its arguments, which "
                 "is not known until the program is called; bind it before, by functools.partial "
                 "or static_argnames of weft.jit");
  }

  /// The handles of the trace, in its order.
  std::vector<PyRef> findHandles() const {
    std::vector<PyRef> found;
    found.reserve(traced.handles.size());
    for (size_t i = 0; i < traced.handles.size(); ++i)
      found.push_back(PyRef::borrow(
          reinterpret_cast<PyObject *>(findHandle(traced, int(i), flat.leaves, found))));
    return found;
  }

  Array hiddenArray(const HiddenSource &source, llvm::ArrayRef<PyRef> handles) const {
    if (source.handle < 0)
      return source.array;
    const HandleSource &handle = traced.handles[source.handle];
    if (handle.kind == HandleSource::Kind::Gradient &&
        traced.handles[handle.index].kind == HandleSource::Kind::Argument)
      throwError("UnsupportedError", "export: the function reads the gradient of an argument");
    TensorObject *tensor = asTensor(handles[source.handle].get());
    requireConcrete(tensor, "export");
    return tensor->value.array();
  }

  std::string uniqueName(size_t hidden) {
    const HiddenSource &source = traced.hidden[hidden];
    std::string name = source.handle < 0 ? "" : handleName(source.handle);
    if (name.empty())
      name = "constant_" + std::to_string(hidden);
    while (!names.insert(name).second)
      name += "_";
    return name;
  }

  void turnHiddenInputsToWeights() {
    mlir::Block &body = main.getBody().front();
    auto builder = mlir::OpBuilder::atBlockBegin(&body);
    size_t leaves = flat.leaves.size();
    // All are looked at before the first is given to MLIR's context, which would keep it.
    std::vector<PyRef> handles = findHandles();
    std::vector<Array> arrays;
    arrays.reserve(traced.hidden.size());
    for (const HiddenSource &source : traced.hidden)
      arrays.push_back(owned(copyTo(nullptr, hiddenArray(source, handles))));
    for (auto [i, array] : llvm::enumerate(arrays)) {
      mlir::BlockArgument argument = body.getArgument(leaves + i);
      if (argument.use_empty())
        continue;
      auto type = mlir::cast<mlir::RankedTensorType>(argument.getType());
      argument.replaceAllUsesWith(
          buildWeight(builder, argument.getLoc(), type, uniqueName(i), std::move(array.storage)));
    }
    llvm::BitVector erased(body.getNumArguments());
    erased.set(leaves, body.getNumArguments());
    if (failed(main.eraseArguments(erased)))
      throw Error(Error::Kind::Value, "export: a hidden input can't become a constant");
  }

  void eraseDeadOps() {
    for (mlir::Operation &op : llvm::make_early_inc_range(llvm::reverse(main.getBody().front())))
      if (mlir::isOpTriviallyDead(&op))
        op.erase();
  }

  const Specialization &traced;
  const FlatArguments &flat;
  llvm::SmallVector<ChainedOpInterface> chained;
  std::string lastChained;
  std::optional<int> token;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp main;
  /// Of weights, each once.
  std::set<std::string> names;
};

} // namespace

PyRef weft::newProgram(const Specialization &traced, const FlatArguments &flat) {
  auto program = std::make_unique<Program>(TraceExporter(traced, flat).run());
  auto place = [](PyObject *leaf) {
    return PyRef::steal(py::cast(ResultPlace{asTensor(leaf)->value.id}).release().ptr());
  };
  PyObject *returned = traced.resultTemplate.get();
  PyRef places = isTensor(returned) ? place(returned) : mapLeaves(returned, false, place);
  py::object pair =
      py::make_tuple(std::move(program), py::reinterpret_borrow<py::object>(places.get()));
  return PyRef::steal(pair.release().ptr());
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

void Program::collectWeights() {
  if (!weights.empty())
    return;
  for (const Weight &weight : weightsOf(getModule()))
    weights.push_back(storageOver(weight.elements, dtypeOf(weight.type.getElementType()), module));
}

/// Weights are arguments of what runs, as in a compiled function: all executables share them.
std::shared_ptr<const Executable> Program::compileFor(llvm::ArrayRef<Array> inputs) const {
  Compiling compiling;
  std::vector<TensorSignature> actual;
  for (const Array &input : inputs)
    actual.push_back({input.dtype, {input.shape.begin(), input.shape.end()}});
  SizeBindings bindings = signature.bind(actual);
  mlir::OwningOpRef<mlir::ModuleOp> copy = getModule().clone();
  turnWeightsToArguments(*copy);
  mlir::OwningOpRef<mlir::ModuleOp> instance = instantiate(*copy, bindings);
  hideWeights(*instance);
  CompileOptions options;
  options.prepare = true;
  return Compiler::instance().compile(*instance, options);
}

ProgramResult Program::run(llvm::ArrayRef<Array> inputs) {
  Key key;
  llvm::SmallVector<StorageRef> storages;
  storages.reserve(inputs.size() + weights.size());
  for (const Array &input : inputs) {
    appendSignature(key, input.dtype, input.shape);
    storages.push_back(input.storage);
  }
  std::shared_ptr<const Executable> executable = executables.find(key);
  if (!executable) {
    executable = compileFor(inputs);
    collectWeights();
    executables.insert(std::move(key), executable);
  }
  llvm::append_range(storages, weights);
  std::vector<StorageRef> outputs(signature.outputs.size());
  executeReleasing(*executable, storages, outputs);
  return {std::move(executable), std::move(outputs)};
}

mlir::OwningOpRef<mlir::ModuleOp> Program::forFiles() const {
  mlir::OwningOpRef<mlir::ModuleOp> copy = getModule().clone();
  runPass(*copy, createNameSizes());
  return copy;
}

//===----------------------------------------------------------------------===//
// Python
//===----------------------------------------------------------------------===//

static py::list tensorRows(llvm::ArrayRef<ProgramTensor> tensors) {
  py::list rows;
  for (const ProgramTensor &tensor : tensors) {
    py::list shape;
    for (int64_t size : tensor.signature.shape)
      shape.append(sizeObject(size));
    rows.append(py::make_tuple(tensor.name, py::tuple(shape),
                               py::handle(dtypeObject(tensor.signature.dtype))));
  }
  return rows;
}

static py::list runProgram(Program &program, const py::list &arguments) {
  return translated([&] {
    llvm::SmallVector<Array> inputs;
    for (py::handle argument : arguments) {
      TensorObject *tensor = current(asTensor(argument.ptr()));
      requireConcrete(tensor, "an exported program");
      requireHost(tensor, "an exported program");
      inputs.push_back(tensor->value.array());
    }
    RecordedCall recorded("call", "exported program");
    auto [executable, outputs] = program.run(inputs);
    py::list results;
    for (auto [storage, signature] : llvm::zip_equal(outputs, executable->plan.outputs)) {
      Array array{storage, signature.dtype, Shape(signature.shape.begin(), signature.shape.end())};
      results.append(py::reinterpret_steal<py::object>(
          checked(newTensor(TensorValue::of(std::move(array)))).release()));
    }
    return results;
  });
}

/// Names of arguments and results, and the structure of both as text.
static void annotate(Program &program, const std::vector<std::string> &inputs,
                     const std::vector<std::string> &outputs, const std::string &structure) {
  mlir::ModuleOp module = program.getModule();
  mlir::Builder builder(module.getContext());
  auto main = module.lookupSymbol<mlir::func::FuncOp>("main");
  for (auto [i, name] : llvm::enumerate(inputs))
    main.setArgAttr(i, "weft.name", builder.getStringAttr(name));
  for (auto [i, name] : llvm::enumerate(outputs))
    main.setResultAttr(i, "weft.name", builder.getStringAttr(name));
  module->setAttr("weft.structure", builder.getStringAttr(structure));
  program.readSignature();
}

/// Says which arguments are the same tensors in most calls: what depends on them is prepared.
static void keepArguments(Program &program, const std::vector<unsigned> &numbers) {
  mlir::ModuleOp module = program.getModule();
  auto main = module.lookupSymbol<mlir::func::FuncOp>("main");
  for (unsigned number : numbers)
    main.setArgAttr(number, "weft.hidden", mlir::UnitAttr::get(module.getContext()));
}

static std::string structureOf(const Program &program) {
  auto text = program.getModule()->getAttrOfType<mlir::StringAttr>("weft.structure");
  return text ? text.str() : std::string();
}

static std::unique_ptr<Program> loadProgram(const std::string &path) {
  return translated([&] {
    auto program = std::make_unique<Program>(readProgram(path, Compiler::instance().context()));
    try {
      runPass(program->getModule(), createResolveSizes());
      program->readSignature();
    } catch (const Error &error) {
      throw Error(Error::Kind::IO, path + ": " + error.what());
    }
    return program;
  });
}

static void compileProgram(const Program &program, const std::string &emit,
                           const std::string &threads, ObjectOptions options) {
  auto kind = emitKindByName(emit, options.target);
  if (!kind) {
    std::string names;
    for (const EmitKindInfo &known : emitKinds())
      names += (names.empty() ? "" : ", ") + known.name.str();
    throw Error(Error::Kind::Unsupported,
                "compile_object: can't emit \"" + emit + "\"; there are " + names);
  }
  auto mode = threadModeByName(threads);
  if (!mode)
    throw Error(Error::Kind::Unsupported,
                "compile_object: threads can't be \"" + threads + "\"; there are none, hook, pool");
  options.emit = *kind;
  options.threads = *mode;
  Compiling compiling;
  mlir::OwningOpRef<mlir::ModuleOp> copy = program.getModule().clone();
  compileObject(*copy, options);
}

/// A tensor without elements, of symbolic shape: stands for an argument while exporting.
static py::object placeholder(const py::object &shape, const py::object &dtype) {
  return translated([&] {
    TensorValue value;
    value.dtype = dtypeFrom(dtype.ptr());
    value.shape = shapeFrom(shape.ptr(), "the shape of a spec");
    for (int64_t size : value.shape)
      if (size < 0)
        throwError("ShapeError", "spec: negative dimension in shape " + shapeTuple(value.shape));
    return py::reinterpret_steal<py::object>(checked(newTensor(std::move(value))).release());
  });
}

/// What a format that has the operations of these names writes of a program; as it is without.
static py::list operations(const Program &program,
                           const std::optional<std::set<std::string>> &names) {
  return translated([&] {
    mlir::OwningOpRef<mlir::ModuleOp> copy = program.getModule().clone();
    if (names)
      takeApart(*copy, [&](llvm::StringRef name) { return names->count(name.str()) > 0; });
    return operationsOf(*copy);
  });
}

static double multiplyAdds(const Program &program) {
  return translated([&] {
    mlir::OwningOpRef<mlir::ModuleOp> copy = program.getModule().clone();
    Compiling compiling;
    return multiplyAddsOf(*copy);
  });
}

static std::string textOf(const Program &program, bool elide) {
  return translated([&] { return programText(*program.forFiles(), elide); });
}

void weft::registerProgram(py::module_ &module) {
  py::class_<ResultPlace>(module, "ResultPlace").def_readonly("number", &ResultPlace::number);
  py::class_<Program>(module, "Program", "A traced function with its weights.")
      .def("annotate",
           [](Program &program, const std::vector<std::string> &inputs,
              const std::vector<std::string> &outputs, const std::string &structure) {
             translated([&] {
               annotate(program, inputs, outputs, structure);
               return 0;
             });
           })
      .def("keep_arguments", keepArguments)
      .def_property_readonly("structure", structureOf)
      .def_property_readonly(
          "inputs",
          [](const Program &program) { return tensorRows(program.getSignature().inputs); })
      .def_property_readonly(
          "outputs",
          [](const Program &program) { return tensorRows(program.getSignature().outputs); })
      .def_property_readonly("symbols",
                             [](const Program &program) { return program.getSignature().symbols; })
      .def_property_readonly("calls_lapack",
                             [](const Program &program) {
                               // Functions of matrices are LAPACK's, of vectors ducc's.
                               auto stop = [](LibraryOpInterface op) {
                                 return op.getMatrixRank() == 2 ? mlir::WalkResult::interrupt()
                                                                : mlir::WalkResult::advance();
                               };
                               return program.getModule().walk(stop).wasInterrupted();
                             })
      .def("run", runProgram)
      .def("operations", operations, py::arg("names") = py::none())
      .def("multiply_adds", multiplyAdds)
      .def("text", textOf)
      .def("compile_object",
           [](const Program &program, const std::string &path, const std::string &target,
              const std::string &header, const std::string &name, const std::string &threads,
              const std::string &emit, const std::string &weights, const std::string &javaScript) {
             translated([&] {
               ObjectOptions options;
               options.javaScript = javaScript;
               options.output = path;
               options.target = target;
               options.header = header;
               options.name = name;
               options.weights = weights;
               compileProgram(program, emit, threads, std::move(options));
               return 0;
             });
           })
      .def("save", [](const Program &program, const std::string &path, const std::string &weights) {
        translated([&] {
          Compiling compiling;
          writeProgram(*program.forFiles(), path, weights);
          return 0;
        });
      });
  module.def("load_program", loadProgram);
  module.def("placeholder", placeholder);
}
