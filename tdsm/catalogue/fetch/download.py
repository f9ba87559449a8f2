"""Downloads that survive unreliable connections.

A file is received as ``NAME.part``, with the server's description in ``NAME.part.json``. When it is complete and verified it is renamed and recorded in
``fetched.json`` next to it (address, date, size, SHA-256); later runs check it against this record. An interrupted download resumes if the server still has
the same file: the request sends ``Range`` with ``If-Range``, and ``Content-Range``, total size and ``ETag`` of the answer must match the existing part
(RFC 9110, sections 13.1.5 and 14). Otherwise it starts over. Only http and https are used, also after redirects.
"""

import hashlib
import http.client
import re
import socket
import ssl
import time
import urllib.request
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from tdsm.catalogue.fetch.catalogue import RemoteFile, Source
from tdsm.util.errors import InputError
from tdsm.util.files import check_space, disk_faults, locked, read_object, write_json
from tdsm.util.progress import progress_bar

__all__ = ["Patience", "fetch_source"]

_CHUNK = 1 << 18


@dataclass(frozen=True)
class Patience:
    """Retries: ``attempts`` in total, pauses of ``wait`` seconds that double up to one minute, and a timeout after ``timeout`` seconds of silence."""

    attempts: int = 6
    wait: float = 1.0
    timeout: float = 30.0


class _Dropped(Exception):
    """The connection broke, or the server asks to retry later."""


class _Unavailable(Exception):
    """The address will not deliver the file, even after a retry."""


def fetch_source(source: Source, folder: str | Path, *, progress: bool = True, patience: Patience = Patience()) -> list[Path]:
    """Download the files of a source to ``folder/source.name``. Existing files are verified and not downloaded again.

    Raises:
        InputError: no address delivers the file, the connection broke too often (the received part is kept, and the next call resumes), the file has
            unexpected content, the disk is full or read-only, or another file has its name. Existing files are never changed.
    """
    home = Path(folder) / source.name
    done: list[Path] = []
    with locked(home, note="another process is downloading into it"), disk_faults(home):
        notes = _read_json(home / "fetched.json")
        missing = [file for file in source.files if not (home / file.name).exists()]
        check_space(home, sum(file.size or 0 for file in missing))
        for file in source.files:
            path = home / file.name
            if file in missing:
                path.parent.mkdir(parents=True, exist_ok=True)
                notes[file.name] = _download(file, path, source.page, progress, patience)
                write_json(home / "fetched.json", notes)
            else:
                _check_present(file, path, notes.get(file.name))
            done.append(path)
    return done


def _check_present(file: RemoteFile, path: Path, note: object) -> None:
    noted = note if isinstance(note, dict) else {}
    size, digest = file.size or noted.get("size"), file.sha256 or noted.get("sha256")
    if size is None and digest is None:
        raise InputError(path, "already exists, and no size or checksum is known to verify it", "use it as it is, or move it away and fetch again")
    if size is not None and path.stat().st_size != size:
        raise InputError(path, f"already exists with {path.stat().st_size} bytes, not {size}", "move it away and fetch again")
    if digest is not None and (actual := _digest(path)) != digest:
        raise InputError(path, f"already exists with sha256 {actual}, not {digest}", "move it away and fetch again")


def _download(file: RemoteFile, path: Path, page: str, progress: bool, patience: Patience) -> dict[str, object]:
    """Download one file from the first address that delivers it; returns its entry for the record."""
    part = path.with_name(path.name + ".part")
    faults = []
    for url in file.urls:
        try:
            _receive_all(url, file, part, progress, patience)
            digest = _check_content(file, part, path)
        except _Unavailable as fault:
            faults.append(f"{url} {fault}")
            continue
        size = part.stat().st_size
        part.replace(path)
        _discard(part)
        return {"url": url, "date": datetime.now(UTC).isoformat(timespec="seconds"), "size": size, "sha256": digest}
    raise InputError(path, "; ".join(faults), f"try again later, or download the file from {page} with a browser")


def _check_content(file: RemoteFile, part: Path, path: Path) -> str:
    """The SHA-256 of a received file, after checking its content."""
    with part.open("rb") as content:
        start = content.read(256).lstrip().lower()
    if not start or start.startswith((b"<!doctype html", b"<html")):
        _discard(part)
        raise _Unavailable(f"returns {'a web page' if start else 'nothing'} instead of the file")
    digest = _digest(part)
    size = part.stat().st_size
    if file.sha256 not in (None, digest) or file.size not in (None, size):
        aside = part.replace(path.with_name(path.name + ".wrong"))
        _discard(part)
        what = f"the received file has {size} bytes and sha256 {digest}; expected: {file.size or 'any number of'} bytes, sha256 {file.sha256 or 'unknown'}"
        raise InputError(path, what, f"it is kept as {aside.name}; check whether the owners changed the file, or fetch again")
    if path.suffix in (".zip", ".xlsx") and not zipfile.is_zipfile(part):
        _discard(part)
        raise _Unavailable("returns something that is not a complete zip")
    return digest


