"""A user's own protocols: what a file says is what is scanned, and nothing is guessed."""

import copy
import json

import pytest

from data_tools.protocol_file import as_document, load_protocols, protocols_from
from qsr_jax.physics.mdme_protocol import PROTOCOLS

PAPER = json.loads(json.dumps(as_document(*PROTOCOLS["paper"])))


def toml_of(document):
    lines = []
    for name, table in document.items():
        lines.append(f"[{name}]")
        inner = {k: v for k, v in table.items() if isinstance(v, dict)}
        lines += [f"{k} = {json.dumps(v)}" for k, v in table.items() if k not in inner]
        for key, part in inner.items():
            lines += [f"[{name}.{key}]", *(f"{k} = {json.dumps(v)}" for k, v in part.items())]
    return "\n".join(lines)


@pytest.mark.parametrize(("suffix", "write"), [("json", json.dumps), ("toml", toml_of)])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_written_and_read_again(tmp_path, suffix, write, name):
    path = tmp_path / f"mine.{suffix}"
    path.write_text(write(as_document(*PROTOCOLS[name])))
    assert load_protocols(path) == PROTOCOLS[name]


def changed(path, value):
    document = copy.deepcopy(PAPER)
    table = document
    for key in path[:-1]:
        table = table[key]
    if value is None:
        del table[path[-1]]
    else:
        table[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("fast",), None, "the file: missing key fast"),
        (("slow",), {}, "the file: unknown key slow"),
        (("fast", "tr_ms"), None, "fast: missing key tr_ms"),
        (("fast", "g_factor"), 1.4, "fast: unknown key g_factor"),
        (("fast", "played", "echo_spacing_ms"), None, "fast.played: missing key echo_spacing_ms"),
        (
            ("fast", "played"),
            8.68,
            "fast.played must be a table of echo_spacing_ms, refocusing_width",
        ),
        (("routine", "tr_ms"), "4 s", "routine.tr_ms must be float; got '4 s'"),
        (("routine", "tr_ms"), float("inf"), "routine.tr_ms must be float; got inf"),
        (("routine", "slices"), 24.5, "routine.slices must be int; got 24.5"),
        (("routine", "slices"), True, "routine.slices must be int; got True"),
        (("routine", "te_ms"), [18.3, 91.4, 120.0], "routine.te_ms must be a list of"),
        (("routine", "te_ms"), 18.3, "routine.te_ms must be a list of"),
        (("routine", "td_ms"), [170.0, "x"], "routine.td_ms\\[1\\] must be float; got 'x'"),
        (("routine", "te_ms"), [91.4, 18.3], "te_ms must be positive and rising"),
        (("fast", "td_ms"), [-170.0, 670.0, 1840.0, 3840.0], "td_ms must be positive and rising"),
        (("fast", "fov_mm"), 240.0, "must share field of view and slices"),
    ],
)
def test_what_is_wrong_is_named(path, value, said):
    with pytest.raises(ValueError, match=said):
        protocols_from(changed(path, value))


def test_unreadable_files_are_refused(tmp_path):
    other = tmp_path / "protocol.yaml"
    other.write_text("routine: {}")
    with pytest.raises(ValueError, match="expected a .json or .toml file; got .yaml"):
        load_protocols(other)
    broken = tmp_path / "protocol.toml"
    broken.write_text("[routine")
    with pytest.raises(ValueError, match="protocol.toml: cannot be read"):
        load_protocols(broken)
    empty = tmp_path / "protocol.json"
    empty.write_text("[]")
    with pytest.raises(
        ValueError, match="protocol.json: the file must be a table of fast, routine"
    ):
        load_protocols(empty)
