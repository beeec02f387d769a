// Checks the message of a weft::Error.
#pragma once

#include "lib/Support/Error.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::testing {

/// Expects `action` to throw a weft::Error of `kind` whose message contains `part`.
template <typename Action>
void expectError(Error::Kind kind, const std::string &part, Action action) {
  try {
    action();
    ADD_FAILURE() << "no error, expected one with '" << part << "'";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

} // namespace weft::testing
