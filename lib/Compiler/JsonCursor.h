// Reading JSON strictly, from front to back: for files of others, where a lenient reader would see
// another content than the next one does.
#pragma once

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>

namespace weft {

/// A place in a text. Each function takes what it names, and the white space before it; what is
/// not there is an error, which is given to `fail`, which throws.
class JsonCursor {
public:
  using Fail = llvm::function_ref<void(const std::string &reason)>;

  /// The text has to be UTF-8. Both arguments have to outlive the cursor.
  JsonCursor(llvm::StringRef text, Fail fail);

  /// Calls `member` behind each name and colon; it takes the value.
  void object(llvm::function_ref<void(std::string name)> member);
  /// Calls `element` at each element, which it takes.
  void array(llvm::function_ref<void()> element);
  std::string string();
  /// A number without sign, fraction and exponent.
  uint64_t unsignedNumber();
  /// True, behind it, if null comes next.
  bool null();
  /// Takes any value. Values lie in at most 100 others.
  void skip();
  /// Nothing but white space is left.
  void end();

private:
  [[noreturn]] void stop(const std::string &expected);
  char peek();
  bool take(char wanted);
  void expect(char wanted);
  void list(char closing, llvm::function_ref<void()> item);
  unsigned hexadecimal();
  uint32_t escapedCharacter();
  void escape(std::string &result);
  void skipNumber();

  llvm::StringRef text;
  Fail fail;
  size_t at = 0;
  int depth = 0;
};

} // namespace weft
