"""Installed versions against what ftcore was tested with."""

import pytest
from packaging.requirements import Requirement

from ftcore.doctor import packages
from ftcore.doctor.packages import python, wanted


def lines(
    monkeypatch, installed: dict[str, str], *words: str, needed=("torch",), kind="cpu", here=True
) -> dict:
    monkeypatch.setattr(packages, "version", installed.get)
    found = packages.packages([Requirement(word) for word in words], needed, kind, here=here)
    return {one.name: one for one in found}


def test_as_tested(monkeypatch):
    """The wanted version is ok."""
    one = lines(monkeypatch, {"torch": "2.11.0"}, "torch==2.11.0")["torch"]
    assert one.state == "ok" and not one.remedy


def test_missing_and_needed(monkeypatch):
    """Missing with the remedy; on a DCU the vendor's wheel."""
    one = lines(monkeypatch, {}, "torch==2.11.0")["torch"]
    assert one.state == "missing" and "make setup" in one.remedy
    one = lines(monkeypatch, {}, "torch==2.11.0", kind="dcu")["torch"]
    assert one.state == "missing" and "vendor" in one.remedy and "make setup" not in one.remedy


def test_needed_under_its_import_name(monkeypatch):
    """A needed package that no requirement names has its line too."""
    one = lines(monkeypatch, {}, needed=("some_thing",))["some-thing"]
    assert one.state == "missing"


@pytest.mark.parametrize("words", [{"needed": ()}, {"here": False}])
def test_absent_where_it_may_be(monkeypatch, words):
    """Not needed, or needed on the nodes and not on a login node."""
    assert lines(monkeypatch, {}, "torch==2.11.0", **words)["torch"].state == "ok"


@pytest.mark.parametrize("there", ["2.10.0", "no version at all"])
def test_another_version(monkeypatch, there):
    """A warning that says which one was tested."""
    one = lines(monkeypatch, {"peft": there}, "peft==0.21.2")["peft"]
    assert one.state == "warning" and "tested with ==0.21.2" in one.found and "--no-deps" in one.remedy


def test_the_vendors_own_numbers(monkeypatch):
    """On a DCU another torch is what is wanted; elsewhere it is a warning."""
    there = {"torch": "2.5.1+das.opt1.dtk25041"}
    assert lines(monkeypatch, there, "torch==2.11.0", kind="dcu")["torch"].state == "ok"
    assert lines(monkeypatch, there, "torch==2.11.0", kind="cuda")["torch"].state == "warning"


def test_wanted_is_the_whole_stack():
    """Light half and training extra, without the developers' tools."""
    names = {one.name for one in wanted()}
    assert {"torch", "xtuner", "hydra-core", "rich"} <= names and "pytest" not in names


def test_wanted_from_a_checkout(monkeypatch):
    """Where ftcore is not installed, pyproject.toml says the same."""
    installed = {str(one) for one in wanted()}

    def none(_name: str) -> None:
        raise packages.metadata.PackageNotFoundError

    monkeypatch.setattr(packages.metadata, "requires", none)
    assert {one.name for one in wanted()} == {Requirement(text).name for text in installed}


@pytest.mark.parametrize(
    ("running", "state"),
    [("3.10.9", "missing"), ("3.11.0", "ok"), ("3.12.8", "ok"), ("3.13.1", "missing")],
)
def test_python(running, state):
    """3.11 and 3.12 run."""
    assert python(running).state == state
