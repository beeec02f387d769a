// How the nest around the micro-kernel divides a contraction: what emits it and what estimates its
// cost agree on.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// Tiles of rows in a block, which share the columns while those are in the cache.
inline constexpr int64_t manyTiles = 8;
/// Rows of a block that reads the right operand where it is.
inline constexpr int64_t fewRows = 16;
/// The same where a block of columns is copied for all rows: up to the 49 pixels of a small image.
inline constexpr int64_t sharingTiles = 9;
/// A tile for what is lower than others.
inline constexpr int64_t lowTile = 4;
/// True if the right operand is read where it is, along runs of memory, by few rows.
inline bool readsRuns(ContractionScheduleAttr schedule) {
  return schedule.getPackLhs() && !schedule.getPackRhs() && !schedule.getPackBlock();
}

/// True if one row adds a block of the depth, so many lines of the right operand side by side, to
/// all of its columns: the factors stay in registers, the sums in the cache.
inline bool addsLines(ContractionScheduleAttr schedule) {
  constexpr int64_t mostLines = 8;
  return readsRuns(schedule) && schedule.getRows() == 1 && schedule.getDepth() > 0 &&
         schedule.getDepth() <= mostLines;
}

inline int64_t tilesInBlock(ContractionScheduleAttr schedule) {
  if (!schedule.getPackLhs() || schedule.getPackRhs())
    return manyTiles;
  if (schedule.getRows() == 1)
    return 1;
  int64_t fewTiles = (fewRows + schedule.getRows() - 1) / schedule.getRows();
  return schedule.getPackBlock() ? sharingTiles : fewTiles;
}

/// The heights of tiles, the tallest first: a block of rows has tiles of the first that fits, and
/// low ones for a few rows behind them. Packed rows repeat the last one, so that a whole tile can
/// always be read. Several lines of images are as high as what wastes least.
inline llvm::SmallVector<int64_t, 3> tileHeights(ContractionScheduleAttr schedule) {
  llvm::SmallVector<int64_t, 3> heights{schedule.getRows()};
  if (lowTile < schedule.getRows() && !schedule.getFlat())
    heights.push_back(lowTile);
  if (schedule.getRows() > 1 && !schedule.getPackLhs())
    heights.push_back(1);
  return heights;
}

/// How many rows behind the last whole tile of so many low ones compute in less time than another
/// tile that is moved back: a low one takes about a third longer for each of its rows, so that none
/// is worth it behind tiles that are hardly higher.
inline int64_t mostLowRows(int64_t height) {
  return height < 2 * lowTile ? 0 : height * 7 / 10 / lowTile * lowTile;
}

/// Columns are divided among tasks until there are about this many: enough for the threads to end
/// together, few enough to use a packed left operand for many columns. Few rows that read the right
/// operand where it is read long runs of it.
inline int64_t wantedTasks(ContractionScheduleAttr schedule) {
  constexpr int64_t wanted = 16, wantedRuns = 4;
  return readsRuns(schedule) ? wantedRuns : wanted;
}

} // namespace weft
