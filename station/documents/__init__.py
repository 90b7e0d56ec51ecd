"""What leaves the factory on paper: labels, passports, and the printers that make them."""
