"""What may be built: products, firmware releases, recipes and environments, as strictly read files.

Everything here is parsed once into frozen values; whoever holds one need not check it again.
"""
