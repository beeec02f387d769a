// The one exception type of Weft's own libraries.
#pragma once

#include <stdexcept>
#include <string>

namespace weft {

/// An error that the user can act on. `what()` is the complete message, source line included.
class Error : public std::runtime_error {
public:
  /// What went wrong, as Python's exception hierarchy distinguishes it.
  enum class Kind { Value, Type, Index, Range, Unsupported, Gradient, IO, Memory, Option };

  Error(Kind kind, const std::string &message) : std::runtime_error(message), errorKind(kind) {}

  Kind kind() const { return errorKind; }

private:
  Kind errorKind;
};

} // namespace weft
