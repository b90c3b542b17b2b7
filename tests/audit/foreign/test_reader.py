"""Configurations of other programs are computed from their syntax tree, with bases and places; nothing runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.audit.foreign.reader import parse_foreign, read_foreign
from rs_adapt.errors import ConfigError


def values_of(text: str) -> Any:
    return parse_foreign(text, path=Path("c.py")).root.plain()


def write(folder: Path, **files: str) -> Path:
    """Write files `a__b` as `a/b.py`, and return the path of the last one."""
    path = folder
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("dict({'a': 1}, b=[2, (3,)])", {"a": 1, "b": [2, [3]]}),
        ("{**dict(a=1), 'b': 2}", {"a": 1, "b": 2}),
        ("dict(**dict(a=1), b=2)", {"a": 1, "b": 2}),
        ("[1.0] * 3 + [0.1]", [1.0, 1.0, 1.0, 0.1]),
        ("[*range(2), 5]", [0, 1, 5]),
        ("'data/' + 'x' + f'_{3:02d}_{0.5:.1f}'", "data/x_03_0.5"),
        ("[int(512 * r) for r in [0.5, 1.0] if r < 1]", [256]),
        ("[[dict(type='Flip', prob=p) for p in (0, 1)]]", [[{"type": "Flip", "prob": 0}, {"type": "Flip", "prob": 1}]]),
        (
            "{f'block.{i}.{k}': dict(lr=i) for i, k in enumerate(['a', 'b'])}",
            {"block.0.a": {"lr": 0}, "block.1.b": {"lr": 1}},
        ),
        ("{k: v + 1 for k, v in dict(a=1, b=2).items() if k != 'b'}", {"a": 2}),
        ("[k for k in dict(a=1)] + list(dict(a=1).keys()) + list(dict(a=1).values())", ["a", "a", 1]),
        ("tuple(a * b for a, b in zip([1, 2], [3, 4, 5]))", [3, 8]),
        ("[n for n, _ in enumerate(['x'], 7)]", [7]),
        ("'{}/{}_{}'.format('a', 1, 0.5) + '/{x}{0}'.format(2, x='b')", "a/1_0.5/b2"),
        ("[1] is None or None is None", True),
        ("-2 ** 3 // 2", -4),
        ("'a' if 3 > 2 and not False else 'b'", "a"),
        ("len(('x', 'y')) - 1", 1),
        ("min(3, 2) + max(1, 5)", 7),
        ("(1, 2, 3)[-1] + [4, 5][0:1][0]", 7),
        ("dict(a=dict(b=7)).a['b']", 7),
        ("dict(a=1).get('b', 2)", 2),
        ("'_'.join(['a', 'b'])", "a_b"),
        ("list((1, 2))", [1, 2]),
        ("float('inf') > 1", True),
        ("'b' in dict(b=1)", True),
        ("PosixPath('a/b')", "a/b"),
        ("{{fileBasenameNoExtension}}", "c"),
        ("'{{ fileBasename }}/{{$HOME:data}}'", "c.py/data"),
    ],
)
def test_an_expression_has_pythons_value(expression: str, value: object) -> None:
    assert values_of(f"a = {expression}\n") == {"a": value}


def test_statements_change_values_as_in_python() -> None:
    text = """'''A docstring.'''
import os.path as osp
from copy import deepcopy
from mmseg.datasets import LoveDADataset
steps = [dict(type='Load')]
steps += [dict(type='Crop')]
steps.append(dict(type='Flip'))
steps.insert(0, dict(type='Read'))
first, second = 1, 2
kept: dict = deepcopy(dict(steps=steps))
steps.pop(-1)
data = dict(type=LoveDADataset, path=osp.join('a', 'b'), steps=steps, inner=dict(x=1))
data.update(n=1)
data['inner']['x'] += 4
data.inner.y = second
del data.n
extra = data.setdefault('extra', 5)
gone = 1
del gone
"""
    steps = [{"type": "Read"}, {"type": "Load"}, {"type": "Crop"}]
    assert values_of(text) == {
        "steps": steps,
        "first": 1,
        "second": 2,
        "kept": {"steps": [*steps, {"type": "Flip"}]},
        "data": {
            "type": "mmseg.datasets.LoveDADataset",
            "path": "a/b",
            "steps": steps,
            "inner": {"x": 5, "y": 2},
            "extra": 5,
        },
        "extra": 5,
    }


def test_bases_are_merged_as_mmengine_does(tmp_path: Path) -> None:
    child = """_base_ = ['./bases/model.py', './bases/data.py']
