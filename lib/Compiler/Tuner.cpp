// Schedules that are measured instead of estimated.
#include "lib/Compiler/Tuner.h"
#include "lib/Compiler/Compiling.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/Stopwatch.h"
#include "lib/Compiler/Types.h"
#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Executor.h"
#include "lib/Runtime/HostInfo.h"
#include "lib/Runtime/ThreadPool.h"
#include "lib/Support/Interpreter.h"
#include "lib/Support/Options.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OwningOpRef.h"
#include "passes/plan/PlanSteps.h"
#include "passes/plan/ValueMemory.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/xxhash.h"
#include <chrono>
#include <cstring>
#include <limits>
#include <optional>

using namespace mlir;

namespace weft {

/// What WEFT_TUNE=1 measures, and the most that it may ask for.
static constexpr int64_t fewCandidates = 5, mostAsked = 1000;
/// Each candidate is run so often at least and at most, and no more once all took so long.
static constexpr int leastRounds = 3, mostRounds = 20;
static constexpr double enoughSeconds = 0.3;

int64_t Tuner::candidatesFromEnvironment() {
  int64_t asked = integerOption(processEnvironment, "WEFT_TUNE", 0, mostAsked).value_or(0);
  return asked == 1 ? fewCandidates : asked;
}

Tuner::Tuner(const CpuTarget &target, KernelCache &cache, int64_t mostCandidates, Finish finish)
    : target(target), cache(cache), mostCandidates(mostCandidates), finish(std::move(finish)) {}

/// The sizes are known, and there is memory for arguments and results beside the program's, and for
/// a packed copy that each candidate keeps.
static bool canRun(LaunchOp launch, int64_t candidates) {
  uint64_t bytes = 0;
  for (TypeRange types :
       {TypeRange(launch->getOperandTypes()), TypeRange(launch->getResultTypes())})
    for (Type type : types) {
      if (!cast<RankedTensorType>(type).hasStaticShape())
        return false;
      bytes += signatureOf(type).bytes();
    }
  constexpr uint64_t part = 4;
  return bytes <= hostInfo().memoryBytes / part / static_cast<uint64_t>(candidates + 1);
}

/// All that the times depend on: the kernel, the launch, what it keeps, and the threads.
static std::string describe(KernelOp kernel, LaunchOp launch, bool prepares) {
  OwningOpRef<Operation *> copy = kernel->clone();
  cast<KernelOp>(*copy).setSymName("kernel");
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << **copy << "\nsizes";
  for (int64_t size : launch.getSizes())
    stream << " " << size;
  stream << "\nkept";
  for (Value input : launch.getInputs())
    stream << " " << (prepares && isKept(input));
  stream << "\nthreads " << ThreadPool::process().threadCount();
  return text;
}

static std::string noteName(StringRef description) {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(llvm::arrayRefFromStringRef(description));
  return "tuned_" + llvm::utohexstr(hash.high64, /*LowerCase=*/true) + "_" +
         llvm::utohexstr(hash.low64, /*LowerCase=*/true);
}

static std::string encode(const TunedKernel &tuned) {
  llvm::json::Array entries;
  for (const MeasuredSchedule &entry : tuned.schedules)
    entries.push_back(llvm::json::Object{{"schedule", entry.schedule},
                                         {"estimated", entry.estimated},
                                         {"measured", entry.measured},
                                         {"chosen", entry.isChosen}});
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(entries));
  return text;
}

static std::vector<MeasuredSchedule> decode(StringRef text) {
  std::vector<MeasuredSchedule> schedules;
  llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(text);
  if (!parsed) {
    llvm::consumeError(parsed.takeError());
    return {};
  }
  const llvm::json::Array *entries = parsed->getAsArray();
  for (const llvm::json::Value &entry : entries ? *entries : llvm::json::Array()) {
    const llvm::json::Object *object = entry.getAsObject();
    if (!object)
      return {};
    schedules.push_back({object->getString("schedule").value_or("").str(),
                         object->getNumber("estimated").value_or(0),
                         object->getNumber("measured").value_or(0),
                         object->getBoolean("chosen").value_or(false)});
  }
  return schedules;
}

