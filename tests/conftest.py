"""Settings of every test in this package."""

from __future__ import annotations

import signal

from hypothesis import settings

# A deadline asserts a time, but test machines are shared: it would fail tests on a busy machine.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")

# Started in the background by a shell, the tests would ignore Ctrl-C, and so would the programs that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
