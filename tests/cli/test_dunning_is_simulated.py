"""`billing-worker dunning simulate`: the figures of the docs again, a picture, and mistakes by name."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest

from billing_worker.cli.main import main
from tests.docs.markdown import ROOT

SMALL = ("dunning", "simulate", "--invoices", "400")


def _said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_the_same_seed_gives_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    first = json.loads(_said(capsys, *SMALL, "--json"))
    assert json.loads(_said(capsys, *SMALL, "--json")) == first
    assert json.loads(_said(capsys, *SMALL, "--seed", "7", "--json")) != first
    assert [row["policy"] for row in first] == ["8-8-8", "2-5-7-7", "d+1-3-5-10-14", "default"]
    assert first[0]["more_than_first"] == 0
    assert first[-1]["more_low"] > 0


def test_the_figures_of_the_docs_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(_said(capsys, "dunning", "simulate", "--invoices", "2000", "--json"))
    text = (ROOT / "docs" / "dunning-model.md").read_text("utf-8")
    for row in rows:
        line = f"{row['policy']}  {100 * row['recovered']:.1f} %"
        assert " ".join(line.split()) in " ".join(text.split()), line


def test_a_policy_of_a_file_stands_beside_the_others(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"steps": ["1d paydays 18:00", "1d paydays 18:00"]}')
    table = list(csv.DictReader(StringIO(_said(capsys, *SMALL, "--file", str(file), "--csv"))))
    assert table[-1]["policy"] == "mine"
    assert float(table[-1]["recovered"]) > 0.4
    assert "balance" in json.loads(table[-1]["by_category"])


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture_is_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / f"recovery.{suffix}"
    _said(capsys, *SMALL, "--plot", str(file))
    begins = {"svg": b"<?xml", "png": b"\x89PNG"}
    assert file.read_bytes().startswith(begins[suffix])


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--set", "spent=3"), "set: names no number of the model"),
        (("--set", "spent_within=much"), "set: is NAME=NUMBER"),
        (("--set", "spent_within=0"), "set: is above 0"),
        (("--plot", "recovery.pdf"), "plot: ends with .svg or .png"),
        (("--plot", "/nowhere/at/all.svg"), "plot: the folder /nowhere/at does not exist"),
        (("--file", "missing.json"), "file: cannot be read"),
        (("--file", "/dev/null"), "file: is not JSON"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], field: str
) -> None:
    assert main([*SMALL, *words]) == 2
    told = capsys.readouterr().err
    assert field in told
    assert "Traceback" not in told


def test_a_search_finds_steps_on_other_invoices_than_those_it_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing_worker.cli.dunning_simulate.FITTED_ON", 60)
    monkeypatch.setattr("billing_worker.issuer_model.fit.MOST_STEPS", 2)
    said = _said(capsys, *SMALL, "--fit", "--longest", "14")
    assert "The fitted policy:" in said
    assert '"by_category"' in said
