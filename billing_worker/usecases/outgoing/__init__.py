"""Events on their way to the merchant: sent one after the other, tried again, sent again on request.

It touches the outbox and the receivers. It never touches anything of billing.
"""