/// The schedule of this text if the kernel can run with it; null else.
static ScheduleAttrInterface scheduleFrom(StringRef text, KernelOp kernel,
                                          const KernelTemplate &kind, const CpuTarget &target) {
  DiagnosticCollector diagnostics(*kernel.getContext());
  auto schedule =
      dyn_cast_or_null<ScheduleAttrInterface>(parseAttribute(text, kernel.getContext()));
  if (!schedule)
    return {};
  OwningOpRef<Operation *> copy = kernel->clone();
  cast<KernelOp>(*copy).setScheduleAttr(schedule);
  return succeeded(kind.verify(cast<KernelOp>(*copy), target)) ? schedule : ScheduleAttrInterface();
}

/// What was measured before, by this process or another; null if nothing was that can be used.
Tuner::Found Tuner::known(KernelOp kernel, const KernelTemplate &kind, const std::string &key,
                          const std::string &description) {
  {
    std::lock_guard guard(mutex);
    if (Found memory = found.find(key))
      return memory;
  }
  std::optional<std::string> note = cache.findNote(key);
  std::vector<MeasuredSchedule> schedules = note ? decode(*note) : std::vector<MeasuredSchedule>();
  if (schedules.empty() || !scheduleFrom(schedules.front().schedule, kernel, kind, target))
    return nullptr;
  return std::make_shared<const TunedKernel>(description, std::move(schedules));
}

std::vector<TunedKernel> Tuner::tuned() const {
  std::vector<TunedKernel> all;
  std::lock_guard guard(mutex);
  found.forEach([&](const Found &kernel) { all.push_back(*kernel); });
  return all;
}

/// A module whose @main is the launch alone. Operands that are kept are hidden arguments, constants
/// stay what they are.
static OwningOpRef<ModuleOp> programOf(KernelOp kernel, LaunchOp launch,
                                       ScheduleAttrInterface schedule) {
  Location location = launch.getLoc();
  OwningOpRef<ModuleOp> program = ModuleOp::create(location);
  auto builder = OpBuilder::atBlockEnd(program->getBody());
  auto main = func::FuncOp::create(builder, location, "main",
                                   builder.getFunctionType({}, launch->getResultTypes()));
  Block *body = main.addEntryBlock();
  builder.setInsertionPointToStart(body);
  IRMapping mapping;
  SmallVector<Type> types;
  for (Value input : launch.getInputs()) {
    if (mapping.contains(input))
      continue;
    if (auto constant = input.getDefiningOp<ConstantOp>()) {
      builder.clone(*constant, mapping);
      continue;
    }
    mapping.map(input, body->addArgument(input.getType(), location));
    types.push_back(input.getType());
  }
  main.setFunctionType(builder.getFunctionType(types, launch->getResultTypes()));
  for (Value input : launch.getInputs())
    if (auto argument = dyn_cast<BlockArgument>(mapping.lookup(input)); argument && isKept(input))
      main.setArgAttr(argument.getArgNumber(), "weft.hidden", builder.getUnitAttr());
  Operation *copy = builder.clone(*launch, mapping);
  func::ReturnOp::create(builder, location, copy->getResults());
  builder.setInsertionPointToEnd(program->getBody());
  cast<KernelOp>(builder.clone(*kernel)).setScheduleAttr(schedule);
  return program;
}

/// Arguments of a call. Numbers that are no indices beyond a tensor, no zeros of floats, and not so
/// small that processors are slow with them.
static std::vector<StorageRef> argumentsOf(const Plan &plan) {
  std::vector<StorageRef> arguments;
  for (const TensorSignature &input : plan.inputs) {
    StorageRef storage = Allocator::process().allocate(input.bytes());
    constexpr int floats = 0x3c;
    std::memset(storage->data(), isFloating(input.dtype) ? floats : 0, input.bytes());
    arguments.push_back(std::move(storage));
  }
  return arguments;
}

