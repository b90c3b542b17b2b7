"""`rs-adapt doctor`: lines for people, JSON for programs, exit code 1 where something is broken."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from rs_adapt.audit import doctor
from rs_adapt.commands import main


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--no-training", *arguments])
    return int(stop.value.code or 0), capsys.readouterr().out


def test_lines_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = _run(capsys)
    assert code == 0
    findings = json.loads(_run(capsys, "--json")[1])
    assert all({"name", "status", "seen", "fix"} == finding.keys() for finding in findings)
    for finding in findings:
        assert f"{finding['status']:<7} {finding['name']}: " in lines
        assert finding["fix"] in lines


def test_an_error_gives_exit_code_1_and_its_mend(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = doctor.distribution
    monkeypatch.setattr(
        doctor,
        "distribution",
        lambda name: SimpleNamespace(version="1.2.2") if name == "mmsegmentation" else real(name),
    )
    code, lines = _run(capsys)
    assert code == 1
    assert "error   mmsegmentation: 1.2.2 is installed beside onedl-mmsegmentation" in lines
    assert "-> pip uninstall -y mmsegmentation && " in lines
