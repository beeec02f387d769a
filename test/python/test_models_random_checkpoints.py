"""Checkpoints of random settings: scores are those of transformers, or the setting is refused."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
hf = pytest.importorskip("transformers")

import weft  # noqa: E402
import weft.models  # noqa: E402
from model_folders import of_any_dtype  # noqa: E402
from random_checkpoints import OWN, THROUGH_TORCH, written  # noqa: E402
from random_programs import count_of_examples  # noqa: E402
from weft.models._family_settings import DEFAULTS, INDIFFERENT  # noqa: E402

#: Each is a whole checkpoint.
EXAMPLES = range(min(count_of_examples(8), 200))
#: What weft.models has no rule for, and says so.
REFUSED = "|".join(
    (
        # By which Phi3 means longrope, and transformers writes both names.
        "longrope is for a training of several tokens",
        r"is '(gated-)?laplace', but weft\.models knows",
        r"settings that weft does not know of \w+: (rope_parameters|add_cross_attention) \(",
        # Which transformers reads, and does nothing with.
        r"settings that weft does not know of gemma3_text: attn_logit_softcapping \(",
        "slow_but_exact is not read",
        "use_bidirectional_attention is not read",
        "one half of a model is not read",
        "elements are turned: they have to be pairs",
        # Never written by transformers: it ties them all the same, as older versions do not.
        r"there is no weight lm_head\.weight",
    )
)


pytestmark = pytest.mark.usefixtures("quiet_torch")
hf.logging.disable_progress_bar()


def _inputs(family: str, config: Any, random: np.random.Generator) -> dict[str, np.ndarray]:
    """What a model of a family takes, with texts of several lengths."""
    texts, length = (int(random.choice(sizes)) for sizes in ([1, 3], [1, 2, 7, 11]))
    tokens = random.integers(0, config.vocab_size, (texts, length))
    if family == "whisper":
        shape = texts, config.num_mel_bins, 2 * config.max_source_positions
        sounds = random.standard_normal(shape).astype(np.float32)
        return {"input_features": sounds, "decoder_input_ids": tokens}
    if family not in ("t5", "mt5"):
        return {"input_ids": tokens}
    read = int(random.choice([1, 5, 30]))
    mask = np.ones((texts, read), np.int64)
    mask[0, 3:], mask[texts // 2, : read // 15] = 0, 0
    text = random.integers(0, config.vocab_size, (texts, read))
    return {"input_ids": text, "attention_mask": mask, "decoder_input_ids": tokens}


def _scores(model: torch.nn.Module, inputs: dict[str, np.ndarray]) -> np.ndarray:
    wide = next(model.parameters()).dtype
    given = {name: torch.from_numpy(value) for name, value in inputs.items()}
    given = {name: x.to(wide) if x.is_floating_point() else x for name, x in given.items()}
    with torch.no_grad():
        return model(**given).logits.double().numpy()


def _loaded(folder: Path) -> Any:
    """The model, or the error that refuses the folder."""
    try:
        return weft.models.load(folder)
    except weft.WeftError as error:
        return error


def _reference(family: str, kind: type, folder: Path) -> torch.nn.Module:
    """What transformers makes of a folder, in float32."""
    model = of_any_dtype(kind.from_pretrained(folder, dtype=torch.float32)).eval()
    if family.startswith("gemma"):
        # Weights of a narrow dtype were trained with the scale of the embeddings in that dtype.
        written_in = kind.from_pretrained(folder, dtype="auto").dtype
        scale = torch.tensor(model.config.hidden_size**0.5, dtype=written_in).float()
        model.model.embed_tokens.embed_scale = scale
    return model


@pytest.mark.parametrize("family", OWN)
def test_scores(family: str, tmp_path: Path) -> None:
    """Of what transformers reads, too; and what it can't read is not read."""
    drawn, settings_of, kind = OWN[family]
    read = 0
    for example in EXAMPLES:
        random = np.random.default_rng([example, *family.encode()])
        folder, settings = tmp_path / str(example), drawn(random)
        try:
            model = kind(settings_of(**copy.deepcopy(settings)))
        except Exception:
            continue
        written(model, settings, random, folder)
        note = f"example {example}: {(folder / 'config.json').read_text()}"
        inputs = _inputs(family, model.config, random)
        try:
            theirs = _reference(family, kind, folder)
            expected, exact = (_scores(m, inputs) for m in (theirs, copy.deepcopy(theirs).double()))
        except Exception:
            assert isinstance(_loaded(folder), weft.WeftError), f"transformers can't read {note}"
            continue
        ours = _loaded(folder)
        if isinstance(ours, weft.WeftError):
            assert re.search(REFUSED, str(ours)), note
            continue
        given = {name: weft.asarray(value) for name, value in inputs.items()}
        found = ours(**given)["logits"] if len(given) > 1 else ours(given["input_ids"])
        # As far from the exact scores as PyTorch's own are, up to the order of sums.
        bound = 8 * np.abs(expected - exact).max() + 64 * 2**-24 * np.abs(exact).max()
        assert np.abs(np.asarray(found.detach()) - exact).max() <= bound, note
        read += 1
    assert read >= len(EXAMPLES) / 8


