"""TorchScript archives: tensors as torch.jit wrote them, and nothing in the file is run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.backbones import Clip
from rs_adapt.backbones.torchscript import is_archive, read_tensors
from rs_adapt.errors import WeightsError

SIZES: dict[str, Any] = {
    "embed_dim": 32,
    "depth": 2,
    "num_heads": 2,
    "patch_px": 8,
    "image_px": 64,
    "out_layers": (0, 1),
    "level_scales": (1.0, 1.0),
}


class Attention(nn.Module):
    """Named as in CLIP's own code, where it is torch's `MultiheadAttention`."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight, self.in_proj_bias = (nn.Parameter(torch.randn(96, *more)) for more in ((32,), ()))
        self.out_proj = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_proj(x)


class ResBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn, self.ln_1, self.ln_2 = Attention(), nn.LayerNorm(32), nn.LayerNorm(32)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(32, 128))
        self.mlp.add_module("c_proj", nn.Linear(128, 32))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(self.ln_2(self.attn(self.ln_1(x))))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(ResBlock(), ResBlock())

    def forward(self, x: Tensor) -> Tensor:
        return self.resblocks(x)


class Visual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 8, 8, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(32))
        self.positional_embedding = nn.Parameter(torch.randn(65, 32))
        self.proj = nn.Parameter(torch.randn(32, 8))
        self.ln_pre, self.ln_post, self.transformer = nn.LayerNorm(32), nn.LayerNorm(32), Transformer()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x).flatten(2).transpose(1, 2) + self.positional_embedding[1:] + self.class_embedding
        return self.ln_post(self.transformer(self.ln_pre(y))) @ self.proj


class TwoTowers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.visual, self.logit_scale = Visual(), nn.Parameter(torch.ones(()))
        # Views of one storage, a transposed one and a tensor without values.
        whole = torch.arange(24.0)
        self.register_buffer("part", whole[4:10].view(2, 3))
        self.register_buffer("turned", whole.view(4, 6).t())
        self.register_buffer("empty", torch.empty(0, 3))
        self.sizes = [1, 2]

    def forward(self, x: Tensor) -> Tensor:
        return self.visual(x) * self.logit_scale


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return TwoTowers().half()


@pytest.fixture(scope="module")
def archive(model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "ViT-tiny.pt"
    torch.jit.save(torch.jit.script(model), path)
    return path


def test_tensors_equal_those_of_the_module(archive: Path, model: nn.Module) -> None:
    got, want = read_tensors(archive), model.state_dict()
    assert got.keys() == want.keys()
    for name, value in want.items():
        assert got[name].dtype == value.dtype
        assert torch.equal(got[name], value), name


def test_clip_loads_from_the_archive_as_from_a_state_dict(archive: Path, model: nn.Module, tmp_path: Path) -> None:
    vit = Clip(**SIZES, weights=archive)
    torch.save(model.state_dict(), tmp_path / "clip.pth")
    assert vit.base_sha256() == Clip(**SIZES, weights=tmp_path / "clip.pth").base_sha256()
    block, attention = vit.blocks[1], model.visual.transformer.resblocks[1].attn
    assert torch.equal(block.attn_v.weight, attention.in_proj_weight[64:].float())
    assert torch.equal(vit.patch_embed.bias, torch.zeros(32))


def test_files_of_torch_save_are_not_archives(archive: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pth")
    (tmp_path / "text").write_text("no zip")
    assert is_archive(archive)
    assert not is_archive(tmp_path / "a.pth")
    assert not is_archive(tmp_path / "text")


def changed(archive: Path, out: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Copy an archive with other content in some of its members; None leaves one out."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            if (content := change(name, source.read(name))) is not None:
                target.writestr(name, content)
    return out


class Evil:
    """Would create a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


class EvilExec:
    """Would run a text as code."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('executed')",))


def test_archive_with_code_in_its_pickle_is_refused_and_not_run(archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "executed"
    for content in (Evil(target), EvilExec(), nn.Linear(1, 1)):
        data = pickle.dumps({"visual": content}, protocol=2)
        path = changed(archive, tmp_path / "evil.pt", lambda n, c, data=data: data if n.endswith("/data.pkl") else c)
        assert is_archive(path)
        with pytest.raises(WeightsError, match="contains Python objects.*nothing in it was run"):
            Clip(**SIZES, weights=path)
        assert not target.exists()
    # Read carelessly, the first does run: the test above means something.
    pickle.loads(pickle.dumps({"visual": Evil(target)}, protocol=2))
    assert target.exists()


def test_scripted_code_is_not_even_read(archive: Path, tmp_path: Path) -> None:
    path = changed(archive, tmp_path / "c.pt", lambda name, c: b"this is no code" if "/code/" in name else c)
    assert read_tensors(path).keys() == read_tensors(archive).keys()
    with pytest.raises(RuntimeError):
        torch.jit.load(path)


def test_a_module_within_itself_ends(archive: Path, tmp_path: Path) -> None:
    # Protocol 2: an object, kept as number 0; its state is a dict that holds it.
    data = b"\x80\x02c__torch__\nM\n)\x81q\x00}U\x01ah\x00sb."
    path = changed(archive, tmp_path / "loop.pt", lambda name, c: data if name.endswith("/data.pkl") else c)
    with pytest.raises(WeightsError, match="recursion"):
        read_tensors(path)


@pytest.mark.parametrize("fault", ["storage missing", "storage short", "cut"])
def test_damaged_archives_are_refused(archive: Path, tmp_path: Path, fault: str) -> None:
    def change(name: str, content: bytes) -> bytes | None:
        if "/data/" not in name or fault == "cut":
            return content
        return None if fault == "storage missing" else content[:2]

    path = changed(archive, tmp_path / "damaged.pt", change)
    if fault == "cut":
        # In the middle of the pickle, with the directory of the zip file kept readable.
        path = changed(archive, path, lambda name, c: c[: len(c) // 2] if name.endswith("/data.pkl") else c)
    with pytest.raises(WeightsError, match="cannot be read as a TorchScript archive.*Download or copy it again"):
        Clip(**SIZES, weights=path)
