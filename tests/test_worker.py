"""Who does which check: workers stay with a file, and help where there is nothing else to do."""

from __future__ import annotations

from theorytest.worker import _Waiting

CHECKS = [("a.py", "A1"), ("a.py", "A2"), ("a.py", "A3"), ("b.py", "B1"), ("c.py", "C1")]


def test_workers_stay_with_their_files_and_then_help():
    waiting = _Waiting(CHECKS)
    assert waiting.take("") == ("a.py", "A1")
    assert waiting.take("") == ("b.py", "B1")
    assert waiting.take("a.py") == ("a.py", "A2")
    assert waiting.take("b.py") == ("c.py", "C1")
    assert waiting.take("c.py") == ("a.py", "A3")  # the last one of a file that another worker is in
    assert waiting.take("c.py") is None
    assert waiting.take("a.py") is None


def test_every_check_is_done_once_in_the_order_of_the_files_by_one_worker():
    waiting, file, done = _Waiting(CHECKS), "", []
    while (taken := waiting.take(file)) is not None:
        file = taken[0]
        done.append(taken)
    assert done == CHECKS