/// Reads so much that what was used before is in no cache of this core alone.
static void coolCaches(const CpuTarget &target) {
  static thread_local std::vector<char> other;
  other.resize(static_cast<size_t>(2 * (target.caches.level1Data + target.caches.level2)));
  constexpr size_t line = 64;
  unsigned sum = 0;
  for (size_t at = 0; at < other.size(); at += line)
    sum += static_cast<unsigned char>(other[at]++);
  [[maybe_unused]] volatile unsigned used = sum;
}

static double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<MeasuredSchedule> Tuner::measure(KernelOp kernel, LaunchOp launch, bool prepares,
                                             ArrayRef<ScheduleCandidate> candidates) {
  std::vector<MeasuredSchedule> schedules;
  std::vector<Executable> programs;
  for (const ScheduleCandidate &candidate : candidates) {
    OwningOpRef<ModuleOp> program = programOf(kernel, launch, candidate.schedule);
    programs.push_back(finish(*program, prepares));
    std::string text;
    llvm::raw_string_ostream(text) << candidate.schedule;
    schedules.push_back({text, candidate.nanoseconds, std::numeric_limits<double>::max(),
                         candidate.schedule == candidates.front().schedule});
  }
  // The pool's threads go through the gate on their own.
  ForkGate::Outside outside;
  std::vector<StorageRef> arguments = argumentsOf(programs.front().plan);
  for (const Executable &program : programs)
    execute(program.plan, arguments);
  auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < mostRounds; ++round) {
    if (round >= leastRounds && secondsSince(start) > enoughSeconds)
      break;
    for (auto [program, entry] : llvm::zip_equal(programs, schedules)) {
      throwIfInterrupted();
      coolCaches(target);
      auto begin = std::chrono::steady_clock::now();
      execute(program.plan, arguments);
      entry.measured = std::min(entry.measured, secondsSince(begin) * 1e9);
    }
  }
  llvm::stable_sort(schedules, [](const MeasuredSchedule &one, const MeasuredSchedule &other) {
    return one.measured < other.measured;
  });
  return schedules;
}

/// Null if there is no choice.
ScheduleAttrInterface Tuner::fastest(KernelOp kernel, LaunchOp launch, bool prepares,
                                     const KernelTemplate &kind, Statistics &spent) {
  SmallVector<ScheduleCandidate> candidates = kind.candidates(kernel, launch, target);
  if (candidates.size() < 2)
    return {};
  candidates.truncate(std::min<size_t>(candidates.size(), mostCandidates));
  if (!canRun(launch, static_cast<int64_t>(candidates.size())))
    return {};
  std::string description = describe(kernel, launch, prepares);
  std::string key = noteName(description + "\ncandidates " + std::to_string(candidates.size()));
  Found tuned = known(kernel, kind, key, description);
  if (!tuned) {
    Stopwatch watch(spent.tuneSeconds, "measure schedules");
    tuned = std::make_shared<const TunedKernel>(description,
                                                measure(kernel, launch, prepares, candidates));
    ++spent.kernelsTuned;
    cache.storeNote(key, encode(*tuned));
  }
  std::lock_guard guard(mutex);
  found.insert(key, tuned);
  return scheduleFrom(tuned->schedules.front().schedule, kernel, kind, target);
}

void Tuner::tune(ModuleOp module, bool prepares, Statistics &spent) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  for (auto launch : main.getOps<LaunchOp>()) {
    auto kernel = module.lookupSymbol<KernelOp>(launch.getKernel());
    const KernelTemplate *kind = kernelTemplateOf(kernel);
    if (kernel.getScheduleAttr() || !kind)
      continue;
    if (auto schedule = fastest(kernel, launch, prepares, *kind, spent))
      kernel.setScheduleAttr(schedule);
  }
}

} // namespace weft
