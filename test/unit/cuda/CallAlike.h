// Compares declarations of functions with those of another header.
#pragma once

#include <type_traits>

namespace weft::cuda {

/// True for types that are passed in the same way: pointers, or others of one size.
template <typename Left, typename Right>
constexpr bool passAlike =
    sizeof(Left) == sizeof(Right) && std::is_pointer_v<Left> == std::is_pointer_v<Right>;

template <typename Left, typename Right> constexpr bool callAlike = false;
template <typename LeftResult, typename... Left, typename RightResult, typename... Right>
constexpr bool callAlike<LeftResult (*)(Left...), RightResult (*)(Right...)> = [] {
  if constexpr (sizeof...(Left) == sizeof...(Right))
    return passAlike<LeftResult, RightResult> && (passAlike<Left, Right> && ...);
  else
    return false;
}();

} // namespace weft::cuda
