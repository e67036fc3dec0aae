"""PortOne's HTTP API as merchants call it: tokens, charges, reads, cancellations, keys, schedules.

Each file answers the calls of one subject, in the gateway's words and with its mistakes. It decides nothing about
money: the world does. It never answers under `/_sandbox`.
"""
