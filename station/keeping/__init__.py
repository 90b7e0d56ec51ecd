"""What keeps a station's records for ten years: backups that were restored once, and archives of closed orders.

What is not sure to come back is no backup: each one is restored and compared before it gets its name.
"""
