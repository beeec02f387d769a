#!/usr/bin/env bash
# Interesting is a module with an operation for which fusion says that the bytes overflow.
weft-opt "$1" --weft-pipeline=cpu --until=fuse 2>&1 | grep -q "has a result of shape .* bytes overflow 64 bits"
