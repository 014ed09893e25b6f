"""Files of tables: how they are written is found, and what is wrong in them is told by its line."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from schuss.errors import DataError, UsageError
from schuss.tabular import delimited, structure
from schuss.tabular.decoding import Decoder
from schuss.tabular.delimited import Lines, _last_end, narrowed
from schuss.tabular.dialect import find_dialect
from schuss.tabular.read import Reading, lines_of, read_found, read_table, scan_table
from schuss.tabular.structure import census, unquoted_counts


def written(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows_of(path: Any, **reading: Any) -> list[dict[str, Any]]:
    return read_table(path, Reading(**reading)).to_dicts()


def scanned(path: Any, rows: int = 50_000, **reading: Any) -> pl.DataFrame:
    return pl.concat([chunk for _, chunk in scan_table(path, Reading(**reading), rows)])


ROWS = [{"n": 1, "x": 0.5, "t": "a"}, {"n": 2, "x": None, "t": "b"}]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of some lines are as large ones."""
    for name, size in (("HEAD", 64), ("HEAD_LINES", 2), ("BLOCK", 48)):
        monkeypatch.setattr(delimited, name, size)
    monkeypatch.setattr(structure, "CHUNK", 7)


# -- how it is written ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "n,x,t\n1,0.5,a\n2,,b\n",
        "n,x,t\n1,0.5,a\n2,,b",
        "n;x;t\n1;0.5;a\n2;;b\n",
        "n\tx\tt\n1\t0.5\ta\n2\t\tb\n",
        "n|x|t\n1|0.5|a\n2|NA|b\n",
        "n;x;t\n1;0,5;a\n2;;b\n",
        "n,x,t\r\n1,0.5,a\r\n2,,b\r\n",
        "n,x,t\r1,0.5,a\r2,,b\r",
        '"n","x","t"\n"1","0.5","a"\n"2","","b"\n',
        '"n","x","t"\r\n1,0.5,"a"\r\n2,,"b"\r\n',
        "\ufeffn,x,t\n1,0.5,a\n2,?,b\n",
        "n,x,t\n1,0.5,a\n2,NaN,b\n",
        "\n\nn,x,t\n\n1,0.5,a\n\r\n2,,b\n\n",
        "n,x,t\n1,5e-1,a\n2,null,b\n",
    ],
)
def test_ways_to_write_a_table(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert rows_of(path) == ROWS
    assert scanned(path).to_dicts() == [
        {k: v if v is None else str(v) if k != "x" else scanned(path)["x"][0] for k, v in row.items()} for row in ROWS
    ]
    assert float(scanned(path)["x"][0]) == 0.5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_are_found(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "name,größe\nŁódź,1\n東京,2\n".encode(encoding))
    assert rows_of(path) == [{"name": "Łódź", "größe": 1}, {"name": "東京", "größe": 2}]
    assert scanned(path)["name"].to_list() == ["Łódź", "東京"]


def test_western_encodings_are_read_and_told(tmp_path: Path) -> None:
    path = written(tmp_path, "name,n\nMüller,1\n„x”,2\n".encode("cp1252"))
    with pytest.warns(UserWarning, match=r"t.csv line 2: byte 0xfc is no utf-8, so the file is read as cp1252"):
        assert read_table(path)["name"].to_list() == ["Müller", "„x”"]
    assert read_table(path, Reading(encoding="latin-1"))["name"][0] == "Müller"
    with pytest.warns(UserWarning, match="cp1252"):
        assert read_found(path)[1].encoding == "cp1252"


def test_what_is_found_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "a;b\n1,5;x\n2,25;y\n")
    assert read_found(path)[1] == Reading(delimiter=";", encoding="utf-8", decimal=",", header=True)
    assert (
        read_found(written(tmp_path, "a;b\n1,500;x\n2,250;y\n"))[1].decimal == "."
    )  # or between thousands: stays text
    assert read_found(written(tmp_path, "a;b\n1,5;1.5\n"))[1].decimal == "."
    assert read_found(written(tmp_path, "a\n1\n"))[1].delimiter == ","
    assert read_found(written(tmp_path, "a;b,c\n1,2\n3,4\n"))[1].delimiter == ","


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed(tmp_path: Path, pack: Any) -> None:
    path = written(tmp_path, pack(b"n,x,t\n1,0.5,a\n2,,b\n"), "t.csv.packed")
    assert rows_of(path) == ROWS
    assert scanned(path)["t"].to_list() == ["a", "b"]


