"""The demonstration: three months of billing in about a minute, with real processes and invented cards."""
