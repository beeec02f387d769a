# expect: DeviceError: HERE: the tensors .* `batch` is on cpu, and global variable `weights` on
import weft

weights = weft.ones(3, device="emulator")


@weft.jit
def scaled(batch):
    return batch * weights


scaled(weft.ones(3))  # HERE
