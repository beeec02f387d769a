# expect: (ShapeError|OutOfMemoryError|OutOfRangeError): .*
import weft

weft.zeros(2**40, 2**40)  # HERE
