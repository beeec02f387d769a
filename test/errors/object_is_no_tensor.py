# expect: DTypeError: HERE: a object is no tensor
import weft

weft.asarray(object())  # HERE
