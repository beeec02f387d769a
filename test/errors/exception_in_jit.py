# expect: ZeroDivisionError: .*by zero
# expect-output: state as it was: 5\.0 None
# expect-output: and again: 7\.0
import weft

state = weft.asarray(5.0)
weight = weft.tensor(1.0, requires_grad=True)


@weft.jit
def step(x, divisor):
    state.assign(state + x)
    (weight * x).backward()
    return 1 // divisor


try:
    step(weft.asarray(2.0), 0)
except ZeroDivisionError:
    print("state as it was:", float(state), weight.grad)


@weft.jit
def add(x):
    state.assign(state + x)


add(weft.asarray(2.0))
print("and again:", float(state))
print(1 // 0)
