"""The PGs behind PortOne V1: one row each, as data with its sources, and one function per rule that is checked here.

`facts` has the shapes, `sources` the documents, `making` short ways to write a row, `table` looks a row up, and `rules`
refuses what a row forbids. The other modules are the rows. A new PG is a new row. A PG that the table does not have
is refused at the entrances only: a stored key of such a PG is read and charged without a rule of a PG.
"""
