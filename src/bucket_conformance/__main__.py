"""``python -m bucket_conformance``: the command ``conformance``."""

from __future__ import annotations

if __name__ == "__main__":
    from bucket_conformance.conformance.cli.main import main

    raise SystemExit(main())
