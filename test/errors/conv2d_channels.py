# expect: ShapeError: HERE: conv2d: .*\(1, 3, 8, 8\).*\(4, 5, 3, 3\).*needs 5 channels
import weft
from weft.nn.functional import conv2d

conv2d(weft.ones(1, 3, 8, 8), weft.ones(4, 5, 3, 3))  # HERE
