# expect: TypeError: unsupported operand type\(s\) for @: .*Tensor.* and 'str'
import weft

weft.ones(2, 2) @ "x"
