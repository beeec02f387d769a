// Options that come from environment variables. Each phase has one typed struct of options; the
// functions here turn a variable's text into a value or into an error that names the variable.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace weft {

/// Gives the text of a variable, or nothing when it is not set. Tests supply their own.
using Environment = std::function<std::optional<std::string>(const std::string &name)>;

/// The environment of this process.
std::optional<std::string> processEnvironment(const std::string &name);

/// The value of an integer variable, or nothing when it is unset or empty. Throws weft::Error when
/// the text is not an integer in [minimum, maximum].
std::optional<int64_t> integerOption(const Environment &environment, const std::string &name,
                                     int64_t minimum, int64_t maximum);

/// The value of a size in bytes: a number, or a number followed by K, M, G or T (powers of 1024).
/// Nothing when it is unset or empty. Throws weft::Error when the text is neither.
std::optional<uint64_t> byteSizeOption(const Environment &environment, const std::string &name);

} // namespace weft
