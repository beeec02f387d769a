# expect: DTypeError: HERE: bitwise_and: .*float32
import weft

weft.bitwise_and(weft.ones(3), weft.ones(3))  # HERE
