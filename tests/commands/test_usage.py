"""Wrong values on the command line: the message says what was given and what is allowed, in plain words."""

from __future__ import annotations

import pytest

from rs_adapt.commands import main
from rs_adapt.commands.usage import plain_usage_error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list", "benchs"], "There is no 'benchs'. Did you mean benches? Allowed: benches, methods,"),
        (["eval", "run", "--split", "tset"], "There is no 'tset'. Did you mean test? Allowed: test, val, source-val."),
        (["export", "run", "--format", "onnx"], "There is no 'onnx'. Allowed: rs-adapt, mmseg, safetensors."),
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
