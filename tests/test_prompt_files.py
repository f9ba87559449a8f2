"""The published prompts: SA-DVAE's class lists and PURLS's spreadsheet, the real files and small ones with a fault each."""

import zipfile
from xml.sax.saxutils import escape

import pytest

from tdsm.data.prompts import class_prompts, load_prompts
from tdsm.data.prompts.published import published_prompts, read_class_list, read_purls
from tdsm.data.prompts.xlsx import read_sheet
from tdsm.util.errors import InputError

HEADER = ["Action Labels", "Head", "Hands", "Torso", "Legs", "Start", "Middle", "End", "Global Desc"]
UCLA = list(load_prompts("nw-ucla"))
SHEETS = {"kinetics-400": 400, "kinetics-200": 200, "ntu-120": 120, "ntu-60": 60, "nw-ucla": 10, "utd-mhad": 27, "uwa3dii": 30}
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def write_csv(path, first=1, classes=UCLA):
    path.write_text("idx,label\n" + "".join(f'{first + index},"{name}, slowly"\n' for index, name in enumerate(classes)), encoding="utf-8")
    return path


def purls_rows(names=UCLA):
    return [HEADER, *([name, *(f"{column} of {name} <&>" for column in HEADER[1:])] for name in names)]


def cell(reference, text, number):
    if number is None:
        return f'<c r="{reference}" t="inlineStr"><is><t>{escape(text)}</t></is></c>'
    return f'<c r="{reference}" t="s"><v>{number}</v></c>'


