"""Tables of rules for foreign ops: the newest rule that is old enough, one error for all."""

import pytest
import weft
from weft._foreign import ForeignUse, RuleTable


def table() -> RuleTable:
    rules = RuleTable("Loom")
    rules.rule("Add", "Sum", since=1)(lambda: "first")
    rules.rule("Add", since=7)(lambda: "second")
    return rules


def test_the_newest_rule_that_is_not_newer_than_the_program():
    rules = table()
    answers = [rules.find("Add", version) for version in (0, 1, 6, 7, 20)]
    assert [found and found() for found in answers] == [None, "first", "first", "second", "second"]
    assert rules.find("Mul", 20) is None
    assert rules.names() == ["Add", "Sum"]


def test_two_rules_of_one_version_are_a_mistake():
    with pytest.raises(ValueError, match="two rules since 7"):
        table().rule("Add", since=7)(lambda: "third")


def test_one_error_names_all_that_is_missing():
    uses = [ForeignUse("Mul", 3, "node b"), ForeignUse("Add", 7, "node a")]
    uses += [ForeignUse("Mul", 3, "node c"), ForeignUse("Div", 0, "line 4")]
    with pytest.raises(weft.UnsupportedError) as caught:
        table().require(uses, "Write them otherwise.")
    assert str(caught.value).splitlines() == [
        "Loom ops that weft has no rule for:",
        "  Div: once, at line 4",
        "  Mul (version 3): 2 times, first at node b",
        "Write them otherwise.",
    ]
    table().require([ForeignUse("Add", 1, "node a")], "")
