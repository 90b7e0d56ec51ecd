"""What all tests share: commands of the product start warm, see `fixtures.warm`."""

import os

from fixtures.warm import SWITCH

os.environ.setdefault(SWITCH, "1")
