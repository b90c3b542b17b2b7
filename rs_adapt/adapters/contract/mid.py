"""A slot between the two projections of a bottleneck, in which a second method may map the code."""

from __future__ import annotations

from torch import Tensor, nn


class Mid(nn.Module):
    """A linear map of bottleneck codes `(..., V) -> (..., V)`."""

    def matrix(self) -> Tensor:
        """Return the map as a matrix M (V, V): `code M`."""
        raise NotImplementedError

    def forward(self, code: Tensor) -> Tensor:
        """Map codes (..., V)."""
        return code @ self.matrix().to(code.dtype)


class MidHost:
    """A bottleneck with a slot for a `Mid`; the caller of `set_mid` owns the tensors of the `Mid`."""

    _mid: tuple[Mid, ...] = ()
    rank: int

    @property
    def mid(self) -> Mid | None:
        """The map between the projections, or None."""
        return self._mid[0] if self._mid else None

    def set_mid(self, mid: Mid) -> None:
        """Insert `mid` between the two projections."""
        # In a tuple, so that torch does not take it for a submodule of the host.
        self._mid = (mid,)

    def apply_mid(self, code: Tensor) -> Tensor:
        """Return the input of the second projection: the code (..., V), mapped if there is a `Mid`."""
        return self._mid[0](code) if self._mid else code
