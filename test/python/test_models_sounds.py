"""The features of sounds that Whisper reads, beside those of transformers; and WAV files."""

from __future__ import annotations

import json
import logging
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
import weft.models
from weft.models._sound import SoundConfig, filters_of


def written(folder: Path, **settings: Any) -> Path:
    """A folder with the settings of features."""
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def exact(config: SoundConfig, sound: np.ndarray) -> np.ndarray:
    """By the definition, in float64."""
    half = config.n_fft // 2
    filled = np.pad(sound.astype(np.float64), (0, config.length - len(sound)))
    around = np.pad(filled, half, mode="reflect")
    places = np.arange(config.n_fft)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * places / config.n_fft)
    starts = np.arange(config.length // config.hop_length)[:, None] * config.hop_length
    power = np.abs(np.fft.rfft(around[starts + places] * window)) ** 2
    loud = np.log10(np.maximum(filters_of(config) @ power.T, 1e-10))
    return (np.maximum(loud, loud.max() - 8) + 4) / 4


def sounds(length: int, seed: int) -> np.ndarray:
    """A sound with loud and quiet parts."""
    random = np.random.default_rng(seed)
    places = np.arange(length)
    swell = 10 ** (3 * np.sin(places / 3000 + random.random()) - 3)
    tone = np.sin(places * random.uniform(0.01, 2)) + random.standard_normal(length)
    return (0.2 * swell * tone).astype(np.float32)


CONFIGS = [
    {"feature_size": 80},
    {"feature_size": 128, "chunk_length": 2},
    {"feature_size": 20, "n_fft": 256, "hop_length": 100, "chunk_length": 1},
    {"feature_size": 7, "n_fft": 64, "hop_length": 33, "sampling_rate": 4000, "chunk_length": 3},
]


@pytest.mark.parametrize("settings", CONFIGS)
def test_features_are_those_of_transformers(settings: dict[str, int], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    hf = pytest.importorskip("transformers")
    logging.disable(logging.WARNING)
    peer = hf.WhisperFeatureExtractor(**settings)
    peer.save_pretrained(tmp_path)
    logging.disable(logging.NOTSET)
    ours = weft.models.load_sound_features(tmp_path)
    config = ours.config
    # Roundings of the numbers of float64, whose corners are as far apart as 8000 Hz reach.
    np.testing.assert_allclose(filters_of(config), peer.mel_filters.T, rtol=1e-9, atol=1e-12)
    for length in (config.length, config.length // 2 + 1, 1):
        sound = sounds(length, length)
        found = np.asarray(ours(sound, config.rate))
        assert found.shape == (config.bins, config.length // config.hop_length)
        theirs = peer(sound, sampling_rate=config.rate, return_tensors="np")["input_features"][0]
        true = exact(config, sound)
        # As far from the definition as theirs, which is in float32, too, up to the order of sums.
        bound = 8 * np.abs(theirs - true).max() + 64 * 2**-24 * np.abs(true).max()
        assert np.abs(found - true).max() <= bound
        assert bound < 1e-3


def test_several_sounds(tmp_path: Path) -> None:
    """Each is as it is alone; shorter ones are filled up."""
    ours = weft.models.load_sound_features(written(tmp_path, feature_size=10, chunk_length=1))
    several = [sounds(length, length) for length in (16000, 400, 9000)]
    found = np.asarray(ours(several))
    for row, sound in zip(found, several, strict=True):
        np.testing.assert_array_equal(row, np.asarray(ours(sound)))
    stacked = np.stack([several[0], several[0] / 2])
    np.testing.assert_array_equal(np.asarray(ours(stacked))[0], found[0])
    np.testing.assert_array_equal(np.asarray(ours(several[1].tolist())), found[1])
    np.testing.assert_array_equal(np.asarray(ours(weft.asarray(several[1]))), found[1])


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (np.ones(9, np.float32), 8000, "has 8000 numbers a second, but the model was made for"),
        (np.ones(16001), None, "of 1.0 s is longer than the 1 s that the model hears"),
        (np.ones(9, np.int16), None, "not int16: divide those of 16 bits by 32768"),
        (np.ones((1, 2, 3)), None, r"not of shape \[2, 3\]"),
        (np.ones(0), None, r"not of shape \[0\]"),
        ([], None, "a sound"),
        (np.ones((0, 5)), None, "there is no sound"),
        ("a", None, "a sound"),
        (5, None, "int is no sound"),
    ],
)
def test_what_is_no_sound(sound: Any, rate: int | None, message: str, tmp_path: Path) -> None:
    ours = weft.models.load_sound_features(written(tmp_path, chunk_length=1))
    with pytest.raises(weft.WeftError, match=message):
        ours(sound, rate)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"feature_extractor_type": "CLIPFeatureExtractor"}, "feature_extractor_type"),
        ({"dither": 0.1}, "dither is not read"),
        ({"do_normalize": True}, "do_normalize is not read"),
        ({"n_fft": 401}, "has to be even"),
        ({"n_fft": 1}, "n_fft has to be"),
        ({"hop_length": 0}, "hop_length has to be"),
        ({"sampling_rate": "x"}, "sampling_rate has to be"),
        ({"chunk_length": 10**9}, "chunk_length has to be"),
        ({"chunk_length": 2**13, "hop_length": 1}, "so many frames"),
        ({"feature_size": 10**9}, "feature_size has to be"),
        ({"padding_value": "x"}, "padding_value has to be"),
    ],
)
def test_settings_that_can_t_be(settings: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(weft.WeftError, match=message):
        weft.models.load_sound_features(written(tmp_path, **settings))


def test_folders_without_settings(tmp_path: Path) -> None:
    with pytest.raises(weft.FileError, match=r"has no preprocessor_config\.json"):
        weft.models.load_sound_features(tmp_path)
    with pytest.raises(weft.FileError, match="is no folder"):
        weft.models.load_sound_features(tmp_path / "x")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_files(width: int, channels: int, tmp_path: Path) -> None:
    top = 2 ** (8 * width - 1)
    random = np.random.default_rng(width)
    numbers = random.integers(-top, top, (50, channels))
    numbers[0], numbers[1] = -top, top - 1
    file = tmp_path / "sound.wav"
    with wave.open(str(file), "wb") as opened:
        opened.setparams((channels, width, 16000, 0, "NONE", ""))
        stored = numbers + 128 if width == 1 else numbers
        for number in stored.ravel().tolist():
            opened.writeframes(number.to_bytes(width, "little", signed=width > 1))
    sound, rate = weft.models.read_sound(file)
    assert (rate, sound.dtype) == (16000, np.float32)
    # Of 32 bits the last ones are rounded away, and so is the mean.
    np.testing.assert_allclose(sound, (numbers / top).mean(1), rtol=0, atol=2**-23)


def test_files_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "sound.wav"
    with pytest.raises(weft.FileError, match="No such file"):
        weft.models.read_sound(file)
    with wave.open(str(file), "wb") as opened:
        opened.setparams((1, 2, 16000, 0, "NONE", ""))
        opened.writeframes(b"\0" * 100)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(weft.FileError, match="is no WAV file"):
            weft.models.read_sound(file)
    # Floating numbers, and a length that is not there.
    file.write_bytes(whole[:20] + struct.pack("<H", 3) + whole[22:])
    with pytest.raises(weft.FileError, match="is no WAV file of whole numbers: unknown format: 3"):
        weft.models.read_sound(file)
    file.write_bytes(whole[:40] + struct.pack("<I", 2**32 - 2) + whole[44:])
    with pytest.raises(weft.FileError, match="is longer than"):
        weft.models.read_sound(file)
