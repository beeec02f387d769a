# expect: OutOfMemoryError: .*
import weft

weft.zeros(2**45)  # HERE
