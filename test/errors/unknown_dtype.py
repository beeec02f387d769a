# expect: DTypeError: .*'float33' is no dtype of weft: there are bool
import weft

weft.ones(3).astype("float33")
