// Gives damaged inputs to what reads files: nothing may crash, hang or take unbounded memory, and
// what is refused is refused with a message. Mutation number i of seed s is the same on every
// machine.
#include "test/fuzz/Targets.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <filesystem>
#include <fstream>

using namespace weft::fuzz;
namespace cl = llvm::cl;

static cl::OptionCategory category("weft-fuzz options");
static cl::opt<std::string> targetName(cl::Positional, cl::Required, cl::desc("<target>"),
                                       cl::cat(category));
static cl::list<std::string> folders(cl::Positional, cl::OneOrMore, cl::desc("<folder>..."),
                                     cl::cat(category));
static cl::opt<uint64_t> seed("seed", cl::desc("Another seed makes other mutations"), cl::init(1),
                              cl::cat(category));
static cl::opt<size_t> first("first", cl::desc("The number of the first mutation"), cl::init(0),
                             cl::cat(category));
static cl::opt<size_t> count("count", cl::desc("How many mutations"), cl::init(0),
                             cl::cat(category));
static cl::opt<std::string> saveFolder("save", cl::desc("Where to keep inputs that fail"),
                                       cl::value_desc("folder"), cl::init("fuzz-failures"),
                                       cl::cat(category));
static cl::opt<std::string> toolsFolder("tools", cl::desc("The folder of weft-opt"),
                                        cl::value_desc("folder"), cl::init("."), cl::cat(category));

namespace {

struct Counts {
  size_t accepted = 0;
  size_t refused = 0;
  size_t contained = 0; ///< of the refused: what crashed or hung a reader in its child process
  size_t failed = 0;
};

} // namespace

/// Why the outcome is none that a reader of files may have; empty if it is.
static std::string faultOf(const Outcome &outcome) {
  switch (outcome.kind) {
  case Outcome::Kind::Crashed:
    return "crashed by signal " + std::to_string(outcome.status);
  case Outcome::Kind::TimedOut:
    return "took too long";
  case Outcome::Kind::Ended:
    break;
  }
  if (outcome.status != 0 && outcome.status != 1)
    return "exit status " + std::to_string(outcome.status);
  if (outcome.status == 1 && outcome.messages.find("error:") == std::string::npos)
    return "refused without an error message";
  return "";
}

static std::string mutation(const Target &target, llvm::ArrayRef<std::string> corpus,
                            size_t number) {
  // Neighbouring numbers and seeds share no sequence.
  Random random(Random(seed).next() ^ Random(number).next());
  const std::string &input = random.among(corpus);
  std::string mutated = mutate(input, target.unit(random), corpus, random);
  if (target.seal && random.below(8) != 0)
    target.seal(mutated);
  return mutated;
}

static void report(const Target &target, size_t number, const std::string &input,
                   const std::string &fault, const std::string &messages) {
  std::filesystem::create_directories(saveFolder.getValue());
  std::filesystem::path path =
      std::filesystem::path(saveFolder.getValue()) /
      (target.name + "-" + std::to_string(seed) + "-" + std::to_string(number) + target.suffix);
  std::ofstream(path, std::ios::binary) << input;
  llvm::outs() << path.string() << ": " << fault << "\n"
               << llvm::StringRef(messages).take_front(500) << "\n";
}

/// Mutations reach behind the first checks only if there are inputs that pass them all.
static bool anyAccepted(const Target &target, llvm::ArrayRef<std::string> corpus) {
  Outcome outcome;
  for (const std::string &input : corpus) {
    outcome = runInChild([&] { return target.take(input); });
    if (outcome.kind == Outcome::Kind::Ended && outcome.status == 0)
      return true;
  }
  llvm::errs() << "weft-fuzz: " << target.name << " accepts none of its own inputs:\n"
               << llvm::StringRef(outcome.messages).take_front(500) << "\n";
  return false;
}

static Counts run(const Target &target, llvm::ArrayRef<std::string> corpus) {
  Counts counts;
  size_t last = first + (count ? count : target.count);
  for (size_t number = first; number < last; ++number) {
    std::string input = mutation(target, corpus, number);
    Outcome outcome = runInChild([&] { return target.take(input); });
    std::string fault = faultOf(outcome);
    if (!fault.empty())
      report(target, number, input, fault, outcome.messages);
    counts.contained += outcome.messages.find("reading it ") != std::string::npos;
    ++(!fault.empty() ? counts.failed : outcome.status == 0 ? counts.accepted : counts.refused);
  }
  return counts;
}

int main(int argc, char **argv) {
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "Gives damaged inputs to what reads files.\n");
  Surroundings surroundings;
  surroundings.folders.assign(folders.begin(), folders.end());
  surroundings.tools = toolsFolder;
  surroundings.scratch = saveFolder + "-scratch-" + targetName;
  std::filesystem::create_directories(surroundings.scratch);
  std::vector<Target> targets = makeTargets(surroundings);
  std::string names;
  for (const Target &target : targets) {
    names += " " + target.name;
    if (target.name != targetName)
      continue;
    std::vector<std::string> corpus = target.corpus();
    if (corpus.empty()) {
      llvm::errs() << "weft-fuzz: no inputs for " << target.name << " below these folders\n";
      return 1;
    }
    if (!anyAccepted(target, corpus))
      return 1;
    auto begin = std::chrono::steady_clock::now();
    Counts counts = run(target, corpus);
    std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    std::filesystem::remove_all(surroundings.scratch);
    llvm::outs() << target.name << ", " << target.description << ": "
                 << counts.accepted + counts.refused + counts.failed << " mutations of "
                 << corpus.size() << " inputs, " << counts.accepted << " accepted, "
                 << counts.refused << " refused (" << counts.contained
                 << " by a reader that crashed), " << counts.failed << " failed, "
                 << llvm::format("%.1f s\n", time.count());
    return counts.failed == 0 ? 0 : 1;
  }
  llvm::errs() << "weft-fuzz: no target " << targetName << "; there are" << names << "\n";
  return 1;
}