def test_zstd(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="pip install '.[test]' brings zstandard")
    assert rows_of(written(tmp_path, zstandard.compress(b"n,x,t\n1,0.5,a\n2,,b\n"), "t.csv.zst")) == ROWS


def test_zstd_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    with pytest.raises(
        DataError, match=r"to read what zstd wrote needs zstandard: pip install zstandard \(or: zstd -d"
    ):
        read_table(written(tmp_path, b"\x28\xb5\x2f\xfd....", "t.csv.zst"))


def test_files_without_a_header(tmp_path: Path) -> None:
    path = written(tmp_path, "1,a\n2,b\n")
    assert rows_of(path, header=False) == [{"column1": 1, "column2": "a"}, {"column1": 2, "column2": "b"}]
    assert scanned(path, header=False)["column2"].to_list() == ["a", "b"]
    numbers = written(tmp_path, "5.1,3.5\n4.9,3\n")
    with pytest.raises(
        DataError,
        match=r"t.csv line 1: has numbers, '5.1', '3.5', in place of .* say reading=Reading\(header=False\)",
    ):
        read_table(numbers)
    assert rows_of(numbers, header=True) == [{"5.1": 4.9, "3.5": 3}]
    assert read_table(written(tmp_path, "0,1\n5,6\n")).columns == ["0", "1"]


