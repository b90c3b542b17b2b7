"""Fixtures of all tests: no network, a cache folder of their own, and fixed seeds. Imports no torch by itself."""

from __future__ import annotations

import functools
import gc
import io
import itertools
import os
import random
import re
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    Originals = dict[str, tuple[Any, Any]]
    WriteOriginals = Callable[..., Originals]

# Read when torch is imported. The tensors here are tiny: more threads only wait for each other, and where tests run in
# several processes each has a core of its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_LOOPBACK = ("127.", "::1", "localhost")
_folder_numbers = itertools.count()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None]:
    """Spare garbage collection what is imported and collected: every full one took 0.4 s to visit it."""
    gc.disable()
    result = yield
    gc.freeze()
    gc.enable()
    return result


def _make_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """Make a new folder in constant time; `mktemp` lists all folders before it, milliseconds with thousands of them."""
    folder = factory.getbasetemp() / f"{name}_{next(_folder_numbers)}"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty folder of this test, named after it as pytest's own fixture does."""
    return _make_folder(tmp_path_factory, re.sub(r"\W", "_", request.node.name)[:30])


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make any connection that leaves this machine an error."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(_LOOPBACK):
            raise RuntimeError(f"a test tried to reach {address}: tests run without a network")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give each test an empty cache folder, and none of the caller's data or configs."""
    home = _make_folder(tmp_path_factory, "home")
    monkeypatch.setenv("RS_ADAPT_HOME", str(home))
    monkeypatch.delenv("RS_ADAPT_DATA", raising=False)
    monkeypatch.delenv("RS_ADAPT_CONFIGS", raising=False)
    return home


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """Refuse a test that leaves PyTorch with another number of threads: it would slow all tests after it."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None and os.environ["OMP_NUM_THREADS"] == "1":
        left = torch.get_num_threads()
        torch.set_num_threads(1)
        assert left == 1, f"PyTorch has {left} threads after this test, and had 1 before it"


@pytest.fixture(scope="session")
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one cache folder for the whole session, so that synthetic tiles are written once."""
    return tmp_path_factory.mktemp("session_home")


