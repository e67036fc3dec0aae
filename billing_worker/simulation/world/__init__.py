"""The world outside: customers, operators, and the gateway's notifications about payments.

Each act goes through the ports of the office, and may fail like any other. The world never writes a row itself, and
never checks the worker.
"""
