"""The documentation: pages by hand here, pages from live data in :mod:`docs.generator`."""