@pytest.fixture
def shared_home(own_home: Path, session_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use the session's cache folder in this test. Only for what is the same in every test, such as prepared tiles."""
    monkeypatch.setenv("RS_ADAPT_HOME", str(session_home))
    return session_home


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Start each test from the same random state, in the libraries that are loaded."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@functools.cache
def _loveda_tiles() -> dict[str, bytes]:
    """Return the files of `loveda_root`, which hundreds of tests write and encode only once."""
    import numpy as np
    from PIL import Image

    rng, files = np.random.default_rng(0), {}
    for (region, tint), (split, count) in itertools.product((("rural", 0), ("urban", 40)), (("train", 4), ("val", 2))):
        for number in range(count):
            # Blocks of 8 px with a class each, whose colour tells the class; value 0 is no data.
            label = np.kron(rng.integers(0, 8, (8, 8)), np.ones((8, 8))).astype(np.uint8)
            image = np.stack([label * 25 + tint, 200 - label * 20, np.full_like(label, 90)], axis=-1)
            pixels = (image + rng.integers(0, 20, image.shape)).clip(0, 255).astype(np.uint8)
            for kind, content in (("img_dir", pixels), ("ann_dir", label)):
                Image.fromarray(content).save(buffer := io.BytesIO(), "png")
                files[f"loveda/{region}/{split}/{kind}/{number}.png"] = buffer.getvalue()
    return files


@pytest.fixture
def loveda_root(tmp_path: Path) -> Path:
    """Write a data root with LoveDA's layout: 4 training and 2 validation tiles of 64 px a region, seeded."""
    for name, content in _loveda_tiles().items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "data"


@dataclass
class Answer:
    """How the next requests for one path are answered; `times` of them, then as if nothing was said."""

    status: int = 200
    times: int = 1_000_000
    # Send so many bytes of the body and close the connection.
    cut: int | None = None
    # State this length instead of the true one; None is the true one, -1 states none.
    length: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FileServer:
    """A server on this machine that misbehaves on request: files by path, how they are served, what was asked."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    no_ranges: set[str] = field(default_factory=set)
    # (path, Range header, If-Range header) of each request, in order.
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    # Called with the path before the body is sent, and before the connection is closed after it.
    before_body: Callable[[str], None] = lambda path: None
    after_body: Callable[[str], None] = lambda path: None

    def put(self, path: str, content: bytes, *answers: dict[str, Any], tag: str | None = '"v1"') -> str:
        """Serve a file and return its address; `answers` are fields of `Answer`."""
        self.files[path] = content
        self.answers[path] = [Answer(**answer) for answer in answers]
        if tag is not None:
            self.tags[path] = tag
        return f"{self.url}/{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_facts: FileServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        facts, path = self.server_facts, self.path.strip("/")
        facts.asked.append((path, self.headers.get("Range"), self.headers.get("If-Range")))
        answer = Answer()
        if facts.answers.get(path):
            answer = facts.answers[path][0]
            answer.times -= 1
            if answer.times == 0:
                facts.answers[path].pop(0)
        self.close_connection = True
        if answer.status != 200 or path not in facts.files:
            self._head(answer.status if answer.status != 200 else 404, {"Content-Length": "0", **answer.headers})
            return
        content, headers = facts.files[path], dict(answer.headers)
        if path in facts.tags:
            headers["ETag"] = facts.tags[path]
        status, start = 200, 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, facts.tags.get(path))
        if wanted and same and path not in facts.no_ranges:
            start = int(wanted[1])
            if start >= len(content):
                self._head(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if answer.length != -1:
            headers["Content-Length"] = str(len(body) if answer.length is None else answer.length)
        self._head(status, headers)
        facts.before_body(path)
        self.wfile.write(body if answer.cut is None else body[: answer.cut])
        self.wfile.flush()
        facts.after_body(path)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Connection": "close"} | headers).items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serve files on this machine for one test."""
    # A proxy of the caller's must not stand between a test and its own server.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = type("Handler", (_Handler,), {})
    web = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    facts = FileServer(url=f"http://127.0.0.1:{web.server_address[1]}")
    handler.server_facts = facts
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield facts
    web.shutdown()
    web.server_close()
    thread.join()


@pytest.fixture
def write_originals() -> WriteOriginals:
    """Return a function that writes originals of a data set under their true names, and gives their pixels.

    Called with (name, folder, scenes), it gives scene -> image (H, W, C) and label values (H, W). `size_px` is width
    and height. Labels are blocks of 8 px, painted in the legend's colours where the data set's are.
    """
    import numpy as np
    from PIL import Image

    from rs_adapt.datasets.originals import load_layout
    from rs_adapt.scenes import write_geotiff

    def write(name: str, folder: Path, scenes: Iterable[str], *, size_px: tuple[int, int] = (40, 24)) -> Originals:
        layout = load_layout(name)
        rng = np.random.default_rng(0)
        colours = np.zeros((256, 3), np.uint8)
        for one in layout.classes:
            colours[one.value] = one.colours[0] if one.colours else 0
        written = {}
        for scene in scenes:
            part = next((part for part in layout.parts if scene in (part.scenes or (scene,))), layout.parts[0])
            fields = {"scene": scene, "split": part.split, "region": part.region}
            if name == "loveda":
                fields = {"scene": scene, "split": part.split.title(), "region": str(part.region).title()}
            blocks = rng.choice([one.value for one in layout.classes], (size_px[1] // 8 + 1, size_px[0] // 8 + 1))
            label = np.kron(blocks, np.ones((8, 8)))[: size_px[1], : size_px[0]].astype(np.uint8)
            image = rng.integers(0, 256, (size_px[1], size_px[0], len(layout.bands)), dtype=np.uint8)
            painted = colours[label] if layout.colour_labels else label
            for pattern, pixels in ((layout.image_files[0], image), (layout.label_files[0], painted)):
                path = folder / pattern.replace("**/", "").format(**fields)
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.suffix == ".tif":
                    write_geotiff(path, pixels)
                else:
                    Image.fromarray(pixels).save(path)
            written[scene] = (image, label)
        return written

    return write


@pytest.fixture
def write_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return `run_folders.write_cell`, which takes a name below `tmp_path / "work"` here."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "runs"))
    write = import_module("run_folders").write_cell
    return lambda name, **options: write(tmp_path / "work" / name, **options)
