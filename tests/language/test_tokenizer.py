from __future__ import annotations

import gzip
import itertools
import random
import socket
import unicodedata
from pathlib import Path

import pytest
import regex
import torch

import rs_adapt.language
from rs_adapt.language import ClipTokenizer
from rs_adapt.language.tokenizer import CONTEXT, _byte_letters

MERGES = Path(rs_adapt.language.__file__).parent / "shipped" / "clip_merges.txt.gz"
START, END = 49406, 49407
NUM_TEXTS = 10_000
_WORDS = (
    "a an aerial photo of building road water barren forest farmland isn't they've I'll 've 's low_vegetation".split()
)
_ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,;:!?'\"-_()/&<>|",
    "äöüßéèñçøåłşğıİæœ ÄÖÜÉÑÇØ ĳ ﬁ ½ ² ①",
    "汉字漢字かなカナ한글 ไทย हिन्दी עברית عربي Кириллица Ελληνικά",
    "🛰🌍🌲🏠🚗👩‍🚀🇨🇳 ☃ ∑ ∞ → €",
    "\t\n\r\v\f\x00\x01\x07\x1b\x7f\u00a0\u200b\u200d\u2028\u3000 e\u0301 o\u0308 \ufeff",
)


class PlainEncoding:
    """The byte-pair encoding of the paper's code, written out; it shares nothing with the package but the merges."""

    pattern = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")

    def __init__(self) -> None:
        pairs = [tuple(line.split()) for line in gzip.decompress(MERGES.read_bytes()).decode().split("\n")[1:-1]]
        letters = _byte_letters()
        self.rank = {pair: number for number, pair in enumerate(pairs)}
        entries = [*letters, *(letter + "</w>" for letter in letters), *map("".join, pairs)]
        self.number = {entry: number for number, entry in enumerate(entries)}
        order = [*range(33, 127), *range(161, 173), *range(174, 256)]
        order += [byte for byte in range(256) if byte not in order]
        self.letter = dict(zip(order, letters, strict=True))
        self.words: dict[str, list[int]] = {}

    def word(self, word: str) -> list[int]:
        if word not in self.words:
            parts = [self.letter[byte] for byte in word.encode()]
            parts[-1] += "</w>"
            while len(parts) > 1:
                best = min(itertools.pairwise(parts), key=lambda pair: self.rank.get(pair, 10**9))
                if best not in self.rank:
                    break
                joined: list[str] = []
                for part in parts:
                    if joined and (joined[-1], part) == best:
                        # A mark, so that a joined pair is not joined to the next part in the same round.
                        joined[-1:] = ["".join(best), ""]
                    else:
                        joined.append(part)
                parts = [part for part in joined if part]
            self.words[word] = [self.number[part] for part in parts]
        return self.words[word]

    def __call__(self, text: str) -> list[int]:
        # Letter by letter, as transformers' tokenizer does: no rule for a sigma at the end of a word.
        lower = "".join(char.lower() for char in unicodedata.normalize("NFC", text))
        ids = [number for word in self.pattern.findall(lower) for number in self.word(word)]
        return [START, *ids[: CONTEXT - 2], END]


def texts() -> list[str]:
    draw = random.Random(0)
    made = ["", " ", "\n", "'", "''s", "\x00", "a" * 3000, "ab " * 500, "🛰" * 100]
    while len(made) < NUM_TEXTS:
        kind = draw.random()
        if kind < 0.4:
            made.append(draw.choice(("", " ", ", ")).join(draw.choices(_WORDS, k=draw.randint(0, 12))))
            continue
        alphabet = draw.choice(_ALPHABETS) if kind < 0.9 else "".join(_ALPHABETS)
        # A tenth is longer than the context.
        made.append(
            "".join(draw.choices(alphabet, k=draw.randint(80, 300) if draw.random() < 0.1 else draw.randint(0, 40)))
        )
    return made


@pytest.fixture(scope="module")
def tokenizer() -> ClipTokenizer:
    return ClipTokenizer()


def test_ten_thousand_texts_are_encoded_as_by_the_plain_encoding(
    tokenizer: ClipTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the tokenizer asked the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    plain, given = PlainEncoding(), texts()
    expected = torch.zeros(len(given), CONTEXT, dtype=torch.int64)
    for row, text in zip(expected, given, strict=True):
        ids = plain(text)
        row[: len(ids)] = torch.tensor(ids)
    ids_TN = ClipTokenizer()(given).ids_TN
    wrong = [text for text, right, got in zip(given, expected, ids_TN, strict=True) if not torch.equal(right, got)]
    assert not wrong, wrong[:5]


def test_a_text_with_the_numbers_that_clip_gives_it(tokenizer: ClipTokenizer) -> None:
    # From the readme of transformers' CLIP and many logs of it.
    ids = tokenizer(["a photo of a cat"]).ids_TN[0, :7]
    assert ids.tolist() == [START, 320, 1125, 539, 320, 2368, END]


def test_a_long_text_keeps_its_end_and_is_listed(tokenizer: ClipTokenizer) -> None:
    ids_TN, cut = tokenizer(["road", "road " * 75, "road " * 76, ""])
    assert cut == (2,)
    assert ids_TN.shape == (4, CONTEXT)
    assert ids_TN[1].tolist() == ids_TN[2].tolist() == [START, *[1759] * 75, END]
    assert ids_TN[3].tolist() == [START, END, *[0] * 75]


def test_no_texts_are_no_rows(tokenizer: ClipTokenizer) -> None:
    assert tokenizer([]).ids_TN.shape == (0, CONTEXT)


def test_the_end_is_the_last_entry_of_the_vocabulary(tokenizer: ClipTokenizer) -> None:
    assert tokenizer.num_tokens == END + 1


def test_the_licence_of_the_merges_lies_beside_them() -> None:
    notice = (MERGES.parent / "LICENSE-CLIP.txt").read_text()
    assert "Copyright (c) 2021 OpenAI" in notice
    assert "Permission is hereby granted, free of charge" in notice
