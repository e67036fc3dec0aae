"""What goes out to the merchant: webhooks and Paymentwall's pingbacks, sent again until they are taken.

It knows payments as they are kept, and no rule of the gateway. It never decides that something is to be told.
"""
