#include "python/src/state/Pieces.h"

#include "lib/Support/Options.h"
#include "lib/Trace/Placement.h"
#include "python/src/Dispatch.h"
#include "python/src/Errors.h"
#include "python/src/Hooks.h"

#include "llvm/ADT/STLExtras.h"

#include <cstring>

using namespace weft;

void weft::runPiece(const Piece &piece, PieceValues &values) {
  if (piece.executable) {
    llvm::SmallVector<StorageRef, 8> inputs;
    for (PieceInput input : piece.inputs)
      inputs.push_back(values.at(input));
    // What is given up may be written over: this is its only reference.
    for (unsigned value : piece.givenUp)
      values.values[value] = StorageRef();
    llvm::SmallVector<StorageRef, 4> outputs(piece.executable->plan.outputs.size());
    executeReleasing(*piece.executable, std::span<const StorageRef>(inputs.data(), inputs.size()),
                     {outputs.data(), outputs.size()});
    for (StorageRef &output : outputs)
      values.values.push_back(std::move(output));
    return;
  }
  for (unsigned value : piece.givenUp)
    values.values[value] = StorageRef();
}

Cut::Branch &Cut::addBranch(const std::string &answer) {
  if (branches.size() >= mostAnswers && !branches.contains(answer))
    std::erase_if(branches, [](const auto &branch) {
      return branch.second.next.expired() && branch.second.latest.expired();
    });
  return branches[answer];
}

std::string weft::answerOf(const Cut &cut, const PieceValues &values) {
  if (cut.printed)
    return "";
  StorageRef here = copyTo(nullptr, values.at(cut.wanted[0]));
  return std::string(static_cast<const char *>(here->data()), cut.types[0].bytes());
}

bool weft::isAnswer(const Cut &cut, const PieceValues &values, const std::string &answer) {
  if (cut.printed)
    return true;
  StorageRef here = copyTo(nullptr, values.at(cut.wanted[0]));
  return std::memcmp(here->data(), answer.data(), answer.size()) == 0;
}

void weft::print(const Cut &cut, const PieceValues &values, size_t &place, size_t &printed) {
  if (!cut.printed || place++ < printed)
    return;
  ++printed;
  PyRef tensors = checked(PyList_New(0));
  for (auto [input, type] : llvm::zip_equal(cut.wanted, cut.types)) {
    Array array{values.at(input), type.dtype, Shape(type.shape.begin(), type.shape.end())};
    PyRef tensor = checked(newTensor(TensorValue::of(std::move(array))));
    checkStatus(PyList_Append(tensors.get(), tensor.get()));
  }
  checked(
      PyObject_CallFunctionObjArgs(hook(Hook::Print), cut.printed.get(), tensors.get(), nullptr));
}

size_t weft::mostPieces() {
  static const auto limit =
      integerOption(processEnvironment, "WEFT_MAX_PIECES", 1, int64_t(1) << 40);
  return size_t(limit.value_or(1'000'000));
}
