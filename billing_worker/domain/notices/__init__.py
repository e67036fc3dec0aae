"""What a customer hears about a payment: when a notice is written, and whether it is still true when it is sent."""
