"""Benchmarks. They print figures and assert nothing, because the machines are shared: compare ratios within one run."""
