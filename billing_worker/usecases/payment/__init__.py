"""Single payments: a stored key is charged any amount, now or at a time, without a subscription.

It writes invoices without a period, and voids them. It never uses attempts or the gateway: such an invoice is charged
as any other.
"""
