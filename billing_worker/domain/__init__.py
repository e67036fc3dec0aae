"""The rules of billing: pure functions and values. No I/O, no clock, no randomness."""
