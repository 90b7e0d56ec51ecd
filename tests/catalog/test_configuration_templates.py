"""Templates end, reach plain data only, and miss nothing silently (F-E1)."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.catalog.templates import MAX_TEMPLATE, MAX_VALUE, template
from station.errors import ConfigError

NAMES = ("environment", "unit")


class Guarded:
    """Something that must never be reached, though it lies in the facts."""

    secret = "REACHED"

    def __str__(self) -> str:
        return "REACHED"

    def call(self) -> str:
        """Must not be called."""
        return "REACHED"


FACTS = {
    "environment": {"endpoint": "wss://h.example/ocpp", "ntp": ["a.example", "b.example"], "object": Guarded(), "n": 7},
    "unit": {"serial": "S1", "items": "an item"},
}


def rendered(text: str) -> str:
    return template(text, "here", NAMES).render(FACTS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("{{ unit.serial }}", "S1"),
        ("{{ unit['serial'] }}-{{ environment.n }}", "S1-7"),
        ("{{ environment.ntp[1] }}", "b.example"),
        ("{{ environment.ntp | listed }}", "a.example,b.example"),
        ("{{ environment.ntp | length }}", "2"),
        ("{{ unit.serial | lower | upper }}", "S1"),
        ("{{ unit.items }}", "an item"),
        ("{# why #}x", "x"),
    ],
)
def test_what_a_value_needs_is_there(text: str, value: str) -> None:
    assert rendered(text) == value


FORBIDDEN = [
    "{% for x in environment.ntp %}{{ x }}{% endfor %}",
    "{% for x in range(1000000000) %}{% endfor %}",
    "{% if unit %}x{% endif %}",
    "{% set x = 1 %}{{ x }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% extends 'x' %}",
    "{% block b %}{% endblock %}",
    "{% raw %}{{ x }}{% endraw %}{{ 1 + 1 }}",
    "{{ 'a' * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 'a' ~ 'b' }}",
    "{{ 'a' + 'b' }}",
    "{{ unit.serial if unit else 'x' }}",
    "{{ unit.serial == 'S1' }}",
    "{{ unit.serial[0:1] }}",
    "{{ environment.ntp[-1] }}",
    "{{ [1, 2] }}",
    "{{ {'a': 1} }}",
    "{{ unit.serial is defined }}",
    "{{ not unit }}",
    "{{ unit.items() }}",
    "{{ environment.object.call() }}",
    "{{ ''.__class__ }}",
    "{{ unit.__class__.__mro__ }}",
    "{{ unit['__class__'].__mro__ }}",
    "{{ unit.serial.__init__ }}",
    "{{ self }}",
    "{{ cycler }}",
    "{{ range }}",
    "{{ unit.serial | attr('x') }}",
    "{{ unit.serial | map('x') }}",
    "{{ unit.serial | format }}",
    "{{ environment.ntp | listed(1) }}",
    "{{ unit.serial | upper(*environment.ntp) }}",
    "{{ 'x' | default('y') }}",
    "{{ unit",
    "{% endfor %}",
]


@pytest.mark.parametrize("text", FORBIDDEN)
def test_whatever_else_jinja_can_is_refused(text: str) -> None:
    """Bad input: templates that loop for ever, call methods, or reach further than plain data."""
    with pytest.raises(ConfigError, match=r"^here: "):
        rendered(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ environment.nothing }}",
        "{{ environment.nothing.more }}",
        "{{ unit['nothing'] | listed }}",
        "{{ environment.nothing | upper }}",
        "{{ environment.ntp[2] }}",
        "{{ environment.ntp['a'] }}",
        "{{ environment.ntp.append }}",
        "{{ unit.keys }}",
        "{{ unit.serial.upper }}",
        "{{ unit.serial[0] }}",
        "{{ environment.object.secret }}",
    ],
)
def test_what_is_missing_is_told(text: str) -> None:
    """F-E1: StrictUndefined, and an attribute of a Python object is as missing as any other."""
    with pytest.raises(ConfigError, match=r"^here: "):
        rendered(text)


@pytest.mark.parametrize("text", ["{{ unit }}", "{{ environment.ntp }}", "{{ environment.object }}"])
def test_only_texts_and_numbers_become_values(text: str) -> None:
    with pytest.raises(ConfigError, match="text or a number"):
        rendered(text)


def test_lengths_are_bounded() -> None:
    assert rendered("x" * MAX_TEMPLATE) == "x" * MAX_TEMPLATE
    with pytest.raises(ConfigError, match=f"longer than {MAX_TEMPLATE}"):
        rendered("x" * (MAX_TEMPLATE + 1))
    long = {"environment": {"long": "x" * (MAX_VALUE + 1)}, "unit": {}}
    with pytest.raises(ConfigError, match=f"longer than {MAX_VALUE}"):
        template("{{ environment.long }}", "here", NAMES).render(long)


@pytest.mark.parametrize("text", ["{{ " + "(" * 490, "{{ " + "-" * 480 + "1 }}", "{{ unit" + ".a" * 240 + " }}"])
def test_nesting_does_not_break_the_station(text: str) -> None:
    """Bad input: nested as deep as the length allows."""
    with pytest.raises(ConfigError):
        rendered(text)


PIECES = st.sampled_from(
    [
        *("{{ ", " }}", "{% ", " %}", "unit", "environment", ".object", ".serial", "['object']", ".__class__", "()"),
        *(
            "[0]",
            " | ",
            "listed",
            "upper",
            "attr('secret')",
            "'x'",
            "1",
            " + ",
            " ~ ",
            ".secret",
            ".call",
            "for",
            " in ",
        ),
        *("self", "range(9)", "{", "}", "\n", "_", "namespace", "lipsum", "joiner", "[", "]", ":", "if ", "else", "*"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_no_template_reaches_what_it_should_not(text: str) -> None:
    """Property: whatever is put together, it ends soon with a plain value or a refusal, and reaches no object."""
    before = time.process_time()
    try:
        value = rendered(text)
    except ConfigError:
        value = ""
    assert "REACHED" not in value
    assert "object at 0x" not in value
    assert "method" not in value
    assert time.process_time() - before < 1.0


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        value = rendered("{{ " + text + " }}")
    except ConfigError:
        return
    assert "REACHED" not in value
