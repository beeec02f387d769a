# expect: ShapeError: .*grad: the function has to return one floating number.*\(3,\)
import weft

weft.grad(lambda x: x * 2)(weft.ones(3))
