"""Figures, printed and never asserted: these machines are shared, so read ratios within one run."""
