"""Links that stay in a tree are followed, links that leave it are not, names can be printed."""

import pytest

from qsr_jax.files.tree import (
    ALIAS,
    BROKEN,
    CONTROL,
    LEAVES,
    closed_folders,
    files_below,
    shown,
    why_closed,
    why_folder_closed,
)


@pytest.fixture
def tree(tmp_path):
    """``root`` with a store as git-annex keeps one, an alias, and a stranger beside it."""
    root = tmp_path / "root"
    for folder in ("scan", ".store/key"):
        (root / folder).mkdir(parents=True)
    for file in ("scan/1", ".store/key/2"):
        (root / file).write_text("x")
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "3").write_text("x")
    return root


def link(path, target):
    path.symlink_to(target)
    return path


def test_where_a_file_link_leads_decides(tree):
    assert why_closed(tree / "scan" / "1", tree) == ""
    assert why_closed(link(tree / "scan" / "in", tree / ".store" / "key" / "2"), tree) == ""
    assert why_closed(link(tree / "scan" / "out", tree.parent / "stranger" / "3"), tree) == LEAVES
    assert why_closed(link(tree / "scan" / "up", "../../stranger/3"), tree) == LEAVES
    assert why_closed(link(tree / "scan" / "gone", tree / "nothing"), tree) == BROKEN
    twice = link(tree / "scan" / "twice", tree / "scan" / "up")
    assert why_closed(twice, tree) == LEAVES


def test_a_folder_is_entered_once(tree):
    hidden = link(tree / "hidden", tree / ".store" / "key")
    again = link(tree / "hidden2", tree / ".store" / "key")
    alias = link(tree / "alias", tree / "scan")
    out = link(tree / "out", tree.parent / "stranger")
    assert [why_folder_closed(p, tree) for p in (hidden, alias, out)] == ["", ALIAS, LEAVES]
    entered: set[str] = set()
    found = closed_folders([hidden, again, alias, out, tree / "scan"], tree, entered=entered)
    assert found == {again, alias, out}


def test_files_are_counted_once_and_links_that_stay_are_followed(tree):
    assert files_below(tree, tree) == 2
    link(tree / "out", tree.parent / "stranger")
    link(tree / "scan" / "in", tree / ".store" / "key" / "2")
    assert files_below(tree, tree) == 4
    link(tree / "scan" / "loop", tree)
    assert files_below(tree, tree) == 5


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\tb", "a\udcffb", "a\u202eb"])
def test_names_that_write_on_a_terminal_are_closed_and_shown_escaped(tree, name):
    assert why_closed(tree / name, tree) == CONTROL
    assert shown(name).isprintable()
    assert shown(name).startswith("a\\")


def test_a_link_to_a_file_of_the_tree_is_no_alias_of_a_folder(tree):
    assert why_folder_closed(link(tree / "table", tree / "scan" / "1"), tree) == ""
