// Result types of collectives: what each does to the shape of x, then a token.
#pragma once

#include "dialects/Weft/IR/Collectives.h"
#include "dialects/Weft/Rules/Inference.h"

namespace weft {

enum class MembersDimension { None, Added, Removed, Kept };

/// `change` says what becomes of the dimension of members, the first one. `named` are numbers of
/// members that attributes name: -1 is none.
llvm::LogicalResult inferCollective(llvm::StringRef name, mlir::Value x, mlir::Value token,
                                    int64_t members, MembersDimension change,
                                    llvm::ArrayRef<int64_t> named, InferenceLocation location,
                                    InferredTypes &types);
/// Each member sends to at most one, and gets from at most one.
llvm::LogicalResult checkPermutation(llvm::ArrayRef<int64_t> destinations, int64_t members,
                                     InferenceLocation location);

template <typename Adaptor>
llvm::LogicalResult inferAlike(Adaptor adaptor, InferenceLocation location, InferredTypes &types) {
  llvm::SmallVector<int64_t> named;
  if constexpr (requires { adaptor.getRoot(); })
    named.push_back(int64_t(adaptor.getRoot()));
  return inferCollective("collective", adaptor.getX(), adaptor.getToken(), adaptor.getMembers(),
                         MembersDimension::None, named, location, types);
}
template <typename Adaptor>
llvm::LogicalResult inferGatheredMembers(Adaptor adaptor, InferenceLocation location,
                                         InferredTypes &types) {
  return inferCollective("all_gather", adaptor.getX(), adaptor.getToken(), adaptor.getMembers(),
                         MembersDimension::Added, {}, location, types);
}
template <typename Adaptor>
llvm::LogicalResult inferScatteredMembers(Adaptor adaptor, InferenceLocation location,
                                          InferredTypes &types) {
  return inferCollective("reduce_scatter", adaptor.getX(), adaptor.getToken(), adaptor.getMembers(),
                         MembersDimension::Removed, {}, location, types);
}
template <typename Adaptor>
llvm::LogicalResult inferExchangedMembers(Adaptor adaptor, InferenceLocation location,
                                          InferredTypes &types) {
  return inferCollective("all_to_all", adaptor.getX(), adaptor.getToken(), adaptor.getMembers(),
                         MembersDimension::Kept, {}, location, types);
}
template <typename Adaptor>
llvm::LogicalResult inferPermutedMembers(Adaptor adaptor, InferenceLocation location,
                                         InferredTypes &types) {
  if (failed(checkPermutation(adaptor.getDestinations(), adaptor.getMembers(), location)))
    return llvm::failure();
  return inferCollective("permute_members", adaptor.getX(), adaptor.getToken(),
                         adaptor.getMembers(), MembersDimension::None, adaptor.getDestinations(),
                         location, types);
}

template <typename Adaptor>
llvm::LogicalResult inferFinished(Adaptor adaptor, InferenceLocation location,
                                  InferredTypes &types) {
  constexpr MembersDimension changes[] = {MembersDimension::None, MembersDimension::Added,
                                          MembersDimension::Removed};
  if (adaptor.getKind() >= std::size(changes))
    return emitOptionalError(location, "there is no kind ", adaptor.getKind());
  return inferCollective("collective", adaptor.getX(), adaptor.getToken(), adaptor.getMembers(),
                         changes[adaptor.getKind()], {}, location, types);
}
template <typename Adaptor>
llvm::LogicalResult inferStarted(Adaptor adaptor, InferenceLocation location,
                                 InferredTypes &types) {
  if (failed(inferFinished(adaptor, location, types)))
    return llvm::failure();
  types.erase(types.begin());
  return llvm::success();
}

template <typename Adaptor>
llvm::LogicalResult inferReplicated(Adaptor adaptor, InferenceLocation, InferredTypes &types) {
  llvm::append_range(types, mlir::ValueRange(adaptor.getOperands()).getTypes());
  return llvm::success();
}

} // namespace weft
