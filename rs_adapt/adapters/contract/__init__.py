"""Building blocks of adapters: the contract, wrapped layers, nesting and conditioning."""
