"""Work orders as people and files ask for them: made, imported, counted."""

from station.orders.importing import Examination, Preview, examined
from station.orders.making import Office, OrderOptions
from station.orders.progress import OrderProgress, progress
from station.orders.staging import RowVerdict, Verdict

__all__ = [
    "Examination",
    "Office",
    "OrderOptions",
    "OrderProgress",
    "Preview",
    "RowVerdict",
    "Verdict",
    "examined",
    "progress",
]
