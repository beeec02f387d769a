# expect: DTypeError: HERE: a list of str is no tensor
import weft

weft.asarray(["a", "b"])  # HERE
