# expect: ShapeError: HERE: conv2d: the kernel .* is larger than the padded input
import weft
from weft.nn.functional import conv2d

conv2d(weft.ones(1, 3, 4, 4), weft.ones(4, 3, 5, 5))  # HERE
