"""What every adapter is made of: the contract, wrapped layers, nesting and conditioning."""