def test_standard_input_and_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"n,x,t\n1,0.5,a\n2,,b\n"
    for read in (
        lambda s: read_table(s).to_dicts(),
        lambda s: [{**r, "n": int(r["n"])} for r in scanned(s).to_dicts()],
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert [row["t"] for row in read("-")] == ["a", "b"]
        assert [row["n"] for row in read(io.BytesIO(data))] == [1, 2]
    with pytest.raises(DataError, match="open it by open"):
        read_table(io.StringIO("a\n1\n"))


def test_missing_texts_can_be_set(tmp_path: Path) -> None:
    path = written(tmp_path, "n,t\n-999,NA\n3,x\n")
    assert rows_of(path, missing=("-999",)) == [{"n": None, "t": "NA"}, {"n": 3, "t": "x"}]


def test_dtypes_hold_all_cells(tmp_path: Path) -> None:
    big = 2**53 + 1
    path = written(tmp_path, f"i,big,huge,code,b,mixed,e\n1,{big},{2**70},00501,true,1,1e3\n-2,1,1,12345,False,x,.5\n")
    frame = read_table(path)
    assert frame.dtypes == [pl.Int64, pl.Int64, pl.String, pl.String, pl.Boolean, pl.String, pl.Float64]
    assert frame.rows() == [(1, big, str(2**70), "00501", True, "1", 1e3), (-2, 1, "1", "12345", False, "x", 0.5)]


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("late", ["x", "007", "2.5", "1e400x", str(2**64), '"7\n8"', ""])
def test_what_comes_late_changes_a_dtype_and_no_value(tmp_path: Path, late: str, end: str) -> None:
    path = written(tmp_path, "t,n\n" + "abc,12345\n" * 150_000 + f"abc,{late}{end}")
    assert path.stat().st_size > delimited.HEAD
    made = read_table(path)["n"]
    wanted = {"2.5": 2.5, "": None}.get(late, late.strip('"'))
    assert made[-1] == wanted
    assert made[0] == (12345 if late in ("", "2.5") else "12345")
    assert len(made) == 150_001


def test_wide_tables_and_long_rows(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(10_000)]
    text = ",".join(names) + "\n" + "\n".join(",".join(str(i + j) for i in range(10_000)) for j in range(3)) + "\n"
    frame = read_table(written(tmp_path, text))
    assert frame.shape == (3, 10_000)
    assert frame["c9999"].to_list() == [9999, 10000, 10001]
    long = "x" * 1_000_000
    assert rows_of(written(tmp_path, f"a,b\n1,{long}\n2,y\n")) == [{"a": 1, "b": long}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_sound_file_is_not_looked_at_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_blocks: None, end: str
) -> None:
    """That is slow: polars' reading and the counts suffice."""
    monkeypatch.setattr(delimited, "look", None)
    rows = [f'{i},"a, b",{"" if i % 3 else 0.5}' for i in range(50)] + ['7,"x\ny",NA']
    path = written(tmp_path, end.join(["p,q,r", *rows, ""]))
    assert read_table(path).height == 51
    assert read_table(path)["r"].null_count() == 34
    assert scanned(path).height == 51


def test_quoted_texts_hold_everything(tmp_path: Path) -> None:
    path = written(tmp_path, 'a,b\n"x, ""y""\n\nz",1\n"",2\n"""",3\n')
    assert [row["b"] for row in rows_of(path)] == [1, 2, 3]
    assert read_table(path)["a"][0] == 'x, "y"\n\nz'
    assert read_table(path)["a"][2] == '"'
    assert rows_of(written(tmp_path, 'a,b\n5" pipe,1\n'), quote="") == [{"a": '5" pipe', "b": 1}]


# -- in chunks ------------------------------------------------------------------------------------


def test_chunks_are_the_table(tmp_path: Path, small_blocks: None) -> None:
    text = "a,b\n" + "".join(f'{i},"line {i}{chr(10) * (i % 3)}"\n' for i in range(100))
    path = written(tmp_path, text)
    whole = read_table(path)
    where = lines_of(path)
    starts = {i: 2 + sum(1 + k % 3 for k in range(i)) for i in range(100)}
    for rows in (1, 7, 1000):
        at = 0
        for lines, chunk in scan_table(path, rows=rows):
            assert chunk.height <= rows
            assert chunk["b"].to_list() == whole["b"][at : at + chunk.height].to_list()
            assert [lines(i) for i in range(chunk.height)] == [
                f"{path} line {starts[at + i]}" for i in range(chunk.height)
            ]
            at += chunk.height
        assert at == 100
    assert where(99) == f"{path} line {starts[99]}"


def test_chunks_of_all_encodings(tmp_path: Path, small_blocks: None) -> None:
    text = "a,b\n" + "".join(f"{i},ä東{i}\n" for i in range(50))
    for encoding in ("utf-8", "utf-16", "utf-32"):
        assert scanned(written(tmp_path, text.encode(encoding)))["b"].to_list() == [f"ä東{i}" for i in range(50)]
        assert read_table(written(tmp_path, text.encode(encoding)))["b"][49] == "ä東49"


def test_chunks_with_dtypes(tmp_path: Path) -> None:
    path = written(tmp_path, "a;b;c\n1,5;7;u\n 2;8;v\n")
    chunk = next(iter(scan_table(path, Reading(decimal=","), dtypes={"a": pl.Float64})))[1]
    assert chunk.to_dict(as_series=False) == {"a": [1.5, 2.0], "b": ["7", "8"], "c": ["u", "v"]}
    assert scanned(path)["a"].to_list() == ["1.5", " 2"]
    padded = written(tmp_path, "a,b\n01,2\n2,3\n")
    assert next(iter(scan_table(padded, dtypes={"a": pl.Int64})))[1]["a"].to_list() == [1, 2]
    bad = written(tmp_path, "a,b\n1,2\nabc,3\n")
    with pytest.raises(DataError, match=r"t.csv line 3, column a: 'abc' is no number; mend it, or leave it empty"):
        list(scan_table(bad, dtypes={"a": pl.Float64}))


def test_blank_lines_count_as_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n\n1,2\n\n\n3,4\n")
    lines, chunk = next(iter(scan_table(path)))
    assert chunk["a"].to_list() == ["1", "3"]
    assert (lines(0), lines(1)) == (f"{path} line 3", f"{path} line 6")


# -- what is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "t.csv: is empty; give a file with a line of names and rows"),
        ("\n \n", "t.csv: is empty"),
        ("a,b\n", "t.csv: has a line of names and no rows"),
        ("a,b", "t.csv: has a line of names and no rows"),
        ("a,b\n1,2\n3,4,", "t.csv line 3: has 3 fields"),
        ("a,b\n1,2\n3\n", "t.csv line 3: has 1 field, the first line has 2; mend the line"),
        ("a,b\n1,2\n3,4,5\n", "t.csv line 3: has 3 fields, the first line has 2; quote a field that holds ','"),
        ("a\tb\n1\t2\n3\t4\t5\n", "quote a field that holds a tab"),
        ('a,b\n"1,5",2\n3\n', "t.csv line 3: has 1 field"),
        ('a,b\n"x\ny",2\n3\n', "t.csv line 4: has 1 field"),
        ("a,b,a\n1,2,3\n", "t.csv line 1: names column 'a' more than once; rename all but one of each"),
        (",b\n1,2\n", "t.csv line 1: column 1 has no name (row numbers? write them not: index=False); name it"),
        ("a,b,\n1,2,3\n", "t.csv line 1: column 3 has no name; name it"),
        ("a,b\n1,x\0y\n", "t.csv line 2: has a zero byte; the file is damaged"),
        ('a,b\n1,2\n3,"x\n4,y\n5,z\n', 't.csv line 3: the quote that opens there never closes; write "" for a quote'),
        ('a,b\n1,"x\n2,y\n3,"z w"\n', "t.csv line 2: the quote that opens there closes in line 4, inside a field"),
        ('a,b\n1,"x"y\n', "t.csv line 2: the quote that opens there closes inside the field"),
        ('a,b\n5" pipe,1\n6" pipe,2\n', "t.csv line 2: there is a quote inside a field that has none around it"),
    ],
)
def test_faults_are_told_by_their_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    for read in (read_table, scanned):
        with pytest.raises(DataError) as caught:
            read(path)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_faults_far_down(tmp_path: Path, small_blocks: None) -> None:
    rows = "".join(f"{i},abc\n" for i in range(200))
    for line, said in (
        ("1,2,3\n", "has 3 fields"),
        ("5\n", "has 1 field"),
        ('7,"x\n', "never closes"),
        ("7,\0\n", "zero"),
    ):
        path = written(tmp_path, "a,b\n" + rows + line + rows)
        for read in (read_table, scanned):
            with pytest.raises(DataError, match=rf"t.csv line 202: .*{said}"):
                read(path)


