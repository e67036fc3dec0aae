"""Dunning: when to charge again after a decline, on which days and hours, how often at most, and what comes last.

`steps` says when one try comes, `days` which days banks work, `caps` how often card networks let a card be tried,
`policy` puts them together, and `planner` finds the time of the next try.
"""
