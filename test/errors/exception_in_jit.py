# expect: RuntimeError: stopped
# expect-output: state as it was: 5\.0 None
# expect-output: and then: 7\.0 2\.0
import weft

state = weft.asarray(5.0)
weight = weft.tensor(1.0, requires_grad=True)
broken = True


@weft.jit
def step(x):
    state.assign(state + x)
    (weight * x).backward()
    if broken:
        raise RuntimeError("stopped")


try:
    step(weft.asarray(2.0))
except RuntimeError:
    print("state as it was:", float(state), weight.grad)
broken = False
step(weft.asarray(2.0))
print("and then:", float(state), float(weight.grad))
broken = True
step(weft.asarray(2.0))
