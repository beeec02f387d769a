// Reading JSON strictly.
#include "lib/Compiler/JsonCursor.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/JSON.h"

namespace weft {

static constexpr int mostDepth = 100;

JsonCursor::JsonCursor(llvm::StringRef text, Fail fail) : text(text), fail(fail) {
  if (!llvm::json::isUTF8(text, &at))
    stop("UTF-8");
}

void JsonCursor::stop(const std::string &expected) {
  fail("at byte " + std::to_string(at) + " of its JSON " + expected + " is missing");
  llvm_unreachable("the caller's function throws");
}

/// The next character behind white space; 0 at the end.
char JsonCursor::peek() {
  at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
  return at < text.size() ? text[at] : '\0';
}

bool JsonCursor::take(char wanted) {
  bool found = peek() == wanted && at < text.size();
  at += found;
  return found;
}

void JsonCursor::expect(char wanted) {
  if (!take(wanted))
    stop(std::string("the character ") + wanted);
}

/// Items with commas between them, up to the closing bracket.
void JsonCursor::list(char closing, llvm::function_ref<void()> item) {
  if (++depth > mostDepth)
    fail("its JSON is nested too deeply");
  if (!take(closing)) {
    do
      item();
    while (take(','));
    expect(closing);
  }
  --depth;
}

void JsonCursor::object(llvm::function_ref<void(std::string)> member) {
  expect('{');
  list('}', [&] {
    std::string name = string();
    expect(':');
    member(std::move(name));
  });
}

void JsonCursor::array(llvm::function_ref<void()> element) {
  expect('[');
  list(']', element);
}

/// Four digits.
unsigned JsonCursor::hexadecimal() {
  unsigned number;
  llvm::StringRef digits = text.substr(at, 4);
  if (digits.size() < 4 || !llvm::all_of(digits, llvm::isHexDigit) ||
      digits.getAsInteger(16, number))
    stop("a number of four hexadecimal digits");
  at += 4;
  return number;
}

/// What stands behind "\u", the second half of a pair included.
uint32_t JsonCursor::escapedCharacter() {
  uint32_t high = hexadecimal();
  if (high < 0xD800 || high > 0xDFFF)
    return high;
  if (high > 0xDBFF || !text.substr(at).starts_with("\\u"))
    stop("the half of a surrogate pair");
  at += 2;
  uint32_t low = hexadecimal();
  if (low < 0xDC00 || low > 0xDFFF)
    stop("the second half of a surrogate pair");
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/// What stands behind a backslash.
void JsonCursor::escape(std::string &result) {
  static constexpr llvm::StringLiteral letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
  char letter = at < text.size() ? text[at++] : '\0';
  if (size_t number = letters.find(letter); letter && number != llvm::StringRef::npos) {
    result += meanings[number];
    return;
  }
  if (letter != 'u')
    stop("an escape of JSON");
  char bytes[UNI_MAX_UTF8_BYTES_PER_CODE_POINT];
  char *end = bytes;
  llvm::ConvertCodePointToUTF8(escapedCharacter(), end);
  result.append(bytes, end);
}

std::string JsonCursor::string() {
  expect('"');
  std::string result;
  while (true) {
    if (at >= text.size() || static_cast<unsigned char>(text[at]) < 0x20)
      stop("the end of a string");
    char next = text[at++];
    if (next == '"')
      return result;
    if (next == '\\')
      escape(result);
    else
      result += next;
  }
}

uint64_t JsonCursor::unsignedNumber() {
  peek();
  llvm::StringRef digits = text.substr(at).take_while(llvm::isDigit);
  uint64_t number;
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0') || digits.getAsInteger(10, number))
    stop("a whole number from 0 to 2^64 - 1");
  at += digits.size();
  if (at < text.size() && llvm::StringRef(".eE").contains(text[at]))
    stop("a whole number");
  return number;
}

bool JsonCursor::null() {
  peek();
  bool found = text.substr(at).starts_with("null");
  at += found ? 4 : 0;
  return found;
}

void JsonCursor::skipNumber() {
  auto digits = [&] {
    size_t count = text.substr(at).take_while(llvm::isDigit).size();
    if (count == 0)
      stop("a digit");
    at += count;
    return count;
  };
  auto next = [&](llvm::StringRef letters) {
    bool found = at < text.size() && letters.contains(text[at]);
    at += found;
    return found;
  };
  next("-");
  bool startsWithZero = text.substr(at).starts_with("0");
  if (digits() > 1 && startsWithZero)
    stop("a number without zeros in front");
  if (next("."))
    digits();
  if (next("eE")) {
    next("+-");
    digits();
  }
}

void JsonCursor::skip() {
  char next = peek();
  if (next == '{')
    return object([&](const std::string &) { skip(); });
  if (next == '[')
    return array([&] { skip(); });
  if (next == '"')
    return void(string());
  for (llvm::StringRef word : {"null", "true", "false"})
    if (text.substr(at).starts_with(word)) {
      at += word.size();
      return;
    }
  skipNumber();
}

void JsonCursor::end() {
  peek();
  if (at != text.size())
    stop("the end");
}

} // namespace weft
