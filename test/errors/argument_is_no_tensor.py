# expect: (DTypeError|TypeError): .*str
import weft

weft.tanh("x")  # HERE