def write_xlsx(path, rows, sheet="NW-UCLA", shared=True, prolog="", target="worksheets/sheet1.xml"):
    """A minimal spreadsheet, its texts shared and in formatted runs (as Excel may write) or in place (as others do)."""
    texts = sorted({text for row in rows for text in row if text})
    lines = []
    for number, row in enumerate(rows, start=1):
        filled = [(f"{column}{number}", text) for column, text in zip("ABCDEFGHI", row, strict=True) if text]
        lines.append("".join(["<row>", *(cell(at, text, texts.index(text) if shared else None) for at, text in filled), "</row>"]))
    items = [f"<si><r><t>{escape(text[:4])}</t></r><r><t>{escape(text[4:])}</t></r><rPh><t>never</t></rPh></si>" for text in texts]
    sheets = f'<sheets><sheet name="{sheet}" sheetId="1" r:id="rId7"/></sheets>'
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">{sheets}</workbook>')
        book.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="x"><Relationship Id="rId7" Target="{target}"/></Relationships>')
        book.writestr("xl/worksheets/sheet1.xml", f'{prolog}<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>')
        if shared:
            book.writestr("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{"".join(items)}</sst>')
    return path


# The real files


@pytest.mark.parametrize("dataset", ["ntu-60", "ntu-120"])
def test_class_lists_give_ntu_the_two_prompts_of_the_paper(download, dataset):
    lists = download("sa_dvae/class_lists")
    prompts = published_prompts(lists, dataset)
    assert list(prompts) == list(load_prompts(dataset))
    motions, sentences = read_class_list(lists / "ntu120.csv", dataset), read_class_list(lists / "ntu120_llm.txt", dataset)
    assert prompts == {label: (motions[label], sentences[label]) for label in prompts}
    assert class_prompts(list(prompts), prompts) == list(prompts.values())
    assert all(label not in prompts[label] for label in prompts), "the bare name is no prompt of the paper"
    assert "“Pickup”" in prompts["pickup"][1]


def test_lines_stand_at_their_classes(download):
    """Most sentences quote the name of their class, in the spelling of the authors."""
    sentences = read_class_list(download("sa_dvae/class_lists/ntu120_llm.txt"), "ntu-120")
    quoting = [label for label, text in sentences.items() if text[1:].lower().startswith(label[:4].lower())]
    assert len(quoting) > 100 and {"drink water", "salute", "cross arms"} <= set(quoting)


def test_the_list_of_ntu_60_differs_in_six_lines(download):
    lists = download("sa_dvae/class_lists")
    short, long = (read_class_list(lists / name, "ntu-60") for name in ("ntu60.csv", "ntu120.csv"))
    assert [label for label in short if short[label] != long[label]] == [
        *("pickup", "hopping (one foot jumping)", "jump up", "nod head/bow", "nausea or vomiting condition", "giving something to other person")
    ]


def test_the_list_of_pku_mmd_holds_its_names(download):
    assert published_prompts(download("sa_dvae/class_lists"), "pku-mmd") == {name: (name,) for name in load_prompts("pku-mmd")}


@pytest.mark.parametrize("dataset", SHEETS)
def test_the_spreadsheet_of_purls_fits_the_classes(download, dataset):
    path = download("purls/gpt3_desc.xlsx")
    motions = read_purls(path, dataset)
    assert list(motions) == list(load_prompts(dataset)) and len(motions) == SHEETS[dataset]
    for motion in motions.values():
        assert list(motion.parts) == ["head", "hands", "torso", "legs"] and list(motion.phases) == ["start", "middle", "end"]
        assert all(text and text == text.strip() for text in (motion.sentence, *motion.parts.values(), *motion.phases.values()))
    assert published_prompts(path, dataset) == {name: (name, motion.sentence) for name, motion in motions.items()}


def test_uwa_lists_sitting_down_twice(download):
    rows = read_sheet(download("purls/gpt3_desc.xlsx"), "UWA3DII")[1:]
    names = list(load_prompts("uwa3dii"))
    assert [index for index, row in enumerate(rows) if row["A"] != names[index]] == [27]
    assert (rows[4]["A"], rows[27]["A"], names[4], names[27]) == ("sitting down", "sitting down", "sitting down", "sitting down (chair)")


# Class lists


@pytest.mark.parametrize("first", [0, 1])
def test_a_list_may_count_from_0_or_1(tmp_path, first):
    path = write_csv(tmp_path / "ucla.csv", first)
    assert read_class_list(path, "nw-ucla") == {name: f"{name}, slowly" for name in UCLA}
    assert published_prompts(path, "nw-ucla")["throw"] == ("throw, slowly",)


def test_marks_and_line_ends_of_windows_do_no_harm(tmp_path):
    (tmp_path / "a.csv").write_bytes(write_csv(tmp_path / "b.csv").read_bytes().replace(b"\n", b"\r\n"))
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.csv").read_bytes())
    assert read_class_list(tmp_path / "a.csv", "nw-ucla") == read_class_list(tmp_path / "b.csv", "nw-ucla")
    (tmp_path / "a.txt").write_bytes("\r\n".join(f"they {name}" for name in UCLA).encode() + b"\r\n\r\n")
    assert read_class_list(tmp_path / "a.txt", "nw-ucla")["carry"] == "they carry"


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        ("a.csv", b"idx,label", b"label,idx", r"line 1: the header is 'label,idx'"),
        ("a.csv", b"idx,label", b"idx,label,more", r"line 1: the header is"),
        ("a.csv", b'10,"carry, slowly"\n', b"", r"describes 9 classes, but nw-ucla has 10"),
        ("a.csv", b'1,"pick', b'2,"pick', r"line 2: idx is '2', expected 1; number the classes from 0 or 1"),
        ("a.csv", b'5,"sit', b'4,"sit', r"line 6: idx is '4', expected 5"),
        ("a.csv", b'5,"sit', b'five,"sit', r"line 6: idx is 'five', expected 5"),
        ("a.csv", b'"carry, slowly"', b"carry, slowly", r"line 11: has 3 fields"),
        ("a.csv", b'"carry, slowly"', b'" "', r"line 11: has 2 fields or no text"),
        ("a.csv", b"sit down", b"caf\xe9", r"byte \d+ is not UTF-8; save it as UTF-8"),
        ("a.csv", b'"carry, slowly"', b'"carry" slowly', r"cannot be read as CSV"),
        ("a.txt", b"6,", b"\n", r"line 7: is empty"),
        ("a.pdf", b"sit", b"sit", r"is neither a folder nor .csv, .txt or .xlsx"),
    ],
)
def test_a_faulty_list_is_refused(tmp_path, name, old, new, fault):
    content = write_csv(tmp_path / "whole.csv").read_bytes()
    assert content.count(old) == 1 or name == "a.pdf"
    (tmp_path / name).write_bytes(content.replace(old, new))
    with pytest.raises(InputError, match=fault):
        published_prompts(tmp_path / name, "nw-ucla")


def test_an_empty_list_is_refused(tmp_path):
    for name in ("a.csv", "a.txt"):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=name):
            read_class_list(tmp_path / name, "nw-ucla")


def test_names_in_another_order_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(sorted(UCLA)))
    with pytest.raises(InputError, match="has 'carry' instead of 'pick up with one hand' of nw-ucla"):
        read_class_list(tmp_path / "a.txt", "nw-ucla")


@pytest.mark.parametrize(("dataset", "fault"), [("ntu-60", "has no ntu120_llm.txt"), ("nw-ucla", "no class lists for nw-ucla")])
def test_a_folder_without_the_lists_is_refused(tmp_path, dataset, fault):
    (tmp_path / "ntu120.csv").touch()
    with pytest.raises(InputError, match=fault):
        published_prompts(tmp_path, dataset)


def test_a_missing_path_is_named(tmp_path):
    for read in (published_prompts, read_class_list, read_purls):
        with pytest.raises(InputError, match=r"nowhere.csv.*[Nn]o such file"):
            read(tmp_path / "nowhere.csv", "nw-ucla")


# Spreadsheets


@pytest.mark.parametrize("shared_texts", [True, False])
def test_texts_may_be_shared_or_in_place(tmp_path, shared_texts):
    motions = read_purls(write_xlsx(tmp_path / "a.xlsx", purls_rows(), shared=shared_texts), "nw-ucla")
    assert list(motions) == UCLA
    assert motions["carry"].sentence == "Global Desc of carry <&>"
    assert motions["throw"].parts["torso"] == "Torso of throw <&>" and motions["throw"].phases["end"] == "End of throw <&>"


