"""What Whisper hears: from a sound to the logarithms of its loudness by pitch and time."""

from __future__ import annotations

import math
import os
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import weft

from .._creation import _fail
from .._errors import DTypeError, FileError, OptionError, ShapeError, UnsupportedError
from .._paths import file_path
from .._spectra import stft
from ._folder import as_folder, read_json
from ._settings import Settings

_NAME = "preprocessor_config.json"
#: More than any file has: an hour of numbers at 48 kHz; frames, and ranges of pitch.
_MOST_NUMBERS, _MOST_FRAME, _MOST_BINS = 1 << 28, 1 << 13, 1 << 10
#: The highest pitch that is told apart.
_HIGHEST = 8000.0


@dataclass(frozen=True)
class SoundConfig:
    """How a sound is taken apart.

    Attributes:
        bins: how many ranges of pitch there are.
        rate: how many numbers of a sound are a second.
        n_fft, hop_length: the length of a frame, and how far apart frames begin.
        length: how many numbers a sound has, filled up.
        filling: what fills it up.
    """

    bins: int
    rate: int
    n_fft: int
    hop_length: int
    length: int
    filling: float = 0.0


def _mels(pitch: np.ndarray) -> np.ndarray:
    """The mel scale of Slaney's Auditory Toolbox (1998) for Hz: even to 1000, then by ratios."""
    above = 15 + 27 * np.log(np.maximum(pitch, 1000) / 1000) / math.log(6.4)
    return np.where(pitch < 1000, 3 * pitch / 200, above)


def _pitches(mels: np.ndarray) -> np.ndarray:
    """The Hz of mels."""
    above = 1000 * np.exp(math.log(6.4) / 27 * (np.maximum(mels, 15) - 15))
    return np.where(mels < 15, 200 * mels / 3, above)


