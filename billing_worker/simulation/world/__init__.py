"""The world outside: customers, operators, and what the gateway tells the merchant about payments.

Each act goes through the ports of the office, and may fail as any other's. The world never writes a row itself, and
never asks whether the worker did right.
"""
