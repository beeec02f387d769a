# expect: (OutOfRangeError|OverflowError): .*
import weft

weft.ones(3).astype("int8") + 1000  # HERE