def test_a_target_may_be_absolute(tmp_path):
    path = write_xlsx(tmp_path / "a.xlsx", purls_rows(), target="/xl/worksheets/sheet1.xml")
    assert list(read_purls(path, "nw-ucla")) == UCLA


def test_other_words_for_a_class_are_taken_in_its_place(tmp_path):
    rows = purls_rows(["Pick up (one hand)", "pick up two hands", "Drop", "WALK", *UCLA[4:]])
    assert read_purls(write_xlsx(tmp_path / "a.xlsx", rows), "nw-ucla")["walk around"].sentence == "Global Desc of WALK <&>"


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (purls_rows()[1:], "sheet NW-UCLA: the first row is not Action Labels, Head"),
        ([], "the first row is not"),
        (purls_rows()[:-1], "describes 9 classes, but nw-ucla has 10"),
        (purls_rows([UCLA[1], UCLA[0], *UCLA[2:]]), "class 1: is 'pick up with two hands', expected 'pick up with one hand'"),
        (purls_rows([*UCLA[1:], UCLA[0]]), "class 1: is 'pick up with two hands'"),
        (purls_rows([*UCLA[:9], "sneeze"]), "class 10: is 'sneeze', expected 'carry'"),
        ([*purls_rows()[:4], [*purls_rows()[4][:5], "", *purls_rows()[4][6:]], *purls_rows()[5:]], r"class 4: 'Start' is empty \(column F\)"),
    ],
)
def test_rows_that_are_not_the_classes_are_refused(tmp_path, rows, fault):
    with pytest.raises(InputError, match=fault):
        read_purls(write_xlsx(tmp_path / "a.xlsx", rows), "nw-ucla")


def test_a_missing_sheet_is_named(tmp_path):
    with pytest.raises(InputError, match="has no sheet 'NW-UCLA', only 'NTU-RGB'"):
        read_purls(write_xlsx(tmp_path / "a.xlsx", purls_rows(), sheet="NTU-RGB"), "nw-ucla")
    with pytest.raises(InputError, match="has no sheet for pku-mmd; choose among: kinetics-200, kinetics-400, ntu-120, ntu-60"):
        read_purls(tmp_path / "a.xlsx", "pku-mmd")


def test_a_spreadsheet_that_declares_a_document_type_is_refused(tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
    with pytest.raises(InputError, match=r"cannot be read as an .xlsx spreadsheet \(xl/worksheets/sheet1.xml declares a document type\)"):
        read_purls(write_xlsx(tmp_path / "a.xlsx", purls_rows(), prolog=bomb), "nw-ucla")
    path = write_xlsx(tmp_path / "b.xlsx", purls_rows())
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(path, "w") as book:  # the same bomb, out of sight of whoever looks for it in bytes
        for name, content in parts.items():
            book.writestr(name, content if "sheet1" not in name else ('<?xml version="1.0" encoding="UTF-16"?>' + bomb + "<x>&c;</x>").encode("utf-16"))
    with pytest.raises(InputError, match="cannot be read"):
        read_purls(path, "nw-ucla")


def test_a_part_that_unpacks_too_large_is_refused(tmp_path):
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/_rels/workbook.xml.rels", " " * (8 * 2**20 + 1))
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="has 8388609 bytes unpacked"):
        read_sheet(path, "any")


@pytest.mark.parametrize("content", [b"", b"idx,label\n", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_zip_is_refused(tmp_path, content):
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(InputError, match=r"a.xlsx: cannot be read as an .xlsx spreadsheet"):
        published_prompts(tmp_path / "a.xlsx", "nw-ucla")


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("xl/sharedStrings.xml", b"<sst><si></sst>"),
        ("xl/sharedStrings.xml", b"<sst/>"),
        ("xl/worksheets/sheet1.xml", None),
        ("xl/workbook.xml", b"<workbook><sheet name='NW-UCLA'/></workbook>"),
        ("xl/_rels/workbook.xml.rels", b"<r><Relationship/></r>"),
    ],
)
def test_damaged_parts_are_refused(tmp_path, part, content):
    path = write_xlsx(tmp_path / "a.xlsx", purls_rows())
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()} | {part: content}
    with zipfile.ZipFile(path, "w") as book:
        for name, body in parts.items():
            if body is not None:
                book.writestr(name, body)
    with pytest.raises(InputError, match=r"cannot be read as an \.xlsx spreadsheet"):
        read_purls(path, "nw-ucla")


def test_every_cut_of_a_spreadsheet_is_refused(tmp_path):
    whole = write_xlsx(tmp_path / "a.xlsx", purls_rows()).read_bytes()
    for end in range(0, len(whole), 499):
        (tmp_path / "cut.xlsx").write_bytes(whole[:end])
        with pytest.raises(InputError):
            read_purls(tmp_path / "cut.xlsx", "nw-ucla")
