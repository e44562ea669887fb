"""The sample store: real brands and products, three logins, orders, two leaderboards."""

from ops.sample.load import load_sample

__all__ = ["load_sample"]