@pytest.mark.parametrize("family", OWN)
def test_every_setting_of_transformers_is_drawn(family: str) -> None:
    """So that none can be left unread."""
    drawn, settings_of, _ = OWN[family]
    names = set().union(*(drawn(np.random.default_rng(seed)) for seed in range(30)))
    fields = {field.name for field in dataclasses.fields(settings_of)}
    # Those of all families, which save_pretrained writes, or which change what a call gives out.
    of_all = {field.name for field in dataclasses.fields(hf.PreTrainedConfig)}
    assert fields - of_all <= names


def _rotary_parts(config: Any) -> dict[str, dict[str, Any]]:
    """How positions turn in kinds of layers, by default."""
    found = getattr(config, "rope_parameters", None) or {}
    return found if "full_attention" in found else {"all": found} if found else {}


@pytest.mark.parametrize("family", OWN)
def test_defaults(family: str) -> None:
    """Those of transformers, which older files need not say."""
    settings_of = OWN[family][1]
    fields = dataclasses.fields(settings_of)
    ours = dict(DEFAULTS[family])
    theirs = {f.name: f.default for f in fields if f.name in ours or f.name not in INDIFFERENT}
    for older, name in (("rotary_emb_base", "rope_theta"), ("rotary_pct", "partial_rotary_factor")):
        ours |= {name: ours.pop(older)} if older in ours else {}
    for kind, part in _rotary_parts(settings_of()).items():
        base = "rope_local_base_freq" if kind == "sliding_attention" else "rope_theta"
        for name, where, value in (
            (base, "rope_theta", 1e4),
            ("partial_rotary_factor",) * 2 + (1,),
        ):
            theirs[name] = part.get(where, value)
            ours.setdefault(name, value)
    for name in theirs.keys() | ours.keys():
        assert (theirs.get(name) or None) == (ours.get(name) or None), name


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [
        ("llama", "is_causal", False),
        ("llama", "partial_rotary_factor", 0.5),
        ("llama", "attn_logit_softcapping", 50.0),
        ("llama", "sliding_window", 5),
        ("llama", "rope_parameters", {"rope_theta": 1e4, "attention_factor": 2.0}),
        ("mistral", "attention_bias", True),
        ("mistral", "layer_types", ["sliding_attention"]),
        ("qwen2", "layer_types", ["chunked_attention"]),
        ("qwen2", "layer_types", ["sliding_attention"]),
        ("gemma", "final_logit_softcapping", 30.0),
        ("phi", "rope_parameters", {"partial_rotary_factor": 0.5, "beta_fast": 2}),
        ("gpt2", "hidden_size", 99),
        ("t5", "num_hidden_layers", 99),
        ("whisper", "is_causal", False),
        ("whisper", "position_embedding_type", "rotary"),
    ],
)
def test_unread_settings_are_refused_by_name(
    family: str, name: str, value: Any, tmp_path: Path
) -> None:
    _, settings_of, kind = OWN[family]
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "vocab_size": 9}
    more = {} if family in ("gpt2", "t5", "whisper") else {"num_key_value_heads": 2}
    if family == "whisper":
        more = {"pad_token_id": 2, "decoder_attention_heads": 2}
    kind(settings_of(**sizes, **more)).save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    weft.models.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**values, name: value}))
    with pytest.raises(weft.WeftError, match=list(value)[-1] if isinstance(value, dict) else name):
        weft.models.load(tmp_path)


