from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rs_adapt.config import paths
from rs_adapt.errors import ConfigError, UnknownName
from rs_adapt.files import write_json
from rs_adapt.runs.locking import try_to_lock_run
from rs_adapt.sweeps.cells import Expansion, expand
from rs_adapt.sweeps.launch import read_states
from rs_adapt.sweeps.spec import read_spec
from tests.sweeps.conftest import RESULT

# Cells of every file in configs/sweep.
SHIPPED = {
    "adaptation": 130,
    "adaptation_test": 468,
    "b2n_synthetic": 21,
    "compose_synthetic": 12,
    "flow_sr": 19,
    "heads_dubai": 27,
    "heads_synthetic": 27,
    "lora_forms": 60,
    "methods_2026": 48,
    "methods_2026_dubai": 48,
    "methods_synthetic": 138,
    "objectives_2026": 27,
    "objectives_2026_dubai": 30,
    "ov_synthetic": 9,
    "paper_da": 192,
    "paper_dg": 192,
    "peft_kinds": 81,
    "strategies_dubai": 39,
    "strategies_synthetic": 39,
    "synthetic_all": 24,
    "text_head": 12,
    "text_head_dubai": 12,
}
SCRIPT = """
import json, sys
from pathlib import Path
from rs_adapt.sweeps.cells import expand
from rs_adapt.sweeps.spec import read_spec
sweeps = {}
for file in sys.argv[1:]:
    spec = read_spec(Path(file))
    expansion = expand(spec, folder=Path("runs").resolve())
    names = [cell.name for cell in expansion.cells]
    digests = [cell.digest for cell in expansion.cells]
    sweeps[spec.name] = {"cells": names, "skipped": len(expansion.skipped), "digests": digests}
print(json.dumps({"sweeps": sweeps, "modules": sorted(sys.modules)}))
"""


def expanded(tmp_path: Path, *lines: str) -> Expansion:
    file = tmp_path / "mine.toml"
    file.write_text("\n".join(['name = "mine"', *lines]))
    return expand(read_spec(file), folder=tmp_path / "runs")


def test_every_shipped_sweep_is_counted() -> None:
    assert sorted(file.stem for file in (paths.configs_dir() / "sweep").glob("*.toml")) == sorted(SHIPPED)


def test_the_page_lists_every_shipped_sweep_with_its_count() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "guides" / "sweeps.md"
    listed = re.findall(r"^\| `(\w+)` \| (\d+) \| ", page.read_text(), flags=re.MULTILINE)
    assert {name: int(count) for name, count in listed} == SHIPPED


# Those of more than fifty cells take seconds each.
@pytest.mark.parametrize("most", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_shipped_sweeps_compose_all_their_cells_without_torch(most: int) -> None:
    least = 50 if most > 50 else 0
    counts = {name: cells for name, cells in SHIPPED.items() if least < cells <= most}
    files = [str(paths.configs_dir() / "sweep" / f"{name}.toml") for name in counts]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *files], capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout)
    assert {name: len(sweep["cells"]) for name, sweep in facts["sweeps"].items()} == counts
    for name, sweep in facts["sweeps"].items():
        assert len(set(sweep["cells"])) == len(set(sweep["digests"])) == counts[name], name
        assert sweep["skipped"] == 0, name
    assert not {"torch", "mmcv", "mmseg", "transformers"} & set(facts["modules"])


def test_axes_are_crossed_seed_by_seed(tmp_path: Path) -> None:
    cells = expanded(
        tmp_path, 'bench = ["loveda-da", "loveda-dg"]', 'method = ["lora", "earth-adapter"]', "seed = [1, 0]"
    ).cells
    assert [cell.cell.seed for cell in cells] == [0] * 4 + [1] * 4
    assert {(cell.cell.setting, cell.cell.method, cell.cell.strategy) for cell in cells} == {
        (setting, method, strategy)
        for setting, strategy in (("da", "dacs"), ("dg", "source_only"))
        for method in ("lora", "earth_adapter")
    }
    assert cells[0].folder == tmp_path / "runs" / cells[0].name


def test_directions_go_to_the_benches_that_have_them(tmp_path: Path) -> None:
    cells = expanded(
        tmp_path, 'bench = ["loveda-da", "isprs-da", "synthetic-da"]', 'direction = ["r2u", "u2r", "v2p"]'
    ).cells
    assert [cell.cell.bench for cell in cells] == ["loveda_r2u", "loveda_u2r", "isprs_v2p", "synthetic"]


