"""weft.save and weft.load: state dicts and nested containers, and files told by their content."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits
from safetensors.numpy import load_file

nn = weft.nn


def test_a_state_dict_is_a_file_of_safetensors(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    path = tmp_path / "model"
    weft.save(model.state_dict(), path)
    found = load_file(path)
    assert sorted(found) == sorted(model.state_dict())
    assert_same_bits(found["0.weight"], model[0].weight.detach())
    other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    other.load_state_dict(weft.load(path, weights_only=True))
    assert_same_bits(other[0].weight.detach(), model[0].weight.detach())
    assert weft.load(path, map_location="cpu")["0.bias"].device == "cpu"


def test_a_checkpoint_of_a_training(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    optimizer = weft.optim.Adam(model.parameters(), lr=0.1)
    scheduler = weft.optim.lr_scheduler.StepLR(optimizer, 2)

    def step() -> None:
        optimizer.zero_grad()
        model(weft.ones(4, 3)).square().sum().backward()
        optimizer.step()
        scheduler.step()

    step()
    path = tmp_path / "checkpoint.pt"
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    weft.save({name: part.state_dict() for name, part in parts.items()} | {"epoch": 3}, path)
    step()
    wanted = model.weight.detach().clone()
    checkpoint = weft.load(path)
    assert checkpoint.pop("epoch") == 3
    for name, state in checkpoint.items():
        parts[name].load_state_dict(state)
    step()
    assert_same_bits(model.weight.detach(), wanted)


def test_nested_containers_come_back(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    tree = {
        "a": [weft.asarray(draw.standard_normal((2, 0))), (1, 2.5, None, True, "weft.structure")],
        "b": {"c": weft.asarray([1, 2]), 3: weft.asarray(np.float16(2))},
        "b.c": weft.ones(1, dtype="bfloat16"),
        "weft.structure": weft.asarray([True]),
        "": {"": weft.zeros(2, dtype="complex64")},
        "infinite": float("inf"),
        "\ud800": [],
    }
    path = tmp_path / "tree"
    weft.save(tree, path)
    found = weft.load(path)

    def compare(left: object, right: object) -> None:
        if isinstance(left, weft.Tensor):
            assert_same_bits(left, right)
            return
        assert type(left) is type(right)
        if isinstance(left, dict):
            assert list(left) == list(right)
            compare(list(left.values()), list(right.values()))
        elif isinstance(left, (list, tuple)):
            assert len(left) == len(right)
            for one, other in zip(left, right, strict=True):
                compare(one, other)
        else:
            assert left == right

    compare(tree, found)
    for single in (weft.arange(3), 2.5, [], {}):
        weft.save(single, path)
        compare(single, weft.load(path))


def test_programs_are_loaded_as_before(tmp_path: Path) -> None:
    program = weft.export(lambda x: x * 2, weft.spec(3))
    program.save(tmp_path / "double.weft")
    assert weft.load(tmp_path / "double.weft")(np.ones(3, np.float32)).tolist() == [2, 2, 2]


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(weft.DTypeError, match=r"'a\.0' is a Linear.*state_dict"):
        weft.save({"a": [nn.Linear(1, 1)]}, path)
    with pytest.raises(weft.DTypeError, match="keys"):
        weft.save({"a": {(1, 2): 3}}, path)
    assert not path.exists()
    torch.save({"x": torch.ones(2)}, path)
    with pytest.raises(weft.FileError, match=r"torch\.load"):
        weft.load(path)
    path.write_bytes(pickle.dumps({}))
    with pytest.raises(weft.FileError, match=r"pickle\.load"):
        weft.load(path)
    for content in (b"", b"{", b"\0" * 9, b"module {", b"\xff" * 8 + b"{"):
        path.write_bytes(content)
        with pytest.raises(weft.FileError):
            weft.load(path)
    with pytest.raises(weft.FileError):
        weft.load(tmp_path / "nothing")
    for structure in (b"", b"[]", b'{"tensor":"no"}', b'{"other":1}', b'{"dict":[[1]]}'):
        text = weft.asarray(np.frombuffer(structure, np.uint8).copy())
        weft.save_safetensors({"weft.structure": text}, path)
        with pytest.raises(weft.FileError, match="how it is nested"):
            weft.load(path)
