"""Errors that a user can act on: each message says what was given, what is allowed and what to do."""

from __future__ import annotations


class RsAdaptError(Exception):
    """Root of all errors that rs-adapt raises on purpose; takes one sentence or two for the user."""

    exit_code = 2


class ConfigError(RsAdaptError):
    """Raised when a configuration file, key or value is not usable."""


class UnknownName(ConfigError):
    """Raised when a bench, method, backbone, head, strategy or direction does not exist."""


class IncompatibleCell(ConfigError):
    """Raised when the chosen values of two axes cannot work together."""


class DataNotFound(RsAdaptError):
    """Raised when a folder or file of a data set is missing."""


class DataError(RsAdaptError):
    """Raised when an image or a label exists but cannot be used."""


class DownloadError(RsAdaptError):
    """Raised when a file cannot be fetched, or what came is not what is published."""

    exit_code = 1


class HubError(RsAdaptError):
    """Raised when a repository on the Hugging Face Hub cannot be read or written."""


class LicenceNotAccepted(RsAdaptError):
    """Raised when data under conditions are to be fetched and nobody has accepted them."""


class WeightsError(RsAdaptError):
    """Raised when base weights are missing, damaged or of another model."""


class CheckpointMismatch(RsAdaptError):
    """Raised when an adapter pack or a training state does not fit what it is loaded into."""


class ScoresError(RsAdaptError):
    """Raised when stored confusion matrices are missing, damaged, or cannot answer what was asked."""


class UnreadableFile(RsAdaptError):
    """Raised when a file of a run folder is damaged or of a newer format."""


class OutputExists(RsAdaptError):
    """Raised when the place for a run, a folder or a file is taken."""


class DeviceUnavailable(RsAdaptError):
    """Raised when the requested device is not on this machine."""


class RunFailed(RsAdaptError):
    """Raised when the machine fails in the middle of a run: memory, disk or a loader process."""

    exit_code = 1


class StoppedElsewhere(RsAdaptError):
    """Raised in one of several processes when another has failed and reports the reason."""

    def __init__(self, exit_code: int = 1) -> None:
        super().__init__("another process of this run has failed")
        self.exit_code = exit_code


class NonFiniteWeights(RsAdaptError):
    """Raised when weights that are about to be saved are NaN or infinite."""

    exit_code = 1


class NonFiniteLoss(RsAdaptError):
    """Raised when the loss of a training step is NaN or infinite."""

    exit_code = 1
