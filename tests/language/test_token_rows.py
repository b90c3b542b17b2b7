"""Text towers with rows for a part of the vocabulary: read, filled up, and honest about words that they lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from clip_files import save_clip, tiny_clip
from safetensors.torch import load_file, save_file

from rs_adapt.errors import WeightsError
from rs_adapt.language import ClipTokenizer, TextTower
from rs_adapt.language.clip_files import TOKENS, read_clip
from rs_adapt.language.prompts import describe_unknown
from rs_adapt.language.token_rows import TOKEN_IDS, compact_ids, spread_rows, unknown_words
from rs_adapt.language.tokenizer import VOCABULARY

if TYPE_CHECKING:
    from pathlib import Path

ROWS = "text_model.embeddings.token_embedding.weight"
TEXTS = ["an aerial image of water.", "houses"]


def known_ids(texts: list[str]) -> torch.Tensor:
    ids_R = torch.unique(ClipTokenizer()(texts).ids_TN)
    return ids_R[ids_R > 0]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a whole CLIP in transformers' layout, and the same with the rows of `TEXTS` alone."""
    folder = save_clip(tmp_path_factory.mktemp("clip") / "whole", tiny_clip(), "transformers")
    tensors = load_file(folder / "model.safetensors")
    known = known_ids(TEXTS)
    tensors[ROWS] = torch.cat([torch.full_like(tensors[ROWS][:1], 0.25), tensors[ROWS][known]])
    small = folder.parent / "small.safetensors"
    save_file(tensors | {TOKEN_IDS: known.int()}, small)
    return folder, small


def test_texts_of_known_words_have_the_vectors_of_the_whole_file(files: tuple[Path, Path]) -> None:
    whole, small = (TextTower.from_file(file) for file in files)
    assert small.num_tokens == whole.num_tokens == VOCABULARY
    ids_TN = ClipTokenizer()(TEXTS).ids_TN
    torch.testing.assert_close(small(ids_TN), whole(ids_TN))
    # Words without a row all are the same "some word".
    glacier, volcano = small(ClipTokenizer()(["glacier", "volcano"]).ids_TN)
    torch.testing.assert_close(glacier, volcano)
    content = read_clip(files[1])
    assert content.known_ids is not None
    assert content.text[TOKENS][0, 0] == 0.25
    assert read_clip(files[0]).known_ids is None


def test_unknown_words_are_reported_once_and_by_class(files: tuple[Path, Path]) -> None:
    known = known_ids(TEXTS)
    assert unknown_words(known, "Houses near water, near a Glacier.") == ("near", "a", "glacier")
    assert unknown_words(known, "water_houses") == ()
    assert unknown_words(known, " ... ") == ()
    content = read_clip(files[1])
    (told,) = describe_unknown(content, ["water", "houses|igloo"], ["an aerial image of {}."])
    assert told.startswith("small.safetensors was trained without 'igloo' (in class 'houses|igloo')")
    (told,) = describe_unknown(content, ["water"], ["an aerial picture of {}."])
    assert "'picture' (in the templates)" in told
    assert describe_unknown(read_clip(files[0]), ["igloo"], ["{}"]) == ()


def test_compact_ids_point_at_the_rows() -> None:
    known = torch.tensor([3, 7, VOCABULARY - 1])
    ids_TN = torch.tensor([[3, 5, 7, VOCABULARY - 1, 0]])
    assert compact_ids(ids_TN, known).tolist() == [[1, 0, 2, 3, 0]]
    rows_RW = torch.arange(8.0).reshape(4, 2)
    full_VW = spread_rows(rows_RW, known)
    assert full_VW.shape == (VOCABULARY, 2)
    assert torch.equal(full_VW[ids_TN[0]], rows_RW[compact_ids(ids_TN, known)[0]])


@pytest.mark.parametrize(
    "ids",
    [
        torch.tensor([3, 7]),
        torch.tensor([7, 3, VOCABULARY - 1]),
        torch.tensor([3, 7, VOCABULARY - 2]),
        torch.tensor([-1, 7, VOCABULARY - 1]),
        torch.tensor([3.0, 7.0, VOCABULARY - 1.0]),
    ],
)
def test_damaged_lists_of_entries_are_refused(ids: torch.Tensor) -> None:
    with pytest.raises(WeightsError, match=r"must list the entries of the vocabulary .* Get the file again"):
        spread_rows(torch.zeros(4, 2), ids)
