"""Lines, and what nodes do not agree on."""

from ftcore.cli.doctor import EVERY, merged
from ftcore.doctor.finding import ANSWER, Finding, differences, ok


def line(found: str, name: str = "driver", state: str = "ok", own: bool = False) -> Finding:
    return Finding("accelerators", name, state, found, own=own)


def test_warnings_do_not_stop_a_run():
    """Only what is missing does."""
    assert ok([line("a"), line("b", state="warning")])
    assert not ok([line("a"), line("b", state="missing")])


def test_another_driver_on_one_node():
    """The values by node; what all agree on is not listed."""
    nodes = {"n1": [line("6.2"), line("x", "card")], "n2": [line("6.3"), line("x", "card")]}
    (one,) = differences(nodes)
    assert (one.name, one.values) == ("driver", {"n1": "6.2", "n2": "6.3"})


def test_a_line_that_one_node_lacks():
    """A card fewer is a difference."""
    (one,) = differences({"n1": [line("x", "dcu 0"), line("x", "dcu 1")], "n2": [line("x", "dcu 0")]})
    assert one.values == {"n1": "x", "n2": "not there"}


def test_what_is_each_nodes_own():
    """Free disk differs and says nothing; a single node and a silent one agree with everybody."""
    assert differences({"n1": [line("1 GiB", own=True)], "n2": [line("2 GiB", own=True)]}) == []
    assert differences({"n1": [line("1")]}) == []
    silent = [Finding("node", ANSWER, "missing", "nothing")]
    assert differences({"n1": [line("1")], "n2": silent}) == []


def test_merged():
    """One line where all nodes say the same, else one a node, beside each other."""
    nodes = {"n1": [line("a", "card"), line("6.2")], "n2": [line("a", "card"), line("6.3")]}
    assert [(where, one.found) for where, one in merged(nodes)] == [
        (EVERY, "a"),
        ("n1", "6.2"),
        ("n2", "6.3"),
    ]