def test_mixed_encodings(tmp_path: Path, small_blocks: None) -> None:
    rows = b"".join(b"%d,abc\n" % i for i in range(50))
    path = written(tmp_path, b"a,b\n" + rows + "1,ü\n".encode() + rows + "1,ü\n".encode("latin-1") + rows)
    for read in (read_table, scanned):
        with pytest.raises(
            DataError, match=r"t.csv line 103: byte 0xfc is no utf-8, as other lines are: encodings are"
        ):
            read(path)
    with pytest.raises(DataError, match=r"line 52: byte 0xc3 is no ascii; give the encoding"):
        read_table(path, Reading(encoding="ascii"))
    late = written(tmp_path, b"a,b\n" + rows + "1,ü\n".encode("latin-1"))
    for read in (read_table, scanned):
        with pytest.warns(UserWarning, match="line 52: byte 0xfc is no utf-8, so the file is read as cp1252"):
            assert read(late)["b"][50] == "ü"


def test_files_that_are_none(tmp_path: Path) -> None:
    for path, said in (
        (tmp_path / "gone.csv", "gone.csv: no such file"),
        (tmp_path, "is a folder; name the file in it"),
        (written(tmp_path, b"PK\x03\x04....", "t.xlsx"), "is a zip archive or a workbook; save the sheet as CSV"),
        (written(tmp_path, b'{"a": 1}\n{"a": 2}\n', "t.json"), "t.json: is JSON; write its table as CSV or Parquet"),
        ("https://example.com/t.csv", "https://example.com/t.csv: is an address; load the file down"),
        (written(tmp_path, b"hello", "t.parquet"), "t.parquet: is no Parquet file; write it anew"),
        (written(tmp_path, b"", "e.parquet"), "e.parquet: is empty"),
        (written(tmp_path, gzip.compress(b"a\n1\n" * 1000)[:40], "t.csv.gz"), "t.csv.gz: cannot be read"),
    ):
        for read in (read_table, scanned):
            with pytest.raises(DataError) as caught:
                read(path)
            assert said in str(caught.value)


