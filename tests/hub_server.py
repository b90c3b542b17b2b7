"""A server on this machine that answers the calls that `huggingface_hub` makes to push and to pull a model.

Accounts, repositories, branches and commits are in memory; nothing is checked beyond what the tests look at. Names and
forms of the answers are those of huggingface_hub 2.4.0 (`hf_api.py`, `_commit_api.py`, `lfs.py`, `file_download.py`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

# The token of an account that may write is `hf_NAME`.
TOKENS = {f"hf_{name}": (name, "write") for name in ("alice", "carol", "mallory")} | {"hf_reader": ("alice", "read")}
_LFS = ".safetensors"
_MODEL = r"/api/models/(?P<repo>[^/]+/[^/]+)"


@dataclass
class Repository:
    """A model repository: files by commit, and the latest commit of each branch."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        """Add a commit with these files to a branch and return it."""
        text = json.dumps(
            [branch, len(self.commits), sorted((n, hashlib.sha1(c).hexdigest()) for n, c in files.items())]
        )
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """Return the commit of a branch or a commit."""
        return revision if revision in self.commits else self.branches.get(revision)

    def files(self, branch: str = "main") -> dict[str, bytes]:
        """Return the files of a branch."""
        return self.commits[self.branches[branch]]


@dataclass
class Hub:
    """The state of the server, for tests to look at and to change.

    Attributes:
        url: Its address.
        repositories: By `OWNER/NAME`.
        blobs: Large files by SHA-256.
        calls: Method and path of each call.
        broken: Status with which paths that match a pattern are answered.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    broken: dict[str, int] = field(default_factory=dict)

    @property
    def blobs_url(self) -> str:
        """Address of large files, on a host that is not the Hub's."""
        return f"{self.url.replace('127.0.0.1', 'localhost')}/blobs"

    def add(self, name: str, files: dict[str, bytes], **facts: bool) -> Repository:
        """Add a repository with these files on its main branch."""
        self.repositories[name] = Repository(**facts)
        self.repositories[name].commit("main", files)
        return self.repositories[name]


