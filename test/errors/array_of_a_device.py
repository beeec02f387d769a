# expect: DeviceError: HERE: reading the elements: the tensor is on emulator:sm_80; copy it
import numpy as np
import weft

np.asarray(weft.ones(3, device="emulator"))  # HERE