def test_what_is_no_source_and_no_delimiter(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a table is read from a path, '-' or a file open as binary, not from int"):
        read_table(5)
    path = written(tmp_path, "a,b\n1,2\n")
    with pytest.raises(DataError, match=r"t.csv: has no ';'; between its columns is ',': leave the delimiter out"):
        read_table(path, Reading(delimiter=";"))
    assert read_table(written(tmp_path, "a\n1\n"), Reading(delimiter=";")).columns == ["a"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"delimiter": "ab"}, "delimiter is 'ab'; it is one character"),
        ({"delimiter": ""}, "delimiter is ''"),
        ({"quote": "ä"}, "quote is 'ä'"),
        ({"decimal": "x"}, "decimal is 'x'; it is '.' or ','"),
        ({"decimal": ",", "delimiter": ","}, "both ','"),
        ({"encoding": "utf-9"}, "encoding 'utf-9' is unknown"),
    ],
)
def test_readings_that_are_none(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Reading(**settings)
    assert said in str(caught.value)


# -- Parquet, Arrow -------------------------------------------------------------------------------

FRAME = pl.DataFrame({"n": [1, None, 3], "t": ["a", "b", None], "x": [0.5, float("nan"), 1.0]})


@pytest.mark.parametrize("write", ["write_parquet", "write_ipc", "write_ipc_stream"])
def test_parquet_and_arrow(tmp_path: Path, write: str) -> None:
    path = tmp_path / "t.data"
    getattr(FRAME, write)(path)
    assert_frame_equal(read_table(path), FRAME.fill_nan(None))
    assert_frame_equal(read_table(io.BytesIO(path.read_bytes())), FRAME.fill_nan(None))
    chunks = list(scan_table(path, rows=2))
    assert [chunk.height for _, chunk in chunks] == [2, 1]
    assert chunks[1][0](0) == f"{path} row 2"
    assert_frame_equal(pl.concat([chunk for _, chunk in chunks]), FRAME.fill_nan(None))
    whole = path.read_bytes()
    for end in (len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:end])
        for read in (read_table, scanned):
            with pytest.raises(DataError, match=r"t.data: is cut short or damaged .*; copy or write it again"):
                read(path)


def test_parquet_without_rows(tmp_path: Path) -> None:
    FRAME.head(0).write_parquet(tmp_path / "t.parquet")
    for read in (read_table, scanned):
        with pytest.raises(DataError, match="has no rows"):
            read(tmp_path / "t.parquet")


# -- against other readers ------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6)
SIGNS = st.text("ab1,;|\t\"\n '.", max_size=6)


