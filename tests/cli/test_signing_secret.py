"""The secret that is made at the first start: once, whole, and for one user's eyes."""

import os
import stat
from pathlib import Path

import pytest

from oms_core.errors import ConfigurationError
from oms_core.testing import at_once
from oms_entrypoints.signing_secret import read_or_make


def test_it_is_made_for_this_user_alone_and_stays_the_same(folder: Path) -> None:
    path = folder / "oms.db.secret"

    first = read_or_make(path)

    assert len(first) >= 48
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_make(path) == first
    assert os.listdir(folder) == ["oms.db.secret"]  # noqa: PTH208 - nothing else is left


def test_two_stores_have_two_secrets(folder: Path) -> None:
    assert read_or_make(folder / "one") != read_or_make(folder / "other")


def test_whoever_makes_it_at_once_gets_the_same(folder: Path) -> None:
    """A token minted by one process must be good for the other."""
    for number in range(20):
        path = folder / f"{number}.secret"

        found = at_once(read_or_make, [path] * 8)

        assert len(set(found)) == 1


def test_a_secret_that_others_may_read_is_refused_with_the_remedy(folder: Path) -> None:
    path = folder / "oms.db.secret"
    read_or_make(path)
    path.chmod(0o644)

    with pytest.raises(ConfigurationError) as refused:
        read_or_make(path)

    assert refused.value.sentence == (
        f"Other users may read the signing secret {path} (mode 0644); run `chmod 600 {path}`, or "
        "delete it to have a new one made."
    )


def test_a_cut_secret_is_refused_and_not_shown(folder: Path) -> None:
    path = folder / "oms.db.secret"
    path.write_text("hunter2")
    path.chmod(0o600)

    with pytest.raises(ConfigurationError) as refused:
        read_or_make(path)

    assert "is shorter than 32 bytes" in refused.value.sentence
    assert "hunter2" not in refused.value.sentence


def test_a_folder_that_is_not_there_is_a_sentence(folder: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_or_make(folder / "nowhere" / "oms.db.secret")

    assert "cannot be read or made (No such file or directory)" in refused.value.sentence