def filters_of(config: SoundConfig) -> np.ndarray:
    """What frequencies [n_fft // 2 + 1] are in each range of pitch, float64 [bins, frequencies].

    Triangles whose corners are evenly apart in mels, each of the area of one Hz, as in librosa's
    ``filters.mel`` (McFee et al., 2015).
    """
    frequencies = np.linspace(0, config.rate // 2, config.n_fft // 2 + 1)
    corners = _pitches(np.linspace(0, _mels(np.array(_HIGHEST)), config.bins + 2))
    widths = np.diff(corners)[:, None]
    away = frequencies - corners[:, None]
    rising, falling = away[:-2] / widths[:-1], -away[2:] / widths[1:]
    areas = (corners[2:] - corners[:-2])[:, None]
    return np.maximum(0, np.minimum(rising, falling)) * 2 / areas


def _heard(sounds: weft.Tensor, window: weft.Tensor, filters: weft.Tensor, hop: int) -> weft.Tensor:
    n_fft = 2 * (filters.shape[1] - 1)
    found = stft(sounds, n_fft, hop, window=window, return_complex=True)[..., :-1]
    power = weft.square(weft.real(found)) + weft.square(weft.imag(found))
    loud = weft.log10(weft.clamp(filters @ power, min=1e-10))
    least = weft.max(loud, axis=(1, 2), keepdims=True) - 8.0
    return (weft.maximum(loud, least) + 4.0) / 4.0


_heard_at_once = weft.jit(_heard, static_argnames=("hop",))


class SoundFeatures:
    """The features that Whisper reads, of sounds.

    For each frame of a sound's Fourier transform (Hann windows) its power in ranges of pitch, on
    the mel scale; of these log10, no less than 8 below the largest, plus 4, over 4 (Radford et
    al., 2022; the ``log_mel_spectrogram`` of Whisper's own program).

    Attributes:
        config: how a sound is taken apart.
    """

    def __init__(self, config: SoundConfig) -> None:
        self.config = config
        self._filters = weft.asarray(filters_of(config), dtype=weft.float32)
        self._window = weft.hann_window(config.n_fft)

    def __call__(self, sounds: Any, rate: int | None = None) -> weft.Tensor:
        """Features [bins, frames] of a sound, or [N, bins, frames] of several, float32.

        Args:
            sounds: a sound, floating [T], from -1 to 1; or several, as a sequence or [N, T]. They
                are filled up with silence.
            rate: how many numbers are a second, to be compared with what the model was made for;
                None: it is right.

        Raises:
            OptionError: the rate is another one. ShapeError: a sound is longer than the model
            hears, has no numbers, or is none. DTypeError: its numbers are not floating.
        """
        config = self.config
        if rate is not None and rate != config.rate:
            raise _fail(
                OptionError,
                f"SoundFeatures: the sound has {rate} numbers a second, but the model was made for "
                f"{config.rate}: convert it first",
            )
        single = _is_single(sounds)
        waves = [self._checked(np.asarray(x)) for x in ([sounds] if single else sounds)]
        if not waves:
            raise _fail(ShapeError, "SoundFeatures: there is no sound")
        filled = np.full((len(waves), config.length), config.filling, np.float32)
        for row, own in zip(filled, waves):
            row[: len(own)] = own
        found = _heard_at_once(weft.asarray(filled), self._window, self._filters, config.hop_length)
        return found[0] if single else found

    def _checked(self, sound: np.ndarray) -> np.ndarray:
        if sound.dtype.kind != "f":
            raise _fail(
                DTypeError,
                "SoundFeatures: a sound has floating numbers from -1 to 1, not "
                f"{sound.dtype}: divide those of 16 bits by 32768",
            )
        if sound.ndim != 1 or not sound.size:
            raise _fail(
                ShapeError, f"SoundFeatures: a sound is [T], not of shape {list(sound.shape)}"
            )
        if len(sound) > self.config.length:
            seconds = self.config.length / self.config.rate
            raise _fail(
                ShapeError,
                f"SoundFeatures: a sound of {len(sound) / self.config.rate:.1f} s is longer than "
                f"the {seconds:g} s that the model hears: give its parts one after the other",
            )
        return sound


def _is_single(sounds: Any) -> bool:
    if isinstance(sounds, (weft.Tensor, np.ndarray)):
        return sounds.ndim < 2
    if not isinstance(sounds, Sequence):
        raise _fail(DTypeError, f"SoundFeatures: {type(sounds).__name__} is no sound")
    return not sounds or isinstance(sounds[0], (int, float))


def load_sound_features(folder: str | os.PathLike) -> SoundFeatures:
    """What makes a sound to the features of a checkpoint: its file preprocessor_config.json.

    Args:
        folder: a local one; nothing is downloaded.

    Raises:
        FileError: there is no such folder or file, or a setting can't be. UnsupportedError: a
        setting that weft does not know.
    """
    path = as_folder(folder) / _NAME
    settings = Settings(read_json(path), path)
    kind = settings.word("feature_extractor_type")
    if kind not in (None, "WhisperFeatureExtractor"):
        raise _fail(UnsupportedError, f"{path}: feature_extractor_type {kind[:60]!r} is not read")
    for name in ("dither", "do_normalize"):
        if settings.values.get(name):
            raise _fail(UnsupportedError, f"{path}: {name} is not read")
    rate = settings.count("sampling_rate", 16000, most=1 << 20)
    n_fft = settings.count("n_fft", 400, most=_MOST_FRAME, least=2)
    hop = settings.count("hop_length", 160, most=_MOST_FRAME)
    length = rate * settings.count("chunk_length", 30, most=_MOST_NUMBERS // rate)
    if n_fft % 2 or length <= n_fft or hop > length or length // hop * n_fft > _MOST_NUMBERS:
        raise _fail(
            FileError,
            f"{path}: frames of {n_fft} numbers every {hop} are none of a sound of {length}: n_fft "
            "has to be even, and so many frames to be possible",
        )
    filling = settings.number("padding_value", 0.0, least=-math.inf)
    bins = settings.count("feature_size", 80, most=_MOST_BINS)
    return SoundFeatures(SoundConfig(bins, rate, n_fft, hop, length, filling))


def read_sound(file: str | os.PathLike) -> tuple[np.ndarray, int]:
    """A WAV file of whole numbers: what it holds from -1 to 1, float32 [T], and its rate.

    Channels are averaged.

    Raises:
        FileError: there is no such file, it is damaged, too long, or in another form.
    """
    path = os.fsdecode(file_path(file))
    try:
        with wave.open(path, "rb") as opened:
            channels, width, rate, count = opened.getparams()[:4]
            # The file may say more than it has.
            content = opened.readframes(min(count, _MOST_NUMBERS // channels + 1))
    except OSError as error:
        raise _fail(FileError, f"{path}: {error.strerror}") from None
    except (wave.Error, EOFError, ValueError) as error:
        reason = str(error) or "it ends too early"
        raise _fail(FileError, f"{path} is no WAV file of whole numbers: {reason}") from None
    if count * channels > _MOST_NUMBERS:
        raise _fail(FileError, f"{path} is longer than {_MOST_NUMBERS} numbers")
    if not count or len(content) != count * channels * width or width > 4:
        raise _fail(FileError, f"{path} is no WAV file of whole numbers: it ends too early")
    return _numbers(content, width).reshape(-1, channels).mean(1, dtype=np.float32), rate


def _numbers(content: bytes, width: int) -> np.ndarray:
    """Whole numbers of so many bytes, the lowest first, from -1 to 1; single bytes from 128 on."""
    if width == 1:
        return (np.frombuffer(content, np.uint8).astype(np.float32) - 128) / 128
    # As the upper bytes of four.
    filled = np.zeros((len(content) // width, 4), np.uint8)
    filled[:, 4 - width :] = np.frombuffer(content, np.uint8).reshape(-1, width)
    return filled.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
