// The C header of a compiled model.
#pragma once

#include "codegen/CPU/ArtifactABI.h"
#include "codegen/CPU/ModelSignature.h"
#include <string>

namespace weft {

/// What a header says of a model besides its signature.
struct HeaderFacts {
  std::string name;
  /// "Weft 0.1.0, target x86-64-v3, threads none", for its first comment.
  std::string description;
  WeightsReader weights = WeightsReader::Nothing;
  /// Whether calls without a workspace allocate one.
  bool allocates = true;
  /// Whether a call can fail while it runs: kernels check what they read, or regions refuse sizes.
  bool canFail = false;
};

/// The header: C99, also C++; it includes nothing but the standard library's stddef.h and stdint.h.
std::string cHeader(const ModelSignature &signature, const HeaderFacts &facts);

/// "float32[n, 784]".
std::string tensorText(const ModelTensor &tensor);

} // namespace weft
