# expect: ShapeError: HERE: matmul: shapes \(2, 3\) and \(4, 5\) do not fit
import weft

weft.ones(2, 3) @ weft.ones(4, 5)  # HERE
