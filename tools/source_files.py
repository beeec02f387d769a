"""Which files belong to the source tree: for the linters and the house rules."""

from __future__ import annotations

import subprocess
from pathlib import Path


def source_files(root: Path, *suffixes: str) -> list[Path]:
    """All files of the tree at `root` that git tracks or would track, sorted.

    With `suffixes` (".cpp", ".py") only those. Where `root` is no git checkout, every file outside
    build/ and hidden folders counts.
    """
    git = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    if (root / ".git").exists():
        listing = subprocess.run(git, capture_output=True, text=True, check=True).stdout
        candidates = [root / name for name in listing.split("\0") if name]
    else:
        candidates = [path for path in root.rglob("*") if not _is_left_out(path.relative_to(root))]
    return sorted(
        path
        for path in set(candidates)
        if path.is_file() and (not suffixes or path.suffix in suffixes)
    )


def _is_left_out(path: Path) -> bool:
    folders = path.parts[:-1]
    return path.parts[0] == "build" or any(
        (name.startswith(".") and name != ".ci") or name == "__pycache__" for name in folders
    )
