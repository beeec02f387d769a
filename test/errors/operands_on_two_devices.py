# expect: DeviceError: HERE: multiply: .* \(operand 1 on cpu, operand 2 on emulator:sm_80\)
import weft

weights = weft.ones(3, device="emulator")

weft.ones(3) * weights  # HERE
