# expect: GradientError: HERE: backward: the tensor does not depend on any
import weft

weft.sum(weft.ones(3)).backward()  # HERE
