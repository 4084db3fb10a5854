"""``python -m bucket_conformance.reference_impl``: the storage from the command line."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from bucket_conformance.reference_impl.cli import main

    sys.exit(main())
