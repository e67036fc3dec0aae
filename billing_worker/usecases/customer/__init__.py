"""What a customer may ask for as a whole."""
