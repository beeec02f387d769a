# expect: (ShapeError|OutOfMemoryError|OutOfRangeError): .*
import weft

weft.broadcast_to(weft.ones(1), (2**31, 2**31, 2**31))  # HERE
