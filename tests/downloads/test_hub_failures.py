"""Failures of the Hub that no call of the other tests meets."""

from __future__ import annotations

import pytest

from rs_adapt.downloads.hub_failures import explain_failures
from rs_adapt.errors import ConfigError, HubError


@pytest.mark.parametrize(
    ("error", "writes", "sentence"),
    [
        (OSError("no space left"), False, "hf:a/b: no space left. Check the space and the permissions of HF_HOME."),
        (ConnectionError("cut\noff"), False, "hf:a/b: cut. Try again; with HF_HUB_DISABLE_XET=1 large files go by"),
        (RuntimeError("xet failed."), True, "hf:a/b: xet failed. Try again; with HF_HUB_DISABLE_XET=1"),
        (ValueError(""), False, "hf:a/b: ValueError. Try again."),
    ],
)
def test_other_failures_are_one_sentence(error: Exception, writes: bool, sentence: str) -> None:
    with pytest.raises(HubError) as caught, explain_failures("hf:a/b", "a/b", writes=writes):
        raise error
    assert str(caught.value).startswith(sentence)


def test_the_reason_of_an_upload_in_a_thread_is_reported() -> None:
    with pytest.raises(HubError, match=r"^hf:a/b: disk\. "), explain_failures("hf:a/b", "a/b", writes=True):
        raise RuntimeError("Error while uploading") from OSError("disk")


def test_own_errors_and_faults_of_the_program_pass() -> None:
    for error in (ConfigError("mine"), KeyError("fault"), KeyboardInterrupt()):
        with pytest.raises(type(error)), explain_failures("hf:a/b", "a/b"):
            raise error
