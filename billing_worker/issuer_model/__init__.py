"""A model of Korean cards and their holders, against which dunning policies are tried before real customers meet them.

`parameters` names every number and its source. `holder` draws one holder whose first charge is declined, and says when
the card would approve. `trial` runs one policy against one holder. `figures` counts many trials, `fit` searches a
policy, `history` draws holders who behave as a merchant's own invoices did, `plot` draws the figures.

It is a model: what it says about a policy is worth as much as its parameters. It knows the domain, and nothing else.
"""
