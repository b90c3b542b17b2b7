"""Wrong values on the command line: the message says what was given and what is allowed, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rs_adapt.commands import main
from rs_adapt.commands.usage import plain_usage_error

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list", "benchs"], "There is no 'benchs'. Did you mean benches? Allowed: benches, methods,"),
        (["eval", "run", "--split", "tset"], "There is no 'tset'. Did you mean test? Allowed: test, val, source-val."),
        (["export", "run", "--format", "caffe"], "There is no 'caffe'. Allowed: rs-adapt, mmseg, safetensors, onnx."),
        (["train", "--bench", "synthetic-da", "--iters", "ten"], "'--iters': It must be a whole number."),
        (["train", "--bench", "synthetic-da", "--seed", "-1"], "It must be greater than or equal to 0."),
    ],
)
def test_a_wrong_value_is_reported_in_plain_words(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert sentence in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_message_that_is_plain_already_stays() -> None:
    assert plain_usage_error("Missing the file.") == "Missing the file."
    assert plain_usage_error("Value error, the list is empty.") == "the list is empty."


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--device", "tpu"), "Unknown device 'tpu'"),
        (("--device", "cuda:x"), "Unknown device 'cuda:x'"),
        (("--precision", "fp16"), "The precision is 'fp16'"),
        (("--logger", "nope"), "There is no logger 'nope'"),
        (("--from", "no/run", "--work-dir", "{new}"), "--from no/run: there are no saved weights"),
    ],
)
def test_wrong_names_are_told_before_torch_is_loaded(
    options: tuple[str, ...], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [option.format(new=tmp_path / "run") for option in options]
    with pytest.raises(SystemExit) as stop:
        main(["train", "--bench", "synthetic-da", *arguments])
    errors = capsys.readouterr().err
    assert stop.value.code == 2
    assert errors.startswith(f"error: {named}"), errors