crop = {{_base_.size}}
name = 'run_{{_base_.size}}'
half = _base_.size // 2
model = dict(head=dict(num=7), neck=dict(_delete_=True, type='B'))
train_dataloader = dict(dataset={{_base_.source}})
_base_.source.pipeline = []
"""
    path = write(
        tmp_path,
        bases__model="model = dict(type='M', head=dict(type='H', num=19), neck=dict(type='A', depth=2))\n",
        bases__data="size = 512\nsource = dict(type='S', root='data')\n",
        child=child,
    )
    config = read_foreign(path)
    values = config.root.plain()
    assert (values["crop"], values["half"], values["name"], values["size"]) == (512, 256, "run_512", 512)
    assert values["model"] == {"type": "M", "head": {"type": "H", "num": 7}, "neck": {"type": "B"}}
    # A base is changed in place, as mmengine lets a file do.
    assert values["train_dataloader"]["dataset"] == {"type": "S", "root": "data", "pipeline": []}
    assert [Path(base).name for base in config.bases] == ["model.py", "data.py"]
    num, kind = config.root.at("model", "head", "num"), config.root.at("model", "head", "type")
    assert num is not None
    assert kind is not None
    assert (num.site.file, num.site.line) == (str(path), 5)
    assert (Path(kind.site.file).name, kind.site.line) == ("model.py", 1)


def test_equal_bases_are_refused_as_by_mmengine(tmp_path: Path) -> None:
    path = write(tmp_path, a="x = 1\n", b="x = 2\n", c="_base_ = ['a.py', 'b.py']\n")
    with pytest.raises(ConfigError, match=r"c\.py, line 1: .* two of the bases set x, which mmengine refuses"):
        read_foreign(path)


def test_new_style_bases_are_imported(tmp_path: Path) -> None:
    child = """from mmengine.config import read_base
from mmseg.models import EncoderDecoder
with read_base():
    from .._base_.model import *
    from .._base_.data import source as ours
    from pkg._base_.more import size
