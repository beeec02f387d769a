# expect: ShapeError: HERE: concat: shapes \(2, 3\) and \(2, 4\) differ
import weft

weft.concat([weft.ones(2, 3), weft.ones(2, 4)])  # HERE
