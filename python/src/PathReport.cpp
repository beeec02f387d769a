#include "python/src/PathReport.h"

#include "python/src/Element.h"
#include "python/src/Errors.h"
#include "python/src/Profile.h"
#include "python/src/Translated.h"

#include "llvm/ADT/SmallPtrSet.h"

#include <pybind11/pybind11.h>

namespace py = pybind11;
using namespace weft;

static std::string answerText(const TakenCut &taken) {
  if (taken.cut->printed)
    return "";
  const TensorSignature &type = taken.cut->types[0];
  if (elementCount(type.shape) != 1)
    return describe(type.dtype, type.shape);
  PyRef number = elementAt(taken.answer.data(), type.dtype);
  PyRef text = checked(PyObject_Repr(number.get()));
  return PyUnicode_AsUTF8(text.get());
}

static py::list cutRows(const Specialization &path) {
  py::list rows;
  for (const TakenCut &taken : path.cuts)
    rows.append(py::make_tuple(taken.cut->line.text(), taken.cut->action, answerText(taken)));
  return rows;
}

static py::list kernelRows(const Specialization &path) {
  py::list rows;
  llvm::SmallPtrSet<const Executable *, 8> seen;
  auto add = [&](const Piece &piece) {
    if (piece.executable && seen.insert(piece.executable.get()).second)
      for (const KernelReport &kernel : piece.executable->kernels)
        rows.append(kernelRow(kernel));
  };
  for (const TakenCut &taken : path.cuts)
    add(taken.cut->piece);
  add(path.last);
  return rows;
}

PyRef weft::pathReport(const std::shared_ptr<Specialization> &path) {
  py::list rows;
  auto add = [&](const Specialization &other) {
    rows.append(py::make_tuple(other.runs, cutRows(other)));
  };
  auto table = path->table.lock();
  if (!table)
    add(*path);
  else
    for (const std::shared_ptr<Specialization> &other : *table)
      add(*other);
  return PyRef::steal(py::make_tuple(rows, kernelRows(*path)).release().ptr());
}