def test_skip_rules_match_all_their_keys_and_have_a_reason(tmp_path: Path) -> None:
    expansion = expanded(
        tmp_path,
        'bench = ["loveda-da", "loveda-u2r-da"]',
        'method = ["lora", "full"]',
        "seed = [0, 1]",
        '[[skip]]\nbench = "loveda-u2r"\nmethod = ["full", "rein"]\nseed = 1\nreason = "too long"',
        '[[skip]]\nstrategy = "mic"\nreason = "never there"',
    )
    assert [(one.what, one.reason) for one in expansion.skipped] == [
        ("loveda-u2r-da / full / dinov2-l / mask2former / dacs / seed 1", "too long")
    ]
    assert len(expansion.cells) == 7
    assert expansion.remarks == ("skip 2 skips nothing: it matches no cell.",)


def test_cells_that_cannot_work_are_reported_with_the_reason(tmp_path: Path) -> None:
    expansion = expanded(
        tmp_path, 'bench = ["synthetic-da", "synthetic-dg"]', 'method = ["rein", "lora"]', 'strategy = "dacs"'
    )
    assert [str(cell.cell.method) for cell in expansion.cells] == ["lora"]
    told = {one.what: one.reason for one in expansion.skipped}
    assert "this head has none" in told["synthetic-da / rein / dinov2-nano / linear / dacs / seed 0"]
    assert "Strategy dacs works in da only" in told["synthetic-dg / lora / dacs / seed 0"]
    assert len(told) == 3


def test_a_sweep_without_any_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="all 1 cells are skipped. The first reason: .*this head has none"):
        expanded(tmp_path, 'bench = "synthetic-da"', 'method = "rein"')


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['bench = "lovdea-da"'], "mine.toml: bench: There is no bench 'lovdea-da'. Did you mean loveda-da"),
        (['bench = "loveda"'], "mine.toml: bench: Bench 'loveda' names no setting"),
        (['bench = "loveda-da"', 'method = "loar"'], "mine.toml: method: There is no method 'loar'. Did you mean lora"),
        (['bench = "loveda-da"', 'direction = "r2v"'], "mine.toml: direction: There is no direction 'r2v'"),
        (['bench = "loveda"', 'setting = "uda"'], "mine.toml: setting: There is no setting 'uda'"),
        (['bench = "loveda-da"', '[[skip]]\nmethod="x"\nreason=""'], "mine.toml: skip 1.method: There is no method"),
        (['bench = "loveda-da"', '[[include]]\nhead="x"'], "mine.toml: include 1.head: There is no head"),
        (['bench = "loveda-da"', 'set = ["optim.rl=1"]'], "mine.toml: loveda-r2u-da .*: .*optim.rl"),
        (['bench = ["loveda-da", "loveda-r2u-da"]'], "loveda-r2u-da .* appears twice"),
        (['bench = "loveda-da"', "[[include]]\niters=5"], "appears twice, the second time in include 1"),
    ],
)
def test_wrong_names_are_reported_with_file_and_key(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        expanded(tmp_path, *lines)


def test_an_unknown_name_is_one_for_callers_too(tmp_path: Path) -> None:
    with pytest.raises(UnknownName):
        expanded(tmp_path, 'bench = "loveda-da"', 'backbone = "dino"')


def test_a_named_group_has_a_folder_and_a_line_of_its_own(tmp_path: Path) -> None:
    plain, quick = expanded(
        tmp_path, 'bench = "loveda-da"', '[[include]]\nname = "quick"\niters = 5\nuntuned = true'
    ).cells
    assert quick.folder.name == "seed0-quick"
    assert str(quick) == f"{plain} / untuned / quick"
    assert (plain.iters, quick.iters) == (20000, 5)
    assert plain.digest != quick.digest


def test_arguments_describe_the_whole_cell(tmp_path: Path) -> None:
    cell = expanded(
        tmp_path,
        'bench = "isprs-dg"',
        'direction = "v2p"',
        'method = "rein"',
        "untuned = true",
        'protocol = "paper"',
        'weights = "random"',
        'precision = "bf16"',
        "seed = 4",
    ).cells[0]
    assert " ".join(cell.arguments) == (
        "--bench isprs_v2p_dg --method rein --backbone dinov2_l --head mask2former --strategy source_only --protocol "
        f"paper --seed 4 --untuned --weights random --set runtime.precision=bf16 --work-dir {cell.folder}"
    )


def test_own_benches_are_named_by_their_file_and_setting(tmp_path: Path) -> None:
    for folder in ("source/images", "source/labels", "target"):
        (tmp_path / folder).mkdir(parents=True)
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "mine"\ntitle = "Mine"\ntile_px = 32\ncrop_px = 32\n'
        '[[class]]\nname = "land"\ncolour = "#C8C8C8"\n[[class]]\nname = "water"\ncolour = "#285ADC"\n'
        '[source]\nimages = "source/images"\n[source.labels]\npath = "source/labels"\n'
        '[source.labels.classes]\nland = [1]\nwater = [2]\n[target]\nimages = "target"\n'
    )
    first, second = expanded(tmp_path, f'bench = "{own}"', 'setting = ["da", "dg"]').cells
    assert first.arguments[:4] == ("--bench", str(own), "--setting", "da")
    assert first.name.startswith("mine/da/")
    assert first.digest != second.digest


