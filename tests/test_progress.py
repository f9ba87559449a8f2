"""Progress bars show unless they are told not to, by the caller or by TQDM_DISABLE."""

import pytest

from tdsm.util.progress import progress_bar


@pytest.mark.parametrize(
    ("variable", "shown", "disabled"), [(None, True, False), ("0", True, False), ("1", True, True), (None, False, True), ("1", False, True)]
)
def test_a_bar_is_hidden_when_told(monkeypatch, variable, shown, disabled):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    if variable is not None:
        monkeypatch.setenv("TQDM_DISABLE", variable)
    with progress_bar(range(3), shown=shown, leave=False) as bar:
        assert bar.disable == disabled
        assert list(bar) == [0, 1, 2]
