"""The one import package of the distribution ``bucket-conformance``.

It holds three packages, which stand at the top of the repository and are reached here by symbolic links:

* ``conformance``: the contract, and what judges, records, reports and gates;
* ``providers``: how each backend is reached;
* ``reference_impl``: the storage system itself, usable alone.
"""
