"""What all tests share: commands of the product start warm, and property tests judge neither by chance nor by time."""

import os

from hypothesis import HealthCheck, settings

from fixtures.warm import SWITCH

os.environ.setdefault(SWITCH, "1")
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
