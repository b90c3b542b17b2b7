"""Run folders by hand; a page in headless Chromium: its console, what it asks of the network, and its width."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


@dataclass
class Looked:
    """What a look at a page found."""

    scroll_px: int
    answer: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    png: bytes = b""


class Browser:
    """Chromium over its debugging pipe; use as a context."""

    def __init__(self, profile: Path) -> None:
        assert PROGRAM is not None
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # Chromium reads its orders from 3 and answers on 4.
        script = f'exec 3<&{to_read} 4>&{to_write}; exec "$0" "$@"'
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        self._process = subprocess.Popen(
            ["bash", "-c", script, PROGRAM, *options, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        os.close(self._write)
        os.close(self._read)

    def look(
        self, page: Path, *, width_px: int, dark: bool = False, ask: str = "null", picture: bool = False
    ) -> Looked:
        """Open a page in a window of that width and answer a JavaScript expression."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable", session=session)
        size = {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", session=session, **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", session=session, features=[scheme])
        self.events.clear()
        self._call("Page.navigate", session=session, url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._receive()
        answer = self._value(session, f"JSON.stringify({ask})")
        scroll_px = int(self._value(session, "document.documentElement.scrollWidth"))
        found = Looked(scroll_px=scroll_px, answer=json.loads(answer))
        for event in self.events:
            parameters = event["params"]
            if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                found.errors.append(json.dumps(parameters))
            if event["method"] == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
                found.errors.append(json.dumps(parameters))
            if event["method"] == "Network.requestWillBeSent":
                found.requests.append(parameters["request"]["url"])
        if picture:
            shot = self._call("Page.captureScreenshot", session=session, captureBeyondViewport=True)
            found.png = base64.b64decode(shot["data"])
        self._call("Target.closeTarget", targetId=target)
        return found

    def _value(self, session: str, expression: str) -> Any:
        found = self._call("Runtime.evaluate", session=session, expression=expression, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def _call(self, method: str, *, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters}
        os.write(self._write, json.dumps(order | ({"sessionId": session} if session else {})).encode() + b"\0")
        while True:
            message = self._receive()
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._read, 2**16)
            assert chunk, "Chromium ended"
            self._rest += chunk
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a Chromium, or skip the test where none is installed."""
    if PROGRAM is None:
        pytest.skip("needs Chromium")
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