def test_no_cell_lies_inside_the_folder_of_another(tmp_path: Path) -> None:
    include = '[[include]]\nmethod = "lora"\nset = ["optim.lr=2e-3"]\nname = "ok"'
    plain, named = expanded(tmp_path, 'bench = "synthetic-dg"', 'method = "lora"', include).cells
    assert named.folder == plain.folder.with_name("seed0-ok")
    assert named.name == f"{plain.name}-ok"


def test_a_run_inside_the_folder_of_another_is_moved_beside_it(tmp_path: Path) -> None:
    include = '[[include]]\nmethod = "lora"\nset = ["optim.lr=2e-3"]\nname = "ok"'
    plain, named = expanded(tmp_path, 'bench = "synthetic-dg"', 'method = "lora"', include).cells
    older = plain.folder / "ok"
    older.mkdir(parents=True)
    write_json(older / "sweep_cell.json", {"digest": named.digest, "status": "done"})
    (older / "result.json").write_text(RESULT)
    # Found where it is by those who only look.
    assert read_states([named])[named.name].status == "done"
    with try_to_lock_run(older):
        assert read_states([named])[named.name].status == "running"
        named.move_to_folder()
        assert older.is_dir()
    named.move_to_folder()
    assert not older.exists()
    assert read_states([named])[named.name].status == "done"
    # A run at the new place counts, whatever there is at the old one.
    older.mkdir()
    write_json(older / "sweep_cell.json", {"digest": "different"})
    named.move_to_folder()
    assert named.present_folder == named.folder
    assert older.is_dir()


def test_cells_that_start_from_a_trained_model_are_left_out(tmp_path: Path) -> None:
    expansion = expanded(tmp_path, 'bench = "synthetic-da"', 'strategy = ["dacs", "source-free"]')
    assert [cell.cell.strategy for cell in expansion.cells] == ["dacs"]
    (skipped,) = expansion.skipped
    assert "starts from a trained model, which the file of a sweep cannot name" in skipped.reason


def test_options_that_a_library_knows_make_cells_of_their_own(tmp_path: Path) -> None:
    lines = ['bench = "synthetic-dg"', 'method = "peft:lora"', 'set = ["method.options.r=4"]']
    lines += ["[[include]]", 'name = "pissa"', 'set = ["method.options.init_lora_weights=pissa"]']
    plain, pissa = expanded(tmp_path, *lines).cells
    assert pissa.overrides == ("method.options.r=4", "method.options.init_lora_weights=pissa")
    assert plain.digest != pissa.digest
    with pytest.raises(ConfigError, match=r"method\.option\.r: there is no such key"):
        expanded(tmp_path, *lines[:2], 'set = ["method.option.r=4"]')


@pytest.mark.parametrize(
    ("method", "key", "value", "message"),
    [
        (
            "peft:lora",
            "method.options",
            "init_lora_weight=pissa",
            "no option init_lora_weight .*Did you mean init_lora",
        ),
        ("peft:lora", "model.backbone.adapter.options", "init_lora_weights=pisa", "Peft allows .*'pissa'"),
        ("peft:vblora", "method.options", "topk=300", "topk is 300, and num_vectors only"),
        (
            "gate:peft:lora+adaptformer",
            "model.backbone.adapter.host.adapters.peft:lora.options",
            "rr=4",
            "peft:lora has no option rr",
        ),
    ],
)
def test_options_that_a_library_does_not_take_are_refused_with_their_sweep(
    method: str, key: str, value: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)mine\.toml: synthetic-dg / {re.escape(method)} .*{message}"):
        expanded(tmp_path, 'bench = "synthetic-dg"', f'method = "{method}"', f'set = ["{key}.{value}"]')
    # The width decides on a value of the file itself, which is no option of the sweep.
    assert expanded(
        tmp_path, 'bench = "synthetic-dg"', 'method = "peft:fourierft"', 'set = ["method.options.n_frequency=9"]'
    ).cells


def test_a_sweep_states_its_batch_as_a_number(tmp_path: Path) -> None:
    axes = ('bench = ["synthetic-da"]', 'method = "lora"')
    with pytest.raises(ConfigError, match=r"expected a whole number.*same cell on every machine.*plan --memory"):
        expanded(tmp_path, *axes, 'set = ["bench.schedule.batch_size.da=auto"]')
    with pytest.raises(ConfigError, match="there is no key batch_size"):
        expanded(tmp_path, *axes, 'batch_size = "auto"')
    assert expanded(tmp_path, *axes, 'set = ["bench.schedule.batch_size.da=1"]').cells
