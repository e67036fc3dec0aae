"""What people and programs look at: lists, reports, one customer as a whole, and why something is as it is.

It only reads, and never commits. It never words anything for one entrance alone.
"""
