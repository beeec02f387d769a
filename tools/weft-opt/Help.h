// What `weft-opt --help` shows, and in which order.
#pragma once

namespace weft {

/// The text above the options.
extern const char *const helpOverview;

/// Puts the options that a user of the driver needs in groups, and hides all others:
/// `--help-hidden` shows them. To be called when all options are registered, before they are
/// parsed.
void arrangeHelp();

} // namespace weft
