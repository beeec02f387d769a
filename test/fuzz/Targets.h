// What is given damaged inputs.
#pragma once

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "test/fuzz/Child.h"
#include "test/fuzz/Mutator.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weft::fuzz {

struct Target {
  std::string name;
  std::string description;
  size_t count = 0;   ///< how many mutations, unless the command line says otherwise
  std::string suffix; ///< of the files in which inputs are kept that make it fail
  std::function<std::vector<std::string>()> corpus;
  /// What of `input` is changed.
  std::function<Unit(Random &random)> unit;
  /// Takes an input: 0 if it is accepted, 1 if it is refused, which needs an error message. Runs in
  /// a child process.
  std::function<int(const std::string &input)> take;
  /// Puts right the checksums of a changed input, as someone does who means harm: what is behind
  /// them is reached. Null where there are none.
  std::function<void(std::string &input)> seal = {};
};

/// What is shared by the targets; lives as long as they do.
struct Surroundings {
  std::vector<std::string> folders; ///< with the tests
  std::string tools;                ///< the folder of weft-opt
  std::string scratch;              ///< a folder for files of the inputs
  mlir::DialectRegistry registry;
  std::unique_ptr<mlir::MLIRContext> context;
};

std::vector<Target> makeTargets(Surroundings &surroundings);

} // namespace weft::fuzz
