"""What quality decides about units and stations, and the ways that follow: hold, rework, scrap, golden checks."""
