"""Adapters to CPMSs of others: each module speaks one vendor's interface, in that vendor's shapes.

All are written from published descriptions and source, and tried against stand-ins made from those: they are untested
against a live system. None keeps our revisions, and most keep little of what we know of a unit; what one keeps is sent,
read back and compared, and a field that it has otherwise stops the unit.
"""
