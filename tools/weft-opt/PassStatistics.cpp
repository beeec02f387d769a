// Counts before and after each pass, as a table.
#include "tools/weft-opt/PassStatistics.h"
#include "dialects/Weft/IR/Weft.h"
#include "mlir/Pass/Pass.h"
#include "llvm/Support/Format.h"

#include <array>

using namespace mlir;

namespace weft {

namespace {

struct Column {
  const char *name;
  /// What an operation adds.
  int64_t (*count)(Operation *);
};

constexpr Column columns[] = {
    {"operations", [](Operation *) { return int64_t(1); }},
    {"kernels", [](Operation *op) { return int64_t(isa<KernelOp>(op)); }},
    {"launches", [](Operation *op) { return int64_t(isa<LaunchOp>(op)); }},
    {"arena bytes", [](Operation *op) {
       auto bytes = op->getAttrOfType<IntegerAttr>("weft.arena");
       return bytes ? bytes.getInt() : 0;
     }}};

using Counts = std::array<int64_t, std::size(columns)>;

Counts countsOf(Operation *root) {
  Counts counts{};
  root->walk([&](Operation *op) {
    for (auto [count, column] : llvm::zip_equal(counts, columns))
      count += column.count(op);
  });
  return counts;
}

class PassStatistics : public PassInstrumentation {
public:
  ~PassStatistics() override {
    llvm::raw_ostream &stream = llvm::errs();
    stream << llvm::format("%-28s", "pass");
    for (const Column &column : columns)
      stream << llvm::format("%20s", column.name);
    for (const Row &row : rows) {
      stream << llvm::format("\n%-28s", row.pass.c_str());
      for (auto [before, after] : llvm::zip_equal(row.before, row.after))
        stream << llvm::format("%20s", change(before, after).c_str());
    }
    stream << "\n";
  }

  void runBeforePass(Pass *pass, Operation *op) override {
    if (!pass->getArgument().empty())
      rows.push_back({pass->getArgument().str(), countsOf(op), {}});
  }
  void runAfterPass(Pass *pass, Operation *op) override {
    if (!pass->getArgument().empty())
      rows.back().after = countsOf(op);
  }
  void runAfterPassFailed(Pass *pass, Operation *op) override { runAfterPass(pass, op); }

private:
  struct Row {
    std::string pass;
    Counts before, after;
  };

  static std::string change(int64_t before, int64_t after) {
    std::string text = std::to_string(after);
    return before == after ? text : std::to_string(before) + " -> " + text;
  }

  std::vector<Row> rows;
};

} // namespace

std::unique_ptr<PassInstrumentation> createPassStatistics() {
  return std::make_unique<PassStatistics>();
}

} // namespace weft
