#include "lib/Support/Options.h"

#include "lib/Support/Error.h"

#include <charconv>
#include <cstdlib>

namespace weft {

std::optional<std::string> processEnvironment(const std::string &name) {
  const char *text = std::getenv(name.c_str());
  if (!text)
    return std::nullopt;
  return std::string(text);
}

std::optional<int64_t> integerOption(const Environment &environment, const std::string &name,
                                     int64_t minimum, int64_t maximum) {
  std::optional<std::string> text = environment(name);
  if (!text || text->empty())
    return std::nullopt;
  int64_t value = 0;
  const char *end = text->data() + text->size();
  auto [parsed, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || parsed != end || value < minimum || value > maximum)
    throw Error(Error::Kind::Option, "the environment variable " + name + " is '" + *text +
                                         "', but must be an integer from " +
                                         std::to_string(minimum) + " to " +
                                         std::to_string(maximum) + "; correct it or unset it");
  return value;
}

/// The power of two that a size suffix stands for, or -1 for an unknown suffix.
static int suffixShift(const std::string &suffix) {
  if (suffix.empty())
    return 0;
  if (suffix == "K")
    return 10;
  if (suffix == "M")
    return 20;
  if (suffix == "G")
    return 30;
  if (suffix == "T")
    return 40;
  return -1;
}

std::optional<uint64_t> byteSizeOption(const Environment &environment, const std::string &name) {
  std::optional<std::string> text = environment(name);
  if (!text || text->empty())
    return std::nullopt;
  uint64_t value = 0;
  const char *end = text->data() + text->size();
  auto [parsed, error] = std::from_chars(text->data(), end, value);
  int shift = suffixShift(std::string(parsed, end));
  if (error != std::errc() || shift < 0 || (value << shift) >> shift != value)
    throw Error(Error::Kind::Option, "the environment variable " + name + " is '" + *text +
                                         "', but must be a number of bytes such as 268435456, "
                                         "256M or 1G; correct it or unset it");
  return value << shift;
}

} // namespace weft
