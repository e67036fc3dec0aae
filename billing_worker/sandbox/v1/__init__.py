"""PortOne's HTTP API as merchants call it: tokens at the gate, charges, reads, cancellations, keys, schedules.

Each file answers the calls of one subject, in the gateway's words and with its mistakes. It decides nothing about
money: what is true is asked of the world. It never answers under `/_sandbox`.
"""
