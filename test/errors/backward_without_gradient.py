# expect: GradientError: HERE: .*requires_grad
import weft

weft.sum(weft.ones(3)).backward()  # HERE
