// Emits launches: the numbers that kernels get, their temporaries, their stages.
#include "codegen/CPU/PlanEmitter.h"
#include "codegen/CPU/PlanFrame.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace weft {

bool ModelPlans::KernelInfo::isPrepared(LaunchOp launch, int64_t stage) const {
  int64_t given = launch.getInputs().size() + launch.getNumResults();
  return llvm::any_of(launch.getTemporaries(), [&](int64_t number) {
    auto isUser = [&](int64_t bits) { return (bits >> (given + number) & 1) != 0; };
    return isUser(uses[stage]) && llvm::none_of(uses.take_front(stage), isUser);
  });
}

/// What fills a temporary of the launch; null if its stages do.
static Value preparedTemporary(LaunchOp launch, int64_t number) {
  auto *found = llvm::find(launch.getTemporaries(), number);
  return found == launch.getTemporaries().end()
             ? Value()
             : launch.getPrepared()[found - launch.getTemporaries().begin()];
}

Value PlanEmitter::stepBytes(Frame &frame, const LaunchStep &step) {
  LaunchOp launch = step.launch;
  bool hasTemporaries = model.kernels.at(launch.getKernel()).temporaries > 0;
  return hasTemporaries ? temporaryBytes(frame, launch) : Value();
}

/// The bytes of all temporaries of a launch that its stages fill, each rounded up to 64.
Value PlanEmitter::temporaryBytes(Frame &frame, LaunchOp launch) {
  const ModelPlans::KernelInfo &info = model.kernels.at(launch.getKernel());
  storeSizes(frame, launch);
  callSetup(frame, launch);
  Value sum = constant(0);
  for (int64_t i = 0; i < info.temporaries; ++i) {
    if (preparedTemporary(launch, i))
      continue;
    Value bytes = frame.sizes.align(load(frame.setup, abi.i64, info.stages + i));
    sum = LLVM::AddOp::create(builder, location, sum, bytes);
  }
  return sum;
}

/// What a launch passes to its kernel beside the buffers.
Value PlanEmitter::argumentBits(Frame &frame, const LaunchArgument &argument) {
  if (argument.kind == LaunchArgument::Kind::Bits)
    return constant(argument.value);
  Value size = frame.sizes.maximum(frame.sizes.size(argument.value), constant(0));
  if (argument.kind == LaunchArgument::Kind::Size)
    return size;
  Value number = LLVM::SIToFPOp::create(builder, location, builder.getF64Type(), size);
  return LLVM::BitcastOp::create(builder, location, abi.i64, number);
}

void PlanEmitter::storeSizes(Frame &frame, LaunchOp launch) {
  KernelOp kernel = model.kernels.at(launch.getKernel()).kernel;
  for (auto [position, argument] : llvm::enumerate(launchArguments(launch, kernel)))
    store(argumentBits(frame, argument), frame.sizeList, position);
}

void PlanEmitter::callSetup(Frame &frame, LaunchOp launch) {
  LLVM::CallOp::create(builder, location, TypeRange(), (launch.getKernel() + "_setup").str(),
                       ValueRange{frame.sizeList, frame.setup});
}

static Value sumOf(SizeEmitter &sizes, ArrayRef<WorkTerm> terms, ArrayRef<int64_t> launchSizes) {
  Value sum = sizes.constant(0);
  for (const WorkTerm &term : terms) {
    Value product = sizes.constant(term.factor);
    for (int64_t number : term.sizes)
      product = sizes.multiply(product, sizes.size(launchSizes[number]));
    sum = sizes.add(sum, product);
  }
  return sum;
}

/// How many threads pay for so much work of a launch.
Value PlanEmitter::threadsFor(Frame &frame, LaunchOp launch, const KernelWork &work) {
  if (model.threads == ThreadMode::None)
    return constant(1);
  SizeEmitter &sizes = frame.sizes;
  Value byBytes = sizes.divide(sumOf(sizes, work.bytes, launch.getSizes()),
                               bytesPerNanosecond * nanosecondsPerThread);
  Value byOperations = sizes.divide(sumOf(sizes, work.operations, launch.getSizes()),
                                    operationsPerNanosecond * nanosecondsPerThread);
  Value count = sizes.maximum(sizes.maximum(byBytes, byOperations), constant(1));
  return sizes.minimum(count, constant(mostThreads));
}

void PlanEmitter::emitStage(Frame &frame, LaunchOp launch, int64_t stage, Value threadCount) {
  std::string symbol = (launch.getKernel() + "_" + Twine(stage)).str();
  Value tasks = load(frame.setup, abi.i64, stage);
  if (SizeEmitter::knownValue(threadCount) != 1) {
    LLVM::CallOp::create(builder, location, abi.launch(),
                         ValueRange{frame.context, addressOf(symbol), frame.pointers,
                                    frame.sizeList, tasks, threadCount});
    return;
  }
  Value zero = constant(0);
  Value hasTasks = LLVM::ICmpOp::create(builder, location, LLVM::ICmpPredicate::sgt, tasks, zero);
  scf::IfOp::create(builder, location, hasTasks, [&](OpBuilder &, Location) {
    LLVM::CallOp::create(builder, location, TypeRange(), symbol,
                         ValueRange{frame.pointers, frame.sizeList, zero, tasks});
    scf::YieldOp::create(builder, location);
  });
}

void PlanEmitter::emitLaunch(Frame &frame, LaunchOp launch) {
  const ModelPlans::KernelInfo &info = model.kernels.at(launch.getKernel());
  storeSizes(frame, launch);
  callSetup(frame, launch);
  int64_t position = 0;
  for (Value input : launch.getInputs())
    store(pointerTo(frame, input), frame.pointers, position++);
  for (Value output : launch.getOutputs())
    store(pointerTo(frame, output), frame.pointers, position++);
  Value end = frame.planned;
  for (int64_t i = 0; i < info.temporaries; ++i) {
    if (Value prepared = preparedTemporary(launch, i)) {
      store(pointerTo(frame, prepared), frame.pointers, position++);
      continue;
    }
    store(byteAddress(frame.workspace, end), frame.pointers, position++);
    Value bytes = frame.sizes.align(load(frame.setup, abi.i64, info.stages + i));
    end = LLVM::AddOp::create(builder, location, end, bytes);
  }
  if (info.canFail)
    store(load(frame.context, abi.pointer, 3), frame.pointers, position);
  int64_t stage = 0;
  if (std::optional<unsigned> copied = updatedArgument(info.kernel)) {
    if (!overwrittenOperand(launch)) {
      Value threadCount = threadsFor(frame, launch, copyWorkOf(info.kernel));
      unlessSame(pointerTo(frame, launch.getOutputs()[0]),
                 pointerTo(frame, launch.getInputs()[*copied]),
                 [&] { emitStage(frame, launch, stage, threadCount); });
    }
    ++stage;
  }
  Value threadCount = threadsFor(frame, launch, workOf(info.kernel));
  for (; stage < info.stages; ++stage)
    if (!info.isPrepared(launch, stage))
      emitStage(frame, launch, stage, threadCount);
}

} // namespace weft