model.update(dict(type=EncoderDecoder, head=dict(num=7)))
model.merge(dict(neck=dict(depth=3)))
train_dataloader = dict(dataset=ours)
"""
    path = write(
        tmp_path,
        **{
            "pkg/_base_/model": "model = dict(type='M', head=dict(type='H'), neck=dict(type='A', depth=2))\n_no = 1\n",
            "pkg/_base_/data": "source = dict(type='S')\nother = 1\n",
            "pkg/_base_/more": "size = 512\n",
            "pkg/uda/child": child,
        },
    )
    values = read_foreign(path).root.plain()
    # `update` replaces what lies within, `merge` goes into it.
    assert values["model"] == {
        "type": "mmseg.models.EncoderDecoder",
        "head": {"num": 7},
        "neck": {"type": "A", "depth": 3},
    }
    assert values["train_dataloader"] == {"dataset": {"type": "S"}}
    assert values["size"] == 512
    assert "other" not in values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = (\n", r"line 1: this is cut off or not Python"),
        ("good = 1\na = open('x')\n", r"line 2: `a = open\('x'\)`: open\(\.\.\.\) is not computed, only dict"),
        ("import os\na = os.system('touch hacked')\n", r"line 2: .*os\.system\(\.\.\.\) is not computed"),
        ("a = __import__('os')\n", r"__import__\(\.\.\.\) is not computed"),
        ("a = (lambda: 1)()\n", "this expression is not computed"),
        ("a = ().__class__\n", "there is no key '__class__'"),
        ("a = 'x'.format_map({})\n", "the method format_map is not computed here"),
        ("a = f'{1:999999999}'\n", "only plain values are put into an f-string"),
        ("def f(): pass\n", "line 1: `def f.*`: this statement is not read"),
        ("for i in range(3): a = i\n", "this statement is not read"),
        ("if True: a = 1\n", "this statement is not read"),
        ("with open('x') as f: pass\n", "this statement is not read"),
        ("a = b\n", "b is not set in this file or in its bases"),
        ("a = 'x' * 10 ** 9\n", "makes a value of 1000000000 parts"),
        ("a = 9 ** 9 ** 9\n", "the power is too large"),
        ("a = 10 ** 60\n", "the number is too large"),
        ("a = 1 / 0\n", "it cannot be computed .division by zero"),
        ("a = [1]\na.append(a)\n", "nests deeper than 64 levels"),
        ("a = 1\n" + "a = [a]\n" * 5000, "nests deeper than 64 levels"),
        ("a = " + "x" * 5000 + "\n", "^.{,1500}$"),
        ("import copy\na = {}\na['a'] = a\nb = copy.deepcopy(a)\n", "nests too deeply"),
        ("a = {}\na['a'] = a\nb = a.copy()\n", "nests deeper than 64 levels"),
        ("a = '{:99999999}'.format(1)\n", "only plain fields"),
        ("a = '{0.__class__}'.format(1)\n", "only plain fields"),
        ("a = {r: 1 for r in range(99999999)}\n", "makes more than"),
        ("a = enumerate(3)\n", "is not computed"),
        ("a = 1 + 'x'\n", "this arithmetic is not computed"),
        ("a, b = 1, 2, 3\n", "it is not an assignment to names"),
        ("a = {1.5: 2}\n", "neither a text nor a whole number"),
        ("a = b'x'\n", "this expression is not computed"),
        ("a = {{_base_.x}}\n", "_base_.x is in none of the bases"),
        ("_base_ = 3\n", "the bases are not names of files"),
        ("_base_ = ['none.py']\n", r"the base none.py is not here \(.*none.py does not exist\)"),
        ("_base_ = ['mmseg::_base_/x.py']\n", "the base mmseg::_base_/x.py is not here"),
        ("with read_base():\n    from .none import *\n", "line 2: .*the base .none is not here"),
        ("a = " + "[" * 5000, "not Python|nests too deeply"),
        ("a = [1] * 90000\n" * 9, "makes more than"),
        ("a = [1, 1]\n" + "a = [a, a]\n" * 40, "holds more than 100000 values"),
        ("a = [[r for r in range(99999999)] for s in range(9)]\n", "makes more than"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_one_sentence_and_never_runs(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "c.py"
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(ConfigError, match=said) as caught:
        read_foreign(path)
    assert time.process_time() - start < 20
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert [one.name for one in tmp_path.iterdir()] == ["c.py"]


def test_circles_missing_and_damaged_bases_are_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path, a="_base_ = 'b.py'\n", b="_base_ = ['c.py']\n", c="_base_ = 'a.py'\n")
    with pytest.raises(ConfigError, match=r"c\.py is a base of itself \(c\.py -> a\.py -> b\.py -> c\.py\)"):
        read_foreign(path)
    (tmp_path / "c.py").write_bytes(b"x = 1\n# \xff\n")
    with pytest.raises(ConfigError, match=r"c\.py is not text in UTF-8 \(byte 8\)"):
        read_foreign(tmp_path / "a.py")
    (tmp_path / "c.py").write_text("x = [\n")
    with pytest.raises(ConfigError, match=r"c\.py, line 1: this is cut off"):
        read_foreign(tmp_path / "a.py")
    (tmp_path / "j.py").write_text("_base_ = 'j.json'\n")
    (tmp_path / "j.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"the base j\.json is no file of Python"):
        read_foreign(tmp_path / "j.py")


def test_a_family_of_bases_that_doubles_is_refused(tmp_path: Path) -> None:
    for number in range(1, 12):
        below = f"k{number - 1}.py"
        (tmp_path / f"k{number}.py").write_text(f"_base_ = ['{below}', './{below}']\n")
    (tmp_path / "k0.py").write_text("")
    with pytest.raises(ConfigError, match="include more files than any configuration"):
        read_foreign(tmp_path / "k11.py")


def test_a_huge_file_and_a_folder_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "big.py"
    path.write_text("a = 1\n" * 800_000)
    with pytest.raises(ConfigError, match=r"big\.py holds 4800000 characters; at most 4194304 are read"):
        read_foreign(path)
    with pytest.raises(ConfigError, match=r"holds neither a run of rs-adapt nor a log"):
        read_foreign(write(tmp_path / "empty", a="").parent)


def test_the_last_configuration_of_a_log_is_read_with_its_lines(tmp_path: Path) -> None:
    stamp = "2025/01/01 12:00:00 - mmengine - INFO - "
    path = tmp_path / "20250101_120000.log"
    path.write_text(
        f"{stamp}Config:\nlr = 1\n\n{stamp}resumed\n{stamp}Config:\nmodel = dict(\n    lr=2)\n\n{stamp}end\n"
    )
    lr = read_foreign(path).root.at("model", "lr")
    assert lr is not None
    assert (lr.value, lr.site.line) == (2, 7)
    assert read_foreign(tmp_path).file == str(path)
    path.write_text(f"{stamp}Config:\nlr = open('x')\n\n")
    with pytest.raises(ConfigError, match=r"\.log, line 2: `lr = open"):
        read_foreign(path)
    path.write_text(f"{stamp}nothing\n")
    with pytest.raises(ConfigError, match="holds no configuration: no line of a training log that ends in `Config:`"):
        read_foreign(path)