def _receive_all(url: str, file: RemoteFile, part: Path, progress: bool, patience: Patience) -> None:
    fault = None
    for attempt in range(patience.attempts):
        if attempt:
            time.sleep(min(patience.wait * 2 ** (attempt - 1), 60))
        try:
            return _receive(url, file, part, progress, patience.timeout)
        except _Dropped as error:
            fault = error
    if not part.exists() or not part.stat().st_size:
        raise _Unavailable(f"{fault} ({patience.attempts} attempts)")
    kept = f"{part.stat().st_size} bytes are kept in {part.name}"
    raise InputError(part.with_suffix(""), f"{url} {fault} ({patience.attempts} attempts)", f"{kept}; fetch again to resume")


def _receive(url: str, file: RemoteFile, part: Path, progress: bool, timeout: float) -> None:
    """One attempt: complete ``part``, or raise an exception."""
    have, facts = _resumable(url, part)
    if have and have == facts["total"]:
        return
    headers = {"User-Agent": "tdsm", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": facts["tag"]}
    with _answer(urllib.request.Request(url, headers=headers), part, timeout) as answer:
        start = _start(answer, have, facts, part)
        length = answer.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        if None not in (total, file.size) and total != file.size:
            raise _Unavailable(f"offers {total} bytes, expected {file.size}")
        check_space(part.parent, (total or file.size or 0) - start)
        if not start:
            part.unlink(missing_ok=True)
            write_json(_facts_of(part), {"url": url, "tag": _tag(answer), "total": total})
        with part.open("ab") as out, progress_bar(shown=progress, total=total, initial=start, desc=file.name, unit="B", unit_scale=True, leave=False) as bar:
            while chunk := _chunk(answer):
                out.write(chunk)
                bar.update(len(chunk))
    if total is not None and part.stat().st_size < total:
        raise _Dropped(f"broke off at {part.stat().st_size} of {total} bytes")


def _resumable(url: str, part: Path) -> tuple[int, dict]:
    """(bytes of the part that can be kept, the server's description of the file)."""
    facts = _read_json(_facts_of(part))
    have = part.stat().st_size if part.exists() else 0
    tag, total = facts.get("tag"), facts.get("total")
    known = facts.get("url") == url and isinstance(tag, str) and isinstance(total, int | None) and (total is None or have <= total)
    return (have, {"tag": tag, "total": total}) if known else (0, {})


def _start(answer: http.client.HTTPResponse, have: int, facts: dict, part: Path) -> int:
    """The position of the answer's first byte: ``have`` if the server resumes, 0 if it starts over."""
    if answer.status == 200:
        return 0
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if answer.status != 206 or not have or not span:
        raise _Unavailable(f"answers {answer.status} {answer.reason} without the file")
    if int(span[1]) != have or _tag(answer) not in (None, facts["tag"]) or (facts["total"] is not None and span[2] not in ("*", str(facts["total"]))):
        _discard(part)
        raise _Dropped("now has a different file")
    return have


def _tag(answer: http.client.HTTPResponse) -> str | None:
    """The value for ``If-Range``: a strong ETag, otherwise the date of the last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only, and never from https to http."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # noqa: ANN001  (as in the base class)
        if urlsplit(newurl).scheme not in {"http": ("http", "https")}.get(urlsplit(req.full_url).scheme, ("https",)):
            raise HTTPError(req.full_url, code, f"redirect to {newurl}, which is not followed", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _answer(request: urllib.request.Request, part: Path, timeout: float) -> http.client.HTTPResponse:
    if urlsplit(request.full_url).scheme not in ("http", "https"):
        raise _Unavailable("is neither http nor https")
    try:
        return urllib.request.build_opener(_Redirects()).open(request, timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # the file on the server is now shorter than the part
            _discard(part)
        kind = _Dropped if error.code in (408, 416, 425, 429) or error.code >= 500 else _Unavailable
        raise kind(f"answers {error.code} {error.reason}") from error
    except URLError as error:
        kind = _Unavailable if isinstance(error.reason, ssl.SSLCertVerificationError | socket.gaierror) else _Dropped
        raise kind(f"cannot be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Dropped(f"broke off ({error!r})") from error


def _chunk(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Dropped(f"broke off ({error!r})") from error


def _facts_of(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _facts_of(part).unlink(missing_ok=True)


def _read_json(path: Path) -> dict:
    """The object in a JSON file; empty if the file is missing or invalid."""
    try:
        return read_object(path)
    except InputError:
        return {}


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
