"""Card sessions: a customer gives a card in the payment window, and it becomes a key.

It writes card sessions, registers keys and replaces the card of a subscription. It reads the gateway outside of every
transaction, and never places a charge. It never believes a browser.
"""