#: `tools/test --full` draws of all, twice each: a capture takes seconds.
CAPTURED = ["bert", "resnet"] if count_of_examples(0) == 0 else list(THROUGH_TORCH)


def _text_inputs(model: Any, config: Any, sizes: tuple[int, int], random: Any) -> dict[str, Any]:
    """What a model through PyTorch takes, with texts that are filled up on the left or right."""
    texts, length = sizes
    text = getattr(config, "text_config", config)
    image = getattr(config, "vision_config", config)
    given: dict[str, np.ndarray] = {}
    if "input_ids" in model.input_names:
        given["input_ids"] = random.integers(0, text.vocab_size, sizes)
        given["attention_mask"] = np.ones(sizes, np.int64)
        side = slice(0, length // 3) if random.random() < 0.5 else slice(length - length // 3, None)
        given["attention_mask"][0, side] = 0
    if "token_type_ids" in model.input_names:
        given["token_type_ids"] = random.integers(0, config.type_vocab_size, sizes)
    if "decoder_input_ids" in model.input_names:
        given["decoder_input_ids"] = random.integers(0, text.vocab_size, (texts, 4))
    if "pixel_values" in model.input_names:
        size = getattr(image, "image_size", 224)
        shape = texts, image.num_channels, size, size
        given["pixel_values"] = random.standard_normal(shape).astype(np.float32)
    return given


def _outputs(model: torch.nn.Module, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    wide = next(model.parameters()).dtype
    given = {name: torch.from_numpy(value) for name, value in inputs.items()}
    given = {name: x.to(wide) if x.is_floating_point() else x for name, x in given.items()}
    with torch.no_grad():
        found = model(**given)
    return {name: x.double().numpy() for name, x in found.items() if isinstance(x, torch.Tensor)}


@pytest.mark.parametrize("family", CAPTURED)
@pytest.mark.parametrize("example", range(2 if count_of_examples(0) else 1))
def test_outputs_of_captured_models(family: str, example: int, tmp_path: Path) -> None:
    """All of them, for texts that are filled up, one text, and one token."""
    drawn, settings_of, kinds = THROUGH_TORCH[family]
    random = np.random.default_rng([example, *family.encode()])
    settings = drawn(random)
    kind = kinds[random.integers(len(kinds))]
    try:
        written(kind(settings_of(**copy.deepcopy(settings))), settings, random, tmp_path)
        theirs = kind.from_pretrained(tmp_path, dtype=torch.float32).eval()
    except Exception:
        pytest.skip("transformers takes no such settings")
    ours = _loaded(tmp_path)
    if isinstance(ours, weft.WeftError):
        assert re.search("in place|no one program|not supported", str(ours))
        return
    exact_model = copy.deepcopy(theirs).double()
    for sizes in ((3, 7), (1, 5), (1, 1)):
        inputs = _text_inputs(ours, theirs.config, sizes, random)
        expected, exact = (_outputs(model, inputs) for model in (theirs, exact_model))
        found = ours(**inputs)
        assert expected.keys() <= found.keys()
        for name, wanted in expected.items():
            bound = 8 * np.abs(wanted - exact[name]).max() + 64 * 2**-24 * np.abs(exact[name]).max()
            off = np.abs(np.asarray(found[name].detach()) - exact[name]).max()
            assert off <= bound, (name, sizes, settings)
