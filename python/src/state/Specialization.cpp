#include "python/src/state/Specialization.h"

#include <algorithm>

using namespace weft;

bool weft::isStaticArgument(const JitState &state, size_t number, PyObject *name) {
  if (!name)
    return std::find(state.staticNumbers.begin(), state.staticNumbers.end(), Py_ssize_t(number)) !=
           state.staticNumbers.end();
  for (const PyRef &candidate : state.staticNames)
    if (PyUnicode_Compare(candidate.get(), name) == 0)
      return true;
  return false;
}

void weft::flattenCall(const JitState &state, PyObject *const *arguments, size_t count,
                       PyObject *keywordNames, FlatArguments &flat) {
  flat.key.push_back(modeOfThread());
  flat.key.push_back(int64_t(count));
  size_t keywords = keywordNames ? size_t(PyTuple_GET_SIZE(keywordNames)) : 0;
  flat.pattern.begin(count, keywords);
  bool anyStatic = !state.staticNumbers.empty() || !state.staticNames.empty();
  for (size_t i = 0; i < count; ++i) {
    if (anyStatic && isStaticArgument(state, i, nullptr))
      flattenStatic(arguments[i], flat);
    else
      flatten(arguments[i], flat);
  }
  for (size_t i = 0; i < keywords; ++i) {
    PyObject *name = PyTuple_GET_ITEM(keywordNames, Py_ssize_t(i));
    flattenStatic(name, flat);
    if (anyStatic && isStaticArgument(state, count + i, name))
      flattenStatic(arguments[count + i], flat);
    else
      flatten(arguments[count + i], flat);
  }
  finishKey(flat);
}
