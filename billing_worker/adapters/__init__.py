"""The outside world behind the ports: database, gateway, clock, notifier."""
