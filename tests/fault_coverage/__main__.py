"""``python -m tests.fault_coverage``: see :mod:`measure`, a separate module because worker processes import it."""

from __future__ import annotations

if __name__ == "__main__":
    from tests.fault_coverage.measure import main

    raise SystemExit(main())
