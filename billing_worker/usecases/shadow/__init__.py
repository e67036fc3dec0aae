"""Shadow mode: decide beside the old biller, charge nothing, and report each day what PortOne's books show instead."""
