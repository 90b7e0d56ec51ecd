"""Results of other test benches: read in any declared shape, judged by us, never by the word PASS (F-I2)."""
