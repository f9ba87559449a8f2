"""Text of one sheet of an .xlsx spreadsheet, using only the standard library.

An .xlsx (ECMA-376, Office Open XML) is a zip of XML files. ``xl/workbook.xml`` names the sheets and gives each a relation id,
``xl/_rels/workbook.xml.rels`` maps the ids to files, and most texts are stored once in ``xl/sharedStrings.xml``, to which cells refer by number. A library
would do more (dates, formulas, styles), but it would be another dependency, and the usual one, openpyxl, leaves protection against malicious XML to its user.
Here the unpacked size is limited and document types are refused, so that no entity can expand.
"""

import posixpath
import re
import zipfile
import zlib
from pathlib import Path
from xml.etree import ElementTree

from tdsm.util.errors import InputError

__all__ = ["read_sheet"]

_LARGEST = 8 * 2**20  # bytes of one unpacked XML file; a sheet of 400 rows of sentences has 0.3 million
_BROKEN = (zipfile.BadZipFile, zlib.error, ElementTree.ParseError, LookupError, ValueError, EOFError, OSError, RuntimeError)  # RuntimeError: encrypted
_REMEDY = "give the spreadsheet as it was downloaded, or save it as .xlsx again"


def read_sheet(path: str | Path, sheet: str) -> list[dict[str, str]]:
    """Rows of a sheet, from the top. Each maps columns ("A", "B", ...) to stripped text; empty cells are omitted.

    Raises:
        InputError: no such file, not an .xlsx, damaged or unsafe XML, or no sheet of this name.
    """
    try:
        with zipfile.ZipFile(path) as book:
            files = _sheet_files(book)
            rows = _read_rows(book, files[sheet]) if sheet in files else None
    except _BROKEN as error:
        raise InputError(path, f"cannot be read as an .xlsx spreadsheet ({error})", _REMEDY) from error
    if rows is None:
        raise InputError(path, f"has no sheet {sheet!r}, only {', '.join(map(repr, files))}", _REMEDY)
    return rows


def _sheet_files(book: zipfile.ZipFile) -> dict[str, str]:
    """Name of a sheet -> its file in the zip."""
    targets = {relation.attrib["Id"]: relation.attrib["Target"] for relation in _parse(book, "xl/_rels/workbook.xml.rels")}
    files = {}
    for sheet in _parse(book, "xl/workbook.xml").findall(".//{*}sheet"):
        (relation,) = (value for key, value in sheet.attrib.items() if key.endswith("}id"))
        files[sheet.attrib["name"]] = posixpath.join("xl", targets[relation]).lstrip("/")  # a target is relative to xl/ or starts with /
    return files


def _read_rows(book: zipfile.ZipFile, file: str) -> list[dict[str, str]]:
    shared: list[str] = []
    if "xl/sharedStrings.xml" in book.namelist():
        shared = [_text(item) for item in _parse(book, "xl/sharedStrings.xml").findall("{*}si")]
    rows = []
    for row in _parse(book, file).findall("{*}sheetData/{*}row"):
        cells = {re.sub(r"\d", "", cell.attrib["r"]): _cell(cell, shared).strip() for cell in row.findall("{*}c")}
        rows.append({column: text for column, text in cells.items() if text})
    return rows


def _cell(cell: ElementTree.Element, shared: list[str]) -> str:
    inline, value = cell.find("{*}is"), cell.findtext("{*}v", "")
    if inline is not None:
        return _text(inline)
    return shared[int(value)] if cell.get("t") == "s" else value


def _text(item: ElementTree.Element) -> str:
    """Plain text, or the runs of formatted text, without phonetic notes."""
    return "".join(part.text or "" for part in item.findall("{*}t") + item.findall("{*}r/{*}t"))


def _parse(book: zipfile.ZipFile, name: str) -> ElementTree.Element:
    size = book.getinfo(name).file_size
    if size > _LARGEST:
        raise ValueError(f"{name} has {size} bytes unpacked, more than the allowed {_LARGEST}")
    text = book.read(name).decode("utf-8-sig")  # text, not bytes: the parser then uses the same encoding as this check
    if "<!DOCTYPE" in text:
        raise ValueError(f"{name} declares a document type")
    return ElementTree.fromstring(text)
