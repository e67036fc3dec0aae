"""The card page: a customer gives a card in PortOne's payment window. It has no card field of its own."""
