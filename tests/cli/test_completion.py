"""What a shell is offered on Tab. (Tried by hand in bash, zsh and fish.)"""

from __future__ import annotations

import pytest

from schuss.cli import schuss


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("t", ["plain,train"]),
        ("train m", ["plain,mnist"]),
        ("train ./x", ["file,./x"]),
        ("evaluate m", ["file,"]),
        ("evaluate m.safetensors m", ["plain,mnist"]),
        ("view m --data mni", ["plain,mnist"]),
        ("train mnist --optimizer ada", ["plain,adagrad", "plain,adam", "plain,adamw"]),
        ("train mnist --resu", ["plain,--resume"]),
        ("train mnist --out m", ["file,m"]),
        ("trian --resu", []),
    ],
)
def test_bash(words: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("_SCHUSS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"schuss {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    with pytest.raises(SystemExit):
        schuss.main([], prog_name="schuss")
    written = capsys.readouterr()
    said = written.out.split()
    assert written.err == "", "nothing is said of the line that is being written"
    assert said == offered or (offered == ["file,"] and said[0].startswith("file,"))
