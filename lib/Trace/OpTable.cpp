// The table of ops, read from the generated rows.
#include "lib/Trace/OpTable.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/ErrorHandling.h"

#include <deque>
#include <initializer_list>
#include <vector>

using namespace weft;

namespace {

class OpTable {
public:
  OpTable() {
#define WEFT_OP(name, pythonName, operandCount, promotion, autocast, explicitResult,               \
                differentiable, compares, ...)                                                     \
  add(name, pythonName, operandCount, promotion, autocast, explicitResult, differentiable,         \
      compares, {__VA_ARGS__});
#include "generated/OpInfo.inc"
#undef WEFT_OP
  }

  const OpInfo *find(llvm::StringRef name) const { return byName.lookup(name); }

private:
  void add(llvm::StringRef name, llvm::StringRef pythonName, int operandCount, Promotion promotion,
           Autocast autocast, bool explicitResult, bool differentiable, bool compares,
           std::initializer_list<int> acceptances) {
    auto &accepted = acceptanceLists.emplace_back(acceptances.begin(), acceptances.end());
    llvm::StringRef mnemonic = name.substr(name.find('.') + 1);
    bool conditional = promotion == Promotion::Common && accepted.size() == 3 &&
                       accepted[0] == acceptsBool && accepted[1] != acceptsBool;
    ops.push_back({name, pythonName.empty() ? mnemonic : pythonName, operandCount, promotion,
                   autocast, explicitResult, differentiable, compares, accepted,
                   conditional ? 1u : 0u});
    byName[name] = byName[mnemonic] = &ops.back();
  }

  std::deque<std::vector<uint8_t>> acceptanceLists;
  std::deque<OpInfo> ops;
  llvm::StringMap<const OpInfo *> byName;
};

} // namespace

const OpInfo *weft::findOp(llvm::StringRef name) {
  static const OpTable &table = *new OpTable();
  return table.find(name);
}

const OpInfo &weft::requireOp(llvm::StringRef name) {
  if (const OpInfo *op = findOp(name))
    return *op;
  llvm::report_fatal_error("the front end names an unknown op: " + name);
}
