"""What a certificate contains: profiles as data, their rules, the two encoders that must agree, linting, requests."""
