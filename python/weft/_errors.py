"""The exceptions of weft. Each message names the op, what is wrong, and the user's line."""


class WeftError(Exception):
    """Base of all errors of weft."""


class ShapeError(WeftError, ValueError):
    """Shapes do not fit together, or an argument has a value that no shape allows."""


class DTypeError(WeftError, TypeError):
    """A dtype or a Python type that the operation does not take."""


class OptionError(WeftError, ValueError):
    """An option or a setting with a value that there is not."""


class OutOfBoundsError(WeftError, IndexError):
    """An index outside of the dimension."""


class NameUseError(WeftError, KeyError):
    """A name that is not there, or that can't be used."""

    __str__ = Exception.__str__


class MissingAttributeError(WeftError, AttributeError):
    """An attribute that is not there."""


class OutOfRangeError(WeftError, OverflowError):
    """A number that its dtype cannot hold."""


class TracerLeakError(WeftError, RuntimeError):
    """A value of a trace was used after the traced function had returned."""


class ConcretizationError(WeftError, TypeError):
    """The value of a tensor was asked for while the function is being traced."""


class GradientError(WeftError, RuntimeError):
    """backward() without anything to differentiate, or a leaf changed in place."""


class LinAlgError(WeftError, RuntimeError):
    """A matrix that has no such factors, where a check was asked for."""


class UnsupportedError(WeftError, NotImplementedError):
    """Something that weft does not do."""


class DeviceError(WeftError, RuntimeError):
    """Tensors on several devices, or on another one than is needed: nothing moves by itself."""


class CommunicationError(WeftError, RuntimeError):
    """Processes that work together, of which one has ended, hangs, or does something else."""


class FileError(WeftError, OSError):
    """A file that can't be read or written, or is not what it should be."""


class OutOfMemoryError(WeftError, MemoryError):
    """There is no memory for a tensor."""
