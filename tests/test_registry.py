"""Names that a registry finds, and what it imports for them."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_a_model_is_imported_when_its_name_is_looked_up_and_an_unknown_name_imports_all() -> None:
    code = (
        "import sys; import rs_adapt.engine; from rs_adapt.registry import MODELS\n"
        "from mmengine.registry import MODELS as ROOT\n"
        "assert ROOT.get('rs_adapt.LinearHead').__name__ == 'LinearHead'\n"
        "assert ROOT.get('rs_adapt.Dinov2').__name__ == 'Dinov2'\n"
        "assert not {'transformers', 'rs_adapt.heads.mask2former', 'rs_adapt.backbones.sam'} & set(sys.modules)\n"
        "try: MODELS.get('Unknown')\n"
        "except RuntimeError: pass\n"
        "assert {'Mask2FormerHead', 'Clip', 'Dinov3', 'Sam', 'SelfTraining'} <= set(MODELS.module_dict)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