class _Refusal(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def _handle(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.hub.calls.append(f"{self.command} {path}")
        self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            for pattern, status in self.hub.broken.items():
                if re.search(pattern, path):
                    raise _Refusal(status, "the server is broken")
            for method, pattern, answer in _ROUTES:
                if self.command in method.split() and (match := re.fullmatch(pattern, path)):
                    answer(self, **match.groupdict())
                    return
            raise _Refusal(404, f"no such call: {self.command} {path}")
        except _Refusal as refusal:
            headers = {"X-Error-Code": refusal.code} if refusal.code else {}
            self.send(
                {"error": str(refusal)}, status=refusal.status, headers={"X-Error-Message": str(refusal)} | headers
            )

    do_GET = do_HEAD = do_POST = do_PUT = _handle

    def send(self, content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(payload)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def account(self) -> tuple[str, str] | None:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in TOKENS:
            raise _Refusal(401, "Invalid credentials in Authorization header")
        return TOKENS.get(token)

    def read_access(self, repo: str) -> Repository:
        account, repository = self.account(), self.hub.repositories.get(repo)
        is_owner = account is not None and account[0] == repo.partition("/")[0]
        if repository is None or (repository.private and not is_owner):
            raise _Refusal(401 if account is None else 404, "Repository not found", "RepoNotFound")
        if repository.gated and not is_owner:
            raise _Refusal(401 if account is None else 403, "Access to this model is restricted", "GatedRepo")
        return repository

    def write_access(self, repo: str) -> Repository:
        repository, account = self.read_access(repo), self.account()
        if account != (repo.partition("/")[0], "write"):
            raise _Refusal(403, "you need write access to this repository")
        return repository

    def revision(self, repository: Repository, name: str) -> str:
        if (commit := repository.resolve(name)) is None:
            raise _Refusal(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return commit

    def whoami(self) -> None:
        account = self.account() or ("", "read")
        self.send({"type": "user", "name": account[0], "auth": {"accessToken": {"role": account[1]}}, "orgs": []})

    def create(self) -> None:
        content, account = json.loads(self.body), self.account()
        owner = content["organization"] or (account or ("",))[0]
        repo = f"{owner}/{content['name']}"
        if account != (owner, "write"):
            raise _Refusal(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
        if repo in self.hub.repositories:
            raise _Refusal(409, "You already created this model repo")
        self.hub.add(repo, {".gitattributes": b""}, private=content.get("visibility") == "private")
        self.send({"url": f"{self.hub.url}/{repo}", "name": repo})

    def info(self, repo: str, revision: str | None = None) -> None:
        repository = self.read_access(repo)
        commit = self.revision(repository, revision or "main")
        names = [{"rfilename": name} for name in sorted(repository.commits[commit])]
        facts = {"private": repository.private, "gated": "manual" if repository.gated else False}
        self.send({"id": repo, "modelId": repo, "sha": commit, "siblings": names, "tags": [], **facts})

    def branch(self, repo: str, branch: str) -> None:
        repository = self.write_access(repo)
        repository.branches[branch] = repository.branches["main"]
        self.send({})

    def preupload(self, repo: str, revision: str) -> None:
        repository = self.write_access(repo)
        self.revision(repository, revision)
        modes = [
            {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(_LFS) else "regular", "oid": None}
            for file in json.loads(self.body)["files"]
        ]
        self.send({"files": [mode | {"shouldIgnore": False} for mode in modes]})

    def batch(self, repo: str) -> None:
        self.write_access(repo)
        self.send(
            {
                "transfer": "basic",
                "objects": [
                    {**entry, "actions": {"upload": {"href": f"{self.hub.url}/blobs/{entry['oid']}"}}}
                    for entry in json.loads(self.body)["objects"]
                ],
            }
        )

    def store(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _Refusal(400, "these are not the bytes of that SHA-256")
        self.hub.blobs[oid] = self.body
        self.send({})

    def commit(self, repo: str, revision: str) -> None:
        repository = self.write_access(repo)
        before = self.revision(repository, revision)
        files = dict(repository.commits[before])
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header" and value.get("parentCommit", before) != before:
                raise _Refusal(412, "A commit has happened since. Please refresh and try again.")
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        commit = repository.commit(revision, files)
        self.send({"commitUrl": f"{self.hub.url}/{repo}/commit/{commit}", "commitOid": commit, "success": True})

    def resolve(self, repo: str, revision: str, name: str) -> None:
        repository = self.read_access(repo)
        commit = self.revision(repository, revision)
        content = repository.commits[commit].get(name)
        headers = {"X-Repo-Commit": commit}
        if content is None:
            raise _Refusal(404, "Entry not found", "EntryNotFound")
        if not name.endswith(_LFS):
            git_blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self.send(content, headers=headers | {"ETag": f'"{git_blob}"'})
            return
        # Large files lie on a different host, to which no token is sent.
        oid = hashlib.sha256(content).hexdigest()
        self.hub.blobs[oid] = content
        headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
        self.send(b"", status=302, headers=headers | {"Location": f"{self.hub.blobs_url}/{oid}"})

    def blob(self, oid: str) -> None:
        if "authorization" in self.headers:
            raise _Refusal(400, "the token was sent to a different host")
        self.send(self.hub.blobs[oid], headers={"ETag": f'"{oid}"'})


_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", r"/api/whoami-v2", _Handler.whoami),
    ("POST", r"/api/repos/create", _Handler.create),
    ("POST", r"/api/validate-yaml", lambda handler: handler.send({"errors": [], "warnings": []})),
    ("GET", rf"{_MODEL}(?:/revision/(?P<revision>.+))?", _Handler.info),
    ("POST", rf"{_MODEL}/branch/(?P<branch>.+)", _Handler.branch),
    ("POST", rf"{_MODEL}/preupload/(?P<revision>.+)", _Handler.preupload),
    ("POST", rf"{_MODEL}/commit/(?P<revision>.+)", _Handler.commit),
    ("POST", r"/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", r"/blobs/(?P<oid>[0-9a-f]+)", _Handler.store),
    ("GET HEAD", r"/blobs/(?P<oid>[0-9a-f]+)", _Handler.blob),
    ("GET HEAD", r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>.+)/(?P<name>[^/]+)", _Handler.resolve),
)


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Run the server during the block."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use_hub(hub_url: str, cache: Any, monkeypatch: pytest.MonkeyPatch, *, token: str | None = "hf_alice") -> None:
    """Point `huggingface_hub`, which reads its environment once, to a server, an empty cache and a token."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", hub_url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub_url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # Uploads of the tests are those of plain HTTP.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    # Between attempts.
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
