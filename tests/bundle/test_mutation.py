"""The quick form of `mutation.py`; the long one, of 10,000, is run by hand before a release."""

import mutation


def test_500_mutants_crash_nothing_and_no_wrong_one_is_accepted() -> None:
    report = mutation.run(500, seed=1)
    assert report.crashes == ()
    assert report.wrong == 0
    assert sum(report.outcomes.values()) == 500
    assert report.slowest < mutation.SLOWEST_SECONDS