@given(
    st.lists(st.lists(TEXT | SIGNS, min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from(",;|\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from([3, 16, 1 << 18]),
)
def test_what_python_writes_is_read(rows: Any, delimiter: str, end: str, quoting: Any, chunk: int) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([["p", "q", "r"], *rows])
    data = out.getvalue().encode()
    wanted = [tuple(row) for row in rows]
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(structure, "CHUNK", chunk)
        made = scanned(io.BytesIO(data), delimiter=delimiter, missing=()).rows()
        assert [tuple(cell or "" for cell in row) for row in made] == wanted
        for name, size in (("HEAD", 16), ("HEAD_LINES", 1), ("SAMPLE", 8)):  # as a large file, which polars maps
            patch.setattr(delimited, name, size)
        frame = read_table(written(Path(folder), data), Reading(delimiter=delimiter, missing=()))
    for at, series in enumerate(frame.get_columns()):
        assert len(series) == len(wanted)
        if series.dtype == pl.String:
            assert [cell or "" for cell in series] == [row[at] for row in wanted]


@given(st.binary(max_size=60).map(lambda b: b.translate(bytes(b'a1,"\n'[i % 5] for i in range(256)))))
def test_any_bytes_are_read_as_python_reads_them_or_refused(data: bytes) -> None:
    """What Python's strict reader takes for a table of that width is one; nothing else is."""
    try:
        wanted = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    except csv.Error:
        wanted = None
    try:
        frame = scanned(io.BytesIO(b"p,q\n" + data), delimiter=",", missing=())
    except DataError:
        return
    assert wanted is not None
    blank = [row for row in wanted if row]
    assert [tuple(cell or "" for cell in row) for row in frame.rows()] == [tuple(row) for row in blank]


PIECES = st.lists(st.sampled_from(["a", "0", "7", ",", '"', '""', "\n", "\r\n", "00,", '"a,0\n"', ',"'])).map("".join)


@given(PIECES, st.integers(1, 9))
def test_counts_do_not_depend_on_the_parts_they_are_made_in(text: str, chunk: int) -> None:
    data = np.frombuffer(text.encode(), np.uint8)
    sound = re.fullmatch('(?:[^"]*(?<![^,"\n])"[^"]*"(?![^,"\r\n]))*[^"]*', text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure, "CHUNK", chunk)
        found = census(data, b",", b'"', True)
        outside = unquoted_counts(data, b",", b'"')
    assert found.lines == text.count("\n") + bool(text and not text.endswith("\n"))
    assert (found.delimiters, found.quotes) == (text.count(","), '"' in text)
    assert found.sound == (sound is not None)
    assert found.zeros == (re.search('(?<![^,"\n\r])0[0-9]+(?![^,"\r\n])', text) is not None)
    bare = re.sub('"[^"]*"?', "x", text)
    assert outside == (bare.count("\n") + bool(text and not text.endswith("\n")), bare.count(","))


@given(PIECES)
def test_the_end_of_the_last_record(text: str) -> None:
    data = text.encode()
    ends = [i + 1 for i in range(len(data)) if data[i] == 10 and data.count(b'"', 0, i) % 2 == 0]
    assert _last_end(data, b'"') == max(ends, default=0)
    assert _last_end(data, b"") == data.rfind(b"\n") + 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_characters_cut_in_two(encoding: str) -> None:
    text = "a,ä\n1,ö\n" if encoding == "cp1252" else "a,ä\n1,東\n"
    data = text.encode(encoding)
    for at in range(len(data)):
        decode = Decoder(encoding, True, "t")
        assert decode(data[:at], False) + decode(data[at:], True) == text.encode()
    decode = Decoder("utf-8", False, "t")  # only assumed: 0xc3 may begin a character, and does not
    with pytest.warns(UserWarning, match="t line 1: byte 0xc3"):
        assert decode(b"a,\xc3", False) + decode(b"b\n", True) == "a,Ãb\n".encode()


def test_a_beginning_that_ends_within_a_record() -> None:
    for head in (b"a;b;c\n1;2;3\n4;5", b"a;b,x;c\n1;2,y;3\n4;5"):
        assert find_dialect(head, False, "utf-8", Reading(), "t").delimiter == b";"


def test_lines_of_later_rows() -> None:
    lines = Lines("t", 2, b'1\n"2\n2"\n3\n4\n', b'"')
    assert [lines.line(i) for i in range(4)] == [2, 3, 5, 6]
    assert [lines.after(1).line(i) for i in range(3)] == [3, 5, 6]
    assert lines.after(1).after(2)(0) == "t line 6"


@given(
    st.lists(
        st.none()
        | st.sampled_from(["0", "1", "-5", "007", "1.5", ".5", "1e3", "true", "TRUE", "x", "1_0", "inf", "+2", " 1 "])
    )
)
def test_a_dtype_is_the_first_that_all_cells_are(cells: list[str | None]) -> None:
    made = narrowed(pl.Series("a", cells, pl.String), ".")
    known = [cell for cell in cells if cell is not None]
    if known and all(c in ("0", "1", "-5", "+2", " 1 ") for c in known):
        assert made.to_list() == [c if c is None else int(c) for c in cells]
    elif known and all(c in ("0", "1", "-5", "+2", " 1 ", "1.5", ".5", "1e3") for c in known):
        assert made.to_list() == [c if c is None else float(c) for c in cells]
    elif known and all(c.lower() == "true" for c in known):
        assert made.dtype == pl.Boolean
    else:
        assert made.to_list() == cells


def test_memory_does_not_grow_with_the_file(tmp_path: Path, small_blocks: None) -> None:
    path = written(tmp_path, "a,b\n" + "1,2\n" * 5000)
    with open(path, "rb") as file:
        chunks = scan_table(file)
        next(chunks)
        assert file.tell() <= 2 * io.DEFAULT_BUFFER_SIZE  # read no further than it had to
    assert os.path.getsize(path) > 2 * io.DEFAULT_BUFFER_SIZE
    assert np.isfinite(path.stat().st_size)


@pytest.mark.parametrize(
    "rows, usual, found",
    [
        (["0,346;1,267", "1,576;2,000"], None, ","),  # three decimals; 0 is not before thousands
        (["-0,132;1,267"], None, ","),
        (["1,346;1,267"], None, "."),  # either
        (["1,346;1,267"], ",", ","),
        (["1,346.5;1,267"], ",", "."),
        (["1.5;1,267"], ",", "."),
        (["1.500;1,5"], None, ","),  # a point between thousands
        (["1.500;2.250"], ",", ","),
        (["1.346,5;1.267"], None, ","),
        (["1.500;2.250"], None, "."),
        (["0.500;2.250"], ",", "."),
    ],
)
def test_three_decimals_are_no_thousands(rows: list[str], usual: str | None, found: str) -> None:
    text = "\n".join(["a;b", *rows, ""]).encode()
    assert read_found(io.BytesIO(text), Reading(usual=usual))[1].decimal == found
